"""The figures of a campaign as a table, on the console and in their place of a page."""

from collections.abc import Sequence
from pathlib import Path

from adjax.circumstances import circumstances
from adjax.reports.rendering import Table, to_markdown, to_text
from adjax.reports.results_page import fill, require_places
from torture.campaign import KINDS, tally
from torture.outcome import CLEAR, RIGHT, WRONG, Outcome

_KIND, _NAME = "campaign", "figures"
_COLUMNS = ("tried", RIGHT, CLEAR, WRONG)


def check(path: str | Path) -> None:
    """Raise `UserError` unless `path` is a page with a place for the table."""
    require_places(path, _KIND, {_NAME: "the figures"})


def table(outcomes: Sequence[Outcome], skipped: Sequence[str] = ()) -> Table:
    """Return the figures: a row a kind, and their sums; notes say what is wrong or was left out."""
    counts = tally(outcomes)
    rows = tuple(
        (KINDS[name].TITLE, *(f"{count[column]:,}" for column in _COLUMNS))
        for name, count in counts.items()
    )
    sums = (f"{sum(count[column] for count in counts.values()):,}" for column in _COLUMNS)
    wrong = (
        f"Wrong: {one.kind}, seed {one.seed}: {one.what}: {one.reason}"
        for one in outcomes
        if one.ending == WRONG
    )
    left_out = (f"Left out: {reason}" for reason in skipped)
    groups = (("", _COLUMNS),)
    means = (("all", *sums),)
    return Table("Cases", "kind", groups, rows, means, (*wrong, *left_out))


def console(outcomes: Sequence[Outcome], skipped: Sequence[str] = ()) -> str:
    """Return the figures as text."""
    return to_text(table(outcomes, skipped))


def write(
    path: str | Path,
    outcomes: Sequence[Outcome],
    skipped: Sequence[str],
    command: str,
    minutes: float,
) -> None:
    """Put the figures into a page.

    Args:
      path: the page, see `check`.
      outcomes: of a whole campaign.
      skipped: what was left out and why.
      command: that repeats the campaign.
      minutes: how long it took.

    """
    facts = circumstances()
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    when = f"{facts['date'][:10]}, {minutes:.0f} minutes"
    origin = f"`{command}`, {when}, {facts['hardware']}; {versions}."
    text = f"{to_markdown(table(outcomes, skipped))}\n{origin}"
    path = Path(path)
    path.write_text(fill(path.read_text(), _KIND, _NAME, text))
