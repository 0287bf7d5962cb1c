"""Tables of decisions: thresholds and what they come to on test images."""

from collections.abc import Iterator, Sequence

from adjax.reports.finished_run import Run
from adjax.reports.rendering import ABSENT, Table
from adjax.reports.words import rule_name

Rows = list[tuple[str, ...]]

# key of a rule -> heading; pixels and images have keys of their own
_COLUMNS = {
    "threshold": "threshold",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "flagged_normal": "normal pixels flagged",
    "false_positive_rate": "normal images flagged",
    "true_positive_rate": "anomalies found",
}


def decision_tables(run: Run) -> Iterator[Table]:
    """Yield thresholds of pixels, of images, and how they fare when the test images change.

    Several members stand below each other in a table.
    """
    pixels = [member.get("thresholds", []) for member in run.members]
    images = [list(filter(None, [member.get("image_threshold")])) for member in run.members]
    changed = [member.get("robustness", []) for member in run.members]
    if any(pixels):
        notes = [*_notes_on_pixels(run, pixels), *_stability(run)]
        yield _rules_table(run, "Thresholds of the anomaly map", pixels, notes)
    if any(images):
        notes = ["Chosen on held-out normal images alone; the shares are of the test images."]
        yield _rules_table(run, "Threshold of the image score", images, notes)
    if any("controlled" in member for member in run.members):
        yield _controlled_table(run)
    if any(changed):
        yield _robustness_table(run, changed)


def _controlled_table(run: Run) -> Table:
    """Rows `as they are` and `at one median brightness` of each member."""
    keys = ("image_auroc", "false_positive_rate", "true_positive_rate")
    rows = [
        [
            (name, *(f"{values[key]:.3f}" for key in keys))
            for name, values in (
                ("as they are", member | member["image_threshold"]),
                ("at one median brightness", member["controlled"]),
            )
        ]
        for member in run.members
    ]
    notes = [f"Confounded: {sentence}." for sentence in run.results["confounded"]]
    notes.append(
        "At one median brightness, every test image is multiplied so that its median is that of "
        "the training images; the threshold is the run's own."
    )
    names = ["image AUROC", *(_COLUMNS[key] for key in keys[1:])]
    return _table(run, "Confounded test images", "test images", names, rows, notes)


def _rules_table(run: Run, caption: str, rules: list[list[dict]], notes: Sequence[str]) -> Table:
    """A row a rule of a member, a column for each key that any rule has."""
    keys = [key for key in _COLUMNS if any(key in rule for own in rules for rule in own)]
    rows = [
        [(rule_name(rule["rule"]), *(_cell(rule, key) for key in keys)) for rule in own]
        for own in rules
    ]
    return _table(run, caption, "rule", [_COLUMNS[key] for key in keys], rows, notes)


def _cell(rule: dict, key: str) -> str:
    """A threshold has a scale of its own; all else is a share."""
    if key == "threshold":
        return f"{rule[key]:.4g}"
    if key not in rule:
        return ABSENT
    return f"{rule[key]:.2%}" if key == "flagged_normal" else f"{rule[key]:.3f}"


def _notes_on_pixels(run: Run, rules: list[list[dict]]) -> Iterator[str]:
    """Yield what thresholds are chosen on, and which one decides."""
    if any(rule["rule"].startswith("oracle") for own in rules for rule in own):
        yield (
            "All but the oracle's are chosen on held-out normal images alone. The oracle's is the "
            "best on the test masks."
        )
    else:
        yield "Chosen on held-out normal images alone."
    has_f1 = any("f1" in rule for own in rules for rule in own)
    predicted = "Predictions and the F1 of the results" if has_f1 else "Predictions"
    yield f"{predicted} are by {rule_name(run.config['threshold']['rule'])}."


def _stability(run: Run) -> Iterator[str]:
    """Yield how much a threshold may be off."""
    for member in run.members:
        around = member.get("stability")
        if around:
            whose = f"{run.member_name(member)}: " if len(run.members) > 1 else ""
            yield (
                f"{whose}F1 stays within 5 % of the best from {around['low']:.4g} to "
                f"{around['high']:.4g}, a range that {around['width']:.2%} of the normal test "
                "pixels lie in."
            )


def _robustness_table(run: Run, changed: list[list[dict]]) -> Table:
    rules = list(changed[0][0]["f1"])
    rows = [
        [
            (
                _change(row["change"], row["strength"]),
                f"{row['pixel_auroc']:.3f}",
                *(f"{row['f1'][rule]:.3f}" for rule in rules),
            )
            for row in own
        ]
        for own in changed
    ]
    names = ["pixel AUROC", *(f"F1, {rule_name(rule)}" for rule in rules)]
    note = (
        "brightness: added to every pixel of [0, 1]. contrast: its change about the mean of the "
        "image. gradient: light from one side, more by so much there and less on the other. noise: "
        "its standard deviation."
    )
    caption = "Changed test images, thresholds as they were"
    return _table(run, caption, "change", names, rows, [note])


def _change(change: str, strength: float) -> str:
    """Return `none`, `contrast +40 %`, `noise 0.02`."""
    texts = {
        "none": "none",
        "noise": f"noise {strength:g}",
        "brightness": f"brightness {strength:+g}",
        "contrast": f"contrast {100 * strength:+.0f} %",
    }
    text = texts.get(change, f"{change} {100 * strength:.0f} %")
    return text.replace("-", "\N{MINUS SIGN}")


def _table(
    run: Run, caption: str, corner: str, names: list[str], rows: list[Rows], notes: Sequence[str]
) -> Table:
    """The rows of each member, of several under its name; the caption names a single one."""
    members = [run.member_name(member) for member in run.members]
    if len(members) == 1:
        caption += f", {members[0]}"
    else:
        rows = [[(name,), *own] for name, own in zip(members, rows, strict=True)]
    together = tuple(row for own in rows for row in own)
    return Table(caption, corner, (("", tuple(names)),), together, notes=tuple(notes))
