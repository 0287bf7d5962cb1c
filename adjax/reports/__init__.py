"""Reports of finished runs: tables beside the published numbers, figures, HTML pages.

A report reads the files of a run's folder (`results.json`, `config.json`, `metrics.jsonl`,
`scores.npz`, `examples.npz`), or for tables alone the record of a sweep, and knows no method by
name: what a run is called stands in its `results.json`, and what papers print in `published.json`
here. Nothing here computes a metric. The same results as data are `results_table`.

Figures are in `figures`, which alone needs matplotlib; pages load it when they draw. The contact
sheet of predictions is `contact_sheet`.
"""

import importlib
import textwrap
from collections.abc import Sequence
from typing import Any

# Name -> module of this room that defines it, imported when the name is used.
_DOOR = {
    "Run": "finished_run",
    "Sweep": "finished_sweep",
    "TABLE": "sources",
    "commands": "finished_sweep",
    "is_page": "comparison",
    "is_record": "record",
    "is_table": "results_table",
    "open_run": "finished_run",
    "read_record": "record",
    "read_run": "finished_run",
    "read_sweep": "finished_sweep",
    "remarks": "finished_sweep",
    "renew_report": "run_page",
    "write_comparison": "comparison_page",
    "write_record": "record",
    "write_report": "run_page",
    "write_results": "results_page",
    "write_sweep_report": "sweep_page",
    "write_sweep_table": "results_table",
    "write_table": "results_table",
}


def __getattr__(name: str):
    """Return a name of the door."""
    if name not in _DOOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_DOOR[name]}"), name)


def console_table(runs: Sequence, refused: Sequence = ()) -> str:
    """Return the results of runs beside the published ones, for a console 80 columns wide.

    Categories of `refused` runs, see `Sweep`, have rows without numbers.
    """
    from adjax.reports.notes import on_images
    from adjax.reports.rendering import to_text
    from adjax.reports.result_tables import results_tables

    tables = [to_text(table) for table in results_tables(runs, refused)]
    sentences = [textwrap.fill(text, 80, subsequent_indent="  ") for text in on_images(runs)]
    return "\n".join([*tables, *sentences])


def console_sweep(sweep: Any) -> str:
    """Return the results of a sweep, see `console_table`; of a search its trials and the best."""
    results = console_table(sweep.runs, sweep.refused)
    if sweep.search is None:
        return results
    from adjax.reports.finished_search import ON_CONSOLE, search_table
    from adjax.reports.rendering import to_text

    best = f"Trial {sweep.search.best}, the best of {len(sweep.search.trials)}"
    return f"{to_text(search_table(sweep.search, ON_CONSOLE))}\n{best}\n\n{results}"


def markdown_table(runs: Sequence) -> str:
    """Return the same tables in Markdown, for docs and READMEs."""
    from adjax.reports.rendering import to_markdown
    from adjax.reports.result_tables import results_tables

    return "\n".join(to_markdown(table) for table in results_tables(runs))
