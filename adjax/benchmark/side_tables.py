"""Tables of ways to do the same, one a row, as `adjax.benchmark.page` shows them."""

from adjax.reports.rendering import ABSENT, Table


def metrics_table(rows: list[dict]) -> Table:
    """Of rows as `adjax.benchmark.metrics.measure` makes them."""

    def shown(value):
        return ABSENT if value is None else f"{value:.6f}"

    maps, size = rows[0]["maps"], rows[0]["size"]
    return Table(
        f"Metrics of {maps} maps of {size} x {size} px",
        "by",
        (
            ("", ("computes",)),
            ("time", ("s", "spread", "over adjax's")),
            ("found", ("AUROC", "AUPRO")),
        ),
        tuple(
            (
                row["case"],
                row["computes"],
                f"{row['seconds']:.3f}",
                f"{row['spread']:.0%}",
                f"{row['times']:.1f}",
                shown(row["pixel_auroc"]),
                shown(row["aupro"]),
            )
            for row in rows
        ),
        notes=tuple(
            f"{row['case']}'s peak of memory, without the maps: {row['memory']:.1f} times theirs."
            for row in rows
            if row["memory"] is not None
        ),
    )


def search_table(rows: list[dict]) -> Table:
    """Of rows as `adjax.benchmark.search.measure` makes them."""
    return Table(
        f"AnoGAN's search, {rows[0]['steps']} steps",
        "by",
        (
            ("", ("images", "images/s", "spread", "slower than the first")),
            ("loss", ("largest difference",)),
        ),
        tuple(
            (
                row["case"],
                f"{row['searched']:,}",
                f"{row['images_per_second']:.1f}",
                f"{row['spread']:.0%}",
                f"{row['times']:.2f}",
                f"{row['difference']:.0e}",
            )
            for row in rows
        ),
        notes=("The difference is relative, from the loss that the first finds for the image.",),
    )
