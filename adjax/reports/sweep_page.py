"""The page of a sweep, `report.html` in the folder of its runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from adjax.reports.columns import make_columns
from adjax.reports.figures import write_figure
from adjax.reports.finished_run import Run
from adjax.reports.finished_search import search_table
from adjax.reports.finished_sweep import Sweep, commands, provenance, remarks, title
from adjax.reports.notes import on_images
from adjax.reports.pages import Figure, embedded, link_to, write_page
from adjax.reports.parallel import Drawing, parallel_coordinates
from adjax.reports.ranking import Ranking, rankings
from adjax.reports.result_tables import results_tables, summary
from adjax.reports.results_table import name_of, write_sweep_table
from adjax.reports.run_page import (
    FIGURES,
    classes_in_words,
    is_outdated,
    renew_report,
    write_report,
)
from adjax.reports.small_multiples import curves_figure, rocs_figure
from adjax.reports.sources import ROWS, TABLE
from adjax.reports.words import count

MOST_DETAILED = 12  # runs of a sweep that are shown with figures; the others are listed
MOST_DRAWN = 300  # runs of a sweep whose curves are drawn
MOST_COLUMNS = 8  # of a table that is shown at once; a wider one is opened by who wants it

_FIGURES = {
    "roc": (
        "ROC curves of the image score, one panel a setting, one curve a member",
        FIGURES["roc"][1],
    ),
    "curves": (
        "Validation loss by step, one block a stage, one panel a setting",
        "The mean over classes and seeds of the loss on normal images that were not trained on; "
        "the other settings' are faint. A curve that all share stands once.",
    ),
}
_DIFFERENT_LOSSES = " Methods that minimise different losses do not compare here."


class _Ranked(NamedTuple):
    """A ranking on the page: the links of its rows' runs beside it, `(folder, link)` each."""

    ranking: Ranking
    runs: list[list[tuple[str, str]]]
    drawing: Drawing | None


class _Shown(NamedTuple):
    """A run that is shown with its figures."""

    name: str
    link: str
    auroc: str
    figures: Sequence[Figure]


def write_sweep_report(sweep: Sweep) -> Path:
    """Write `report.html` over the runs; those it shows get their own where that is missing or old.

    Beside it the results as data, `results.parquet` and `results.csv`. The pages of other runs are
    made when they are asked for. In the folder of a single run it is the run's page alone.
    """
    directory, runs = sweep.directory, sweep.runs
    if runs[0].workdir == directory:
        return write_report(directory)
    write_sweep_table(sweep)  # first: by it a run's page knows its sweep
    for run in runs[:MOST_DETAILED]:
        renew_report(run.workdir)
    drawn = {"roc": rocs_figure, "curves": curves_figure} if len(runs) <= MOST_DRAWN else {}
    figures = {
        name: write_figure(directory / "figures" / f"{name}.png", draw, runs)
        for name, draw in drawn.items()
    }
    texts = dict(_FIGURES)
    if len({run.method for run in runs}) > 1:
        texts["curves"] = (texts["curves"][0], texts["curves"][1] + _DIFFERENT_LOSSES)
    names, tables = _names(runs), results_tables(runs, sweep.refused)
    search = sweep.search
    return write_page(
        directory / "report.html",
        "sweep.html",
        title(runs),
        lede=_sentence(sweep),
        trials=None if search is None else search_table(search),
        ranked=[_ranked(one, directory) for one in rankings(runs, directory)] if not search else [],
        data=[(ROWS, "CSV"), (TABLE, "Parquet")],
        results=[(table, len(table.groups) > MOST_COLUMNS) for table in tables],
        on_images=list(on_images(runs)),
        missing=remarks(sweep),
        figures=embedded(figures, texts),
        most_drawn=None if drawn else MOST_DRAWN,
        detailed=[_detailed(run, names[run.workdir], directory) for run in runs[:MOST_DETAILED]],
        more=max(0, len(runs) - MOST_DETAILED),
        provenance=provenance(sweep),
        commands=commands(sweep),
    )


def _names(runs: Sequence[Run]) -> dict[Path, str]:
    """Return `OE-SDN, class 3, seed 0` for each run, by its folder."""
    headings: dict[Path, str] = {}
    for column in make_columns(runs):
        for run in column.runs:  # a run whose members stand in several columns goes by its method
            several = run.workdir in headings
            headings[run.workdir] = run.about.name if several else column.heading
    return {
        run.workdir: f"{headings[run.workdir]}, {classes_in_words([run])}"
        + (f", seed {run.members[0]['seed']}" if len(run.members) == 1 else "")
        for run in runs
    }


def _detailed(run: Run, name: str, directory: Path) -> _Shown:
    """One run on the page of its sweep: what it is, its figures, the way to its own page."""
    figures = {kind: run.workdir / "figures" / f"{kind}.png" for kind in ("examples", "histograms")}
    auroc = f"{summary(run)[0]:.3f}" if run.is_tested else ""
    link = link_to(run.workdir / "report.html", directory)
    return _Shown(name, link, auroc, embedded(figures, FIGURES))


def _ranked(ranking: Ranking, directory: Path) -> _Ranked:
    """A ranking, with the runs of each row; one has no link if it has no page of its own."""

    def linked(run: Run) -> tuple[str, str]:
        is_made = not is_outdated(run.workdir)
        link = link_to(run.workdir / "report.html", directory) if is_made else ""
        return name_of(run, directory), link

    runs = [list(map(linked, row.runs)) for row in ranking.rows]
    return _Ranked(ranking, runs, parallel_coordinates(ranking))


def _sentence(sweep: Sweep) -> str:
    runs = sweep.runs
    if sweep.search is not None:
        found, where = sweep.search, classes_in_words(runs)
        trials, what = count(len(found.trials), "trial"), found.objective.replace("_", " ")
        return f"Trial {found.best} on {where}, the best of {trials} by {what}."
    members = sum(len(run.members) for run in runs)
    noun = "normal class" if runs[0].about.noun == "class" else runs[0].about.noun
    return (
        f"{count(len(runs), 'run')} on {classes_in_words(runs)} with {count(members, 'member')}, "
        f"one for each method, setting, {noun} and seed."
    )
