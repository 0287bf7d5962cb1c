"""The engine `inline`: one run after another in this process."""

from collections.abc import Iterable
from pathlib import Path

from adjax import experiment
from adjax.sweeps.plan import PlannedRun


def run_inline(runs: Iterable[PlannedRun], directory: Path, command: str = "") -> list[Path]:
    """Do the runs that are not finished yet, each in its own folder under `directory`.

    Every run's config is checked before the first one starts. Stages that runs have in common are
    trained once and kept in `config.stage_cache`, or `directory/.stages`.

    Returns:
      The runs' folders.

    """
    runs = list(runs)
    folders = [directory / run.name for run in runs]
    for run, folder in zip(runs, folders, strict=True):
        if not run.config.stage_cache:
            run.config.stage_cache = str(directory / ".stages")
        experiment.check(run.config, folder)
    for run, folder in zip(runs, folders, strict=True):
        if experiment.finished_results(run.config, folder) is None:
            print(f"run {run.name}", flush=True)
            experiment.train_and_evaluate(run.config, folder, command=command)
        else:
            print(f"run {run.name} is finished", flush=True)
    return folders
