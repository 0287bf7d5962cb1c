"""The page of a comparison: tables side by side, what differs, curves over each other."""

from collections.abc import Sequence
from pathlib import Path

from adjax.reports.comparison import (
    Side,
    circumstances_table,
    matched,
    metric_tables,
    settings_table,
    sides_of,
)
from adjax.reports.figures import figure_data
from adjax.reports.finished_sweep import Sweep
from adjax.reports.notes import on_images
from adjax.reports.pages import Figure, link_to, write_page
from adjax.reports.record import is_record
from adjax.reports.run_page import classes_in_words
from adjax.reports.small_multiples import Overlaid, overlaid_curves, overlaid_rocs
from adjax.reports.sweep_page import MOST_DRAWN
from adjax.reports.words import count, listing

_TEXTS = {
    "roc": (
        "ROC curves of what is compared, over each other",
        "A curve a member, in the colour of what it belongs to, and their mean AUROC. The nearer "
        "to the top left corner the better; the dotted diagonal is guessing.",
    ),
    "curves": (
        "Losses by step of what is compared, over each other",
        "The mean over classes and seeds of the loss on normal images that were not trained on. "
        "Losses of different kinds do not compare.",
    ),
}


def write_comparison(
    path: str | Path, sources: Sequence[Path], sweeps: Sequence[Sweep], command: str = ""
) -> Path:
    """Write the page that compares runs, sweeps or records; returns its path.

    Args:
      path: of the page.
      sources: folders, or files of records.
      sweeps: what was read from each.
      command: that writes it, to be repeated.

    Raises:
      UserError: if one is given twice, or is to be drawn of files that are not what they were.

    """
    path = Path(path)
    sides = sides_of(sources, sweeps)
    names = [side.name for side in sides]
    runs = [run for side in sides for run in side.runs]
    undrawn = _undrawn(sides, len(runs))
    return write_page(
        path,
        "comparison.html",
        f"{listing(names)} compared",
        sides=[(side.name, _link(side, path), _sentence(side)) for side in sides],
        results=list(metric_tables(sides)),
        on_images=list(on_images(runs)),
        settings=settings_table(sides),
        figures=[] if undrawn else _figures(sides),
        undrawn=undrawn,
        circumstances=circumstances_table(sides),
        commands=list(filter(None, [command])),
    )


def _link(side: Side, path: Path) -> str:
    """Return the address of a side's own page; empty if there is none."""
    page = side.path / "report.html"
    return link_to(page, path.absolute().parent) if page.is_file() else ""


def _sentence(side: Side) -> str:
    methods = listing(list(dict.fromkeys(run.about.name for run in side.runs)))
    members = sum(len(run.members) for run in side.runs)
    return (
        f"{methods}, {classes_in_words(side.runs)}; {count(len(side.runs), 'run')}, "
        f"{count(members, 'member')}"
    )


def _undrawn(sides: Sequence[Side], runs: int) -> str:
    """Return why there are no curves; empty if there are."""
    if records := [side.name for side in sides if is_record(side.path)]:
        return f"A record holds no curves, so none are drawn: {listing(records)}."
    return f"Curves are drawn of {MOST_DRAWN} runs at most." if runs > MOST_DRAWN else ""


def _figures(sides: Sequence[Side]) -> list[Figure]:
    """Return curves, a panel a row of the tables, and of each data set its own."""
    figures = []
    for run, rows in matched(sides):
        for name, draw in (("roc", overlaid_rocs), ("curves", overlaid_curves)):
            shown = Overlaid([side.name for side in sides], rows)
            if data := figure_data(draw, shown):
                alt, caption = _TEXTS[name]
                figures.append(Figure(name, f"{alt}: {run.about.dataset}", caption, data))
    return figures
