"""A sweep kept in one file of JSON lines: what its tables need, small enough to be committed.

The first line is of the sweep, each other one of a run: its folder's name, its results, its config.
Tables are the same as those of the folders; figures and pages need the folders themselves.
"""

import json
from pathlib import Path

from adjax import files
from adjax.config import adopt
from adjax.errors import UserError
from adjax.reports.finished_run import Run, check_results
from adjax.reports.finished_sweep import Refused, Sweep, place


def is_record(path: str | Path) -> bool:
    """Return whether a path is that of a record, not of a folder or a page."""
    return Path(path).suffix == ".jsonl"


def write_record(path: Path, sweep: Sweep) -> Path:
    """Write the record of a sweep; raises `UserError` if a run of it cannot be kept so."""
    head = {
        "sweep": sweep.directory.as_posix(),
        "failures": sweep.failures,
        "unfinished": sweep.unfinished,
        "refused": [run._asdict() for run in sweep.refused],
        "runs": len(sweep.runs),
    }
    lines = [head]
    for run in sorted(sweep.runs, key=lambda run: run.workdir):
        if not run.is_tested:
            raise UserError(f"{run.workdir}: it has no AUROC, so a record cannot hold it")
        name = run.workdir.relative_to(sweep.directory).as_posix()
        lines.append({"run": name, "results": run.results, "config": run.config})
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(files.sealed(line)) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")
    return path


def read_record(path: Path) -> Sweep:
    """Read a sweep from its record; raises `UserError` that names the file if it is damaged."""
    try:
        text = path.read_text(encoding="utf-8")
        head, *lines = (files.unsealed(json.loads(line)) for line in text.splitlines())
        if len(lines) != head.get("runs", len(lines)):
            raise ValueError(f"{len(lines)} of {head['runs']} runs are there")
        directory = Path(head["sweep"])
        runs = [_run(directory / line["run"], line["results"], line["config"]) for line in lines]
        runs.sort(key=place)
        refused = [Refused(**run) for run in head.get("refused", [])]
        sweep = Sweep(directory, runs, list(head["failures"]), list(head["unfinished"]), refused)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"cannot read {path} as the record of a sweep ({error!r})") from error
    if not runs:
        raise UserError(f"{path} has no runs")
    return sweep


def _run(folder: Path, results: dict, config: dict) -> Run:
    run = Run(folder, results, adopt.adopt_config(config))
    check_results(run)
    return run
