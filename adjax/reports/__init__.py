"""Reports of finished runs: tables beside the published numbers, figures, HTML pages.

A report reads the files of a workdir (`results.json`, `config.json`, `metrics.jsonl`, `scores.npz`,
`examples.npz`) and nothing else of adjax.
"""

import textwrap
from collections.abc import Sequence

from adjax.reports.contact_sheet import write_contact_sheet
from adjax.reports.figures import write_gallery
from adjax.reports.notes import unmeasured
from adjax.reports.page import write_report, write_sweep_report
from adjax.reports.rendering import to_markdown, to_text
from adjax.reports.results import write_results
from adjax.reports.run import Run, noun, read_config, read_run
from adjax.reports.sweep import Sweep, commands, read_sweep, remarks
from adjax.reports.tables import results_tables

__all__ = [
    "Run",
    "Sweep",
    "commands",
    "console_table",
    "markdown_table",
    "noun",
    "read_config",
    "read_run",
    "read_sweep",
    "remarks",
    "write_contact_sheet",
    "write_gallery",
    "write_report",
    "write_results",
    "write_sweep_report",
]


def console_table(runs: Sequence[Run]) -> str:
    """The results of runs beside the published ones, for a console 80 columns wide."""
    tables = [to_text(table) for table in results_tables(runs)]
    sentences = [textwrap.fill(text, 80, subsequent_indent="  ") for text in unmeasured(runs)]
    return "\n".join([*tables, *sentences])


def markdown_table(runs: Sequence[Run]) -> str:
    """The same tables in Markdown, for docs and READMEs."""
    return "\n".join(to_markdown(table) for table in results_tables(runs))
