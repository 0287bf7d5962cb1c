"""The page of results: a section a sweep, made from the results of its runs."""

from collections.abc import Sequence
from pathlib import Path

from adjax.errors import UserError
from adjax.reports.decisions import decision_tables
from adjax.reports.names import dataset_name, listing, method_name
from adjax.reports.notes import unmeasured
from adjax.reports.places import fill, has_place, place
from adjax.reports.rendering import to_markdown
from adjax.reports.sweep import Defaults, Sweep, commands, provenance, remarks
from adjax.reports.tables import results_tables

_KIND = "results"
_PAGE = """# Results

What stands between the markers is made by

    {command}

from the `results.json` of every run below these folders: a number of ours is an AUROC in there, or
the mean of several over seeds or classes. What stands elsewhere is written by hand.
"""


def write_results(
    path: str | Path, sweeps: Sequence[Sweep], defaults: Sequence[Defaults], command: str = ""
) -> Path:
    """Writes or renews a page's sections of these sweeps; everything else on the page stays.

    Args:
      path: of the Markdown page; made if need be. A sweep without a place goes to its end.
      sweeps: each is named by its folder.
      defaults: for each sweep a function that gives the config of a method, as JSON, whose settings
        are not worth telling.
      command: that does it, for a new page.

    """
    path = Path(path)
    if path.suffix != ".md":
        raise UserError(f"--output={path}: give a Markdown page, e.g. --output=docs/results.md")
    page = path.read_text() if path.is_file() else _PAGE.format(command=command)
    for sweep, config in zip(sweeps, defaults, strict=True):
        name, text = sweep.directory.as_posix(), section(sweep, config)
        if has_place(page, _KIND, name):
            page = fill(page, _KIND, name, text)
        else:
            page = f"{page.rstrip()}\n\n{place(_KIND, name, text)}\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)
    return path


def section(sweep: Sweep, defaults: Defaults) -> str:
    """A sweep in Markdown: its name, how its numbers came about, its tables, what they lack.

    Of a single run also its thresholds: those of many belong to their own reports.
    """
    facts = [f"{name}: {text}" for name, text in provenance(sweep, defaults).items()]
    tables = results_tables(sweep.runs)
    if len(sweep.runs) == 1:
        tables += decision_tables(sweep.runs[0])
    parts = [
        f"## {title(sweep)} (`{sweep.directory.as_posix()}`)",
        "\n".join(f"    {command}" for command in commands(sweep)),
        "\n".join(f"- {line}" for line in (*facts, *remarks(sweep))),
        *map(to_markdown, tables),
        "\n".join(f"- {sentence}" for sentence in unmeasured(sweep.runs)),
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part)


def title(sweep: Sweep) -> str:
    """`AE, SDN and OE-SDN on MNIST`."""
    results = [run.results for run in sweep.runs]
    methods = listing(list(dict.fromkeys(method_name(r["method"]) for r in results)))
    datasets = listing(list(dict.fromkeys(dataset_name(r["dataset"]) for r in results)))
    return f"{methods} on {datasets}"
