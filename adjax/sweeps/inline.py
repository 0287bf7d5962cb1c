"""The engine `inline`: one run after another in this process."""

from collections.abc import Iterable
from pathlib import Path

from adjax import experiment
from adjax.sweeps.plan import PlannedRun


def run_inline(runs: Iterable[PlannedRun], directory: Path, command: str = "") -> list[Path]:
    """Do the runs that are not finished yet, each in its own folder under `directory`.

    Stages that runs have in common are trained once and kept in `directory/stages`.

    Returns:
      The runs' folders.

    """
    folders = []
    for run in runs:
        folder = directory / run.name
        folders.append(folder)
        with run.config.unlocked():
            run.config.stage_cache = str(directory / "stages")
        if experiment.finished_results(run.config, folder) is None:
            print(f"run {run.name}", flush=True)
            experiment.train_and_evaluate(run.config, folder, command=command)
        else:
            print(f"run {run.name} is finished", flush=True)
    return folders
