"""What a sweep costs beside its training: planning, finishing runs, reading results.

Processor seconds of this process, all its threads together: they differ less than a clock's beside
other work. The training of the short runs is one population and is not counted.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adjax import reports
from adjax.config import adopt, identity
from adjax.config.layout import check
from adjax.sweeps import plan
from adjax.sweeps.expand import PlannedRun, with_cache
from adjax.sweeps.inline import InlineEngine
from adjax.sweeps.work import perform
from configs import classes, mnist

METHODS = ("ae", "sdn_fast", "oe_sdn_fast")
SEEDS = 333  # of ten classes and three methods
SHORT = 200  # runs that are trained, for some steps
_TINY = {"teacher.steps": 10, "log_every": 5, "checkpoint_every": 10}


class Meter:
    """Rows of what was measured so far."""

    def __init__(self):
        """Begin without rows."""
        self.rows: list[dict] = []

    def __call__(self, case: str, runs: int, do: Callable[[], Any]) -> Any:
        """Measure what `do` costs for so many runs, add the row, and return its result."""
        start = time.process_time()
        result = do()
        seconds = time.process_time() - start
        row = {"case": case, "runs": runs, "seconds": seconds, "seconds_per_run": seconds / runs}
        self.rows.append(row)
        return result


def measure(seeds: int = SEEDS, short: int = SHORT) -> list[dict]:
    """Measure a row for each part of a sweep's work.

    Args:
      seeds: of each class and method; thirty times as many runs are planned and read.
      short: runs that are trained and finished.

    """
    meter = Meter()
    with tempfile.TemporaryDirectory() as folder:
        runs = _plan(meter, Path(folder, "planned"), seeds)
        _finish(meter, Path(folder, "short"), short)
        (finished,) = Path(folder, "short").glob("seed0/results.json")
        _pretend(runs, Path(folder, "read"), json.loads(finished.read_text()))
        _read(meter, Path(folder, "read"), len(runs))
    return meter.rows


def _plan(meter: Meter, folder: Path, seeds: int) -> list[PlannedRun]:
    argument = f"table1,methods={'+'.join(METHODS)},seeds={'+'.join(map(str, range(seeds)))}"
    engine = InlineEngine()
    few = _table(folder, f"table1,methods={'+'.join(METHODS)},seeds=0+1")
    plan.check_runs(few, folder)
    plan.make_plan(few, folder, engine.resources)  # reads the data, traces what is estimated

    count = len(few) // 2 * seeds
    runs = meter("expand and check a sweep", count, lambda: _table(folder, argument))
    meter("check its data", count, lambda: plan.check_runs(runs, folder))
    meter("plan it", count, lambda: plan.make_plan(runs, folder, engine.resources))
    return runs


def _table(folder: Path, argument: str) -> list[PlannedRun]:
    runs: list[PlannedRun] = []

    def add(name: str, values: dict, config) -> None:
        own = config.copy_and_resolve_references()
        own.update_from_flattened_dict(values)
        runs.append(PlannedRun(name, own))

    classes.sweep(add, argument, "mnist")
    runs = with_cache(runs, folder)
    for run in runs:
        run.check()
    return runs


def _finish(meter: Meter, folder: Path, count: int) -> None:
    runs = []
    for seed in range(count):
        config = mnist.get_config("ae,smoke")
        config.update_from_flattened_dict(_TINY | {"seed": seed})
        runs.append(PlannedRun(f"seed{seed}", config))
    tasks = plan.make_plan(with_cache(runs, folder), folder, InlineEngine().resources)
    for task in tasks:
        if isinstance(task, plan.Training):
            perform(task, folder)
    runs = [run for task in tasks if not isinstance(task, plan.Training) for run in task.runs]
    first, rest = plan.Evaluation((runs[0],), ()), plan.Evaluation(tuple(runs[1:]), ())
    perform(first, folder)  # compiles
    meter("finish short runs of AE", len(rest.runs), lambda: perform(rest, folder))
    files = sum(len(names) for _, _, names in os.walk(folder))
    meter.rows[-1]["files"] = files / count
    meter("report them, 12 in full", count, lambda: _report(folder))


def _report(folder: Path) -> None:
    sweep = reports.read_sweep(folder)
    reports.console_table(sweep.runs)
    reports.write_sweep_report(sweep)


def _pretend(runs: list[PlannedRun], folder: Path, results: dict) -> None:
    """Write config and results of runs as if they had been trained."""
    for number, run in enumerate(runs):
        settings = run.settings
        member = results["members"][0] | {"seed": settings.seed, "image_auroc": 1 / (1 + number)}
        label = settings.data.normal_class
        member |= {"normal_class": label, "class_name": str(label)}
        own = {"method": settings.method, "about": adopt.about(settings), "members": [member]}
        own["config_hash"] = identity.config_hash(check(run.config))
        (folder / run.name).mkdir(parents=True)
        for name, value in (
            ("results.json", results | own),
            ("config.json", identity.as_json(run.config)),
        ):
            (folder / run.name / name).write_text(json.dumps(value, indent=1))


def _read(meter: Meter, folder: Path, count: int) -> None:
    sweep = meter("read results from folders", count, lambda: reports.read_sweep(folder))
    write = reports.write_sweep_table
    meter("write results.parquet", count, lambda: write(sweep))
    meter("read results by results.parquet", count, lambda: reports.read_sweep(folder))
    meter("make their tables", count, lambda: reports.console_table(sweep.runs))
