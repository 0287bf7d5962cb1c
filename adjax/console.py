"""What a command says on the terminal, and what it is called when it is repeated."""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adjax.reports.finished_sweep import Sweep


def command_line() -> str:
    """Return the command that repeats this one, as a shell takes it."""
    program, *arguments = sys.argv
    name = Path(program).name
    if name == "__main__.py":
        return f"python -m adjax {shlex.join(arguments)}"
    if name.endswith(".py"):
        return f"python {shlex.join(sys.argv)}"
    return shlex.join([name, *arguments])


def quiet() -> None:
    """Keep the chatter of libraries off the terminal; call before importing.

    What they log as an error is raised too, and told in our words.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # announced on import
    from absl import logging

    logging.set_verbosity(logging.FATAL)


def say(text: str) -> None:
    """Print once, not in every process."""
    from adjax import hosts

    if hosts.is_first():
        print(text)


def show_run(directory: Path) -> int:
    """Print the table of a finished run and where its page is; return the exit code."""
    from adjax import reports

    say(reports.console_table([reports.open_run(directory)]))
    say(f"report: {directory / 'report.html'}")
    return say_failed([directory])


def show_sweep(sweep: "Sweep") -> None:
    """Print the table of a sweep, write its page and its results as data, and say where."""
    from adjax import reports

    print(reports.console_sweep(sweep))
    print(f"report: {reports.write_sweep_report(sweep)}")
    if sweep.runs[0].workdir != sweep.directory:  # else it is the folder of a single run
        print(f"table: {sweep.directory / reports.TABLE}")


def say_failed(directories: list[Path]) -> int:
    """Print the members that diverged; return the exit code, 3 if there are any."""
    from adjax import workdir

    failures = [(folder, f) for folder in directories for f in workdir.read_failures(folder)]
    for folder, failure in failures:
        noun = workdir.read_about(folder)["noun"]
        print(
            f"diverged: {folder}: {noun} {failure['data.normal_class']} seed {failure['seed']}, "
            f"stage {failure['stage']}, step {failure['step']}: {failure['reason']}",
            file=sys.stderr,
        )
    return 3 if failures else 0
