"""Tables of decisions: thresholds and what they come to on test images."""

from collections.abc import Iterator, Sequence

from adjax.reports.names import member_name
from adjax.reports.rendering import ABSENT, Table
from adjax.reports.run import Run


def decision_tables(run: Run) -> Iterator[Table]:
    """Thresholds of pixels, of images, and how they fare when the test images change."""
    for member in run.members:
        name = member_name(member, run.members)
        if member.get("thresholds"):
            yield _pixels(member, name)
        if member.get("image_threshold"):
            yield _images(member, name)
        if member.get("robustness"):
            yield _robustness(member, name)


def _pixels(member: dict, name: str) -> Table:
    keys = ("threshold", "f1", "precision", "recall", "flagged_normal")
    stability = member.get("stability", {})
    notes = [
        "All but the oracle's are chosen on held-out normal images alone; the oracle's is the best "
        "on the test masks."
    ]
    if stability:
        notes.append(
            f"Thresholds from {stability['low']:.4g} to {stability['high']:.4g}, which are "
            f"{stability['width']:.2%} of the normal test pixels apart, keep F1 within 5 % of the "
            "best."
        )
    return Table(
        caption=f"Thresholds of the anomaly map, {name}",
        corner="rule",
        groups=(("", ("threshold", "F1", "precision", "recall", "normal pixels flagged")),),
        rows=tuple(
            (rule["rule"], *(_number(rule.get(key)) for key in keys))
            for rule in member["thresholds"]
        ),
        notes=tuple(notes),
    )


def _images(member: dict, name: str) -> Table:
    rule = member["image_threshold"]
    keys = ("threshold", "false_positive_rate", "true_positive_rate")
    return Table(
        caption=f"Threshold of the image score, {name}",
        corner="rule",
        groups=(("", ("threshold", "normal images flagged", "anomalies found")),),
        rows=((rule["rule"], *(_number(rule.get(key)) for key in keys)),),
        notes=("Chosen on held-out normal images alone.",),
    )


def _robustness(member: dict, name: str) -> Table:
    rows: Sequence[dict] = member["robustness"]
    rules = list(rows[0]["f1"])
    names = [f"F1, {rule.replace('_', ' ')}" for rule in rules]
    return Table(
        caption=f"Changed test images, thresholds as they were, {name}",
        corner="change",
        groups=(("", ("strength", "pixel AUROC", *names)),),
        rows=tuple(
            (
                row["change"],
                *(_number(row[key]) for key in ("strength", "pixel_auroc")),
                *(_number(row["f1"][rule]) for rule in rules),
            )
            for row in rows
        ),
    )


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.3g}"
