"""The table of detectors beside PyOD's, as `adjax.benchmark.page` shows it."""

from adjax.reports.rendering import Table

_DEEP_SVDD = (
    "Deep SVDD of PyOD has dense layers, and no pre-training, which is in adjax's time; it trains "
    "for as many epochs as adjax's last stage."
)


def pyod_table(rows: list[dict]) -> Table:
    """Of rows as `adjax.benchmark.classical.measure` makes them."""

    def compared(comparison):
        return (
            f"{comparison['ratio']:.2f}",
            f"{comparison['spread']:.0%}",
            f"{comparison['adjax_seconds']:.2f}",
            f"{comparison['pyod_seconds']:.2f}",
        )

    columns = ("ratio", "spread", "adjax s", "PyOD s")
    return Table(
        "PyOD's detectors beside adjax's",
        "method, data set and class",
        (
            ("image AUROC", ("adjax", "PyOD")),
            ("train", (*columns, "features s")),
            ("score", columns),
        ),
        tuple(
            (
                row["case"],
                *(f"{row['auroc'][side]:.4f}" for side in ("adjax", "pyod")),
                *compared(row["train"]),
                f"{row['feature_seconds']:.2f}",
                *compared(row["score"]),
            )
            for row in rows
        ),
        notes=(
            "Ratios are PyOD's time over adjax's, both from images on: making the features is in "
            "either. PyOD's training ends with scores of the training images, which it needs.",
            *_sizes(rows),
            *(_DEEP_SVDD for row in rows if row["case"].startswith("deep_svdd")),
        ),
    )


def _sizes(rows: list[dict]) -> list[str]:
    """On how many images the rows were measured, each said once."""
    found = {(row["trained_on"], row["scored"], row["seed"]) for row in rows}
    return [f"{n:,} training images, {m:,} scored, seed {seed}." for n, m, seed in sorted(found)]
