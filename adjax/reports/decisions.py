"""Tables of decisions: thresholds and what they come to on test images."""

from collections.abc import Callable, Iterator, Sequence

from adjax.reports.names import member_name, rule_name
from adjax.reports.rendering import ABSENT, Table
from adjax.reports.run import Run

Rows = list[tuple[str, ...]]

_PIXELS = {
    "threshold": "threshold",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "flagged_normal": "normal pixels flagged",
}
_IMAGES = {
    "threshold": "threshold",
    "false_positive_rate": "normal images flagged",
    "true_positive_rate": "anomalies found",
}


def decision_tables(run: Run) -> Iterator[Table]:
    """Thresholds of pixels, of images, and how they fare when the test images change.

    Several members stand below each other in a table.
    """
    if any(member.get("thresholds") for member in run.members):
        yield _pixels(run)
    if any(member.get("image_threshold") for member in run.members):
        yield _images(run)
    if any(member.get("robustness") for member in run.members):
        yield _robustness(run)


def _pixels(run: Run) -> Table:
    rules = [rule for member in run.members for rule in member["thresholds"]]
    keys = [key for key in _PIXELS if any(key in rule for rule in rules)]
    notes = ["Chosen on held-out normal images alone."]
    if any(rule["rule"].startswith("oracle") for rule in rules):
        notes = ["All but the oracle's are chosen on held-out normal images alone."]
        notes[0] += " The oracle's is the best on the test masks."
    what = "Predictions and the F1 of the results" if "f1" in keys else "Predictions"
    notes.append(f"{what} are by {rule_name(run.config['threshold']['rule'])}.")
    return Table(
        caption=f"Thresholds of the anomaly map{_whose(run)}",
        corner="rule",
        groups=(("", tuple(_PIXELS[key] for key in keys)),),
        rows=_by_member(run, lambda member: _rules(member["thresholds"], keys)),
        notes=(*notes, *_stability(run)),
    )


def _images(run: Run) -> Table:
    found = [member["image_threshold"] for member in run.members]
    keys = [key for key in _IMAGES if any(key in rule for rule in found)]
    return Table(
        caption=f"Threshold of the image score{_whose(run)}",
        corner="rule",
        groups=(("", tuple(_IMAGES[key] for key in keys)),),
        rows=_by_member(run, lambda member: _rules([member["image_threshold"]], keys)),
        notes=("Chosen on held-out normal images alone; the shares are of the test images.",),
    )


def _rules(rules: Sequence[dict], keys: Sequence[str]) -> Rows:
    return [(rule_name(rule["rule"]), *(_cell(rule, key) for key in keys)) for rule in rules]


def _cell(rule: dict, key: str) -> str:
    """A threshold has a scale of its own; all else is a share."""
    if key == "threshold":
        return f"{rule[key]:.4g}"
    if key not in rule:
        return ABSENT
    return f"{rule[key]:.2%}" if key == "flagged_normal" else f"{rule[key]:.3f}"


def _stability(run: Run) -> Iterator[str]:
    """How much a threshold may be off."""
    for member in run.members:
        around = member.get("stability")
        if not around:
            continue
        whose = f"{member_name(member, run.members, run.noun)}: " if len(run.members) > 1 else ""
        yield (
            f"{whose}F1 stays within 5 % of the best from {around['low']:.4g} to "
            f"{around['high']:.4g}, a range that {around['width']:.2%} of the normal test pixels "
            "lie in."
        )


def _robustness(run: Run) -> Table:
    rules = list(run.members[0]["robustness"][0]["f1"])
    names = [f"F1, {rule_name(rule)}" for rule in rules]

    def rows(member: dict) -> Rows:
        return [
            (
                _change(row["change"], row["strength"]),
                f"{row['pixel_auroc']:.3f}",
                *(f"{row['f1'][rule]:.3f}" for rule in rules),
            )
            for row in member["robustness"]
        ]

    return Table(
        caption=f"Changed test images, thresholds as they were{_whose(run)}",
        corner="change",
        groups=(("", ("pixel AUROC", *names)),),
        rows=_by_member(run, rows),
        notes=(
            "brightness: added to every pixel of [0, 1]. contrast: its change about the mean of "
            "the image. gradient: light from one side, more by so much there and less on the "
            "other. noise: its standard deviation.",
        ),
    )


def _change(change: str, strength: float) -> str:
    """`none`, `contrast +40 %`, `noise 0.02`."""
    if change == "none":
        return change
    if change == "noise":
        return f"noise {strength:g}"
    if change == "brightness":
        return f"brightness {strength:+g}".replace("-", "\N{MINUS SIGN}")
    sign = "+" if change == "contrast" else ""
    return f"{change} {100 * strength:{sign}.0f} %".replace("-", "\N{MINUS SIGN}")


def _whose(run: Run) -> str:
    """The member, if there is only one."""
    if len(run.members) > 1:
        return ""
    return f", {member_name(run.members[0], run.members, run.noun)}"


def _by_member(run: Run, rows: Callable[[dict], Rows]) -> tuple[tuple[str, ...], ...]:
    """The rows of each member, of several under its name."""
    if len(run.members) == 1:
        return tuple(rows(run.members[0]))
    names = [member_name(member, run.members, run.noun) for member in run.members]
    return tuple(
        row
        for name, member in zip(names, run.members, strict=True)
        for row in [(name,), *rows(member)]
    )
