"""A run from its config to its report: the story of the codebase in one screen."""

import contextlib
import sys
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from adjax import hosts, workdir
from adjax.circumstances import circumstances
from adjax.errors import DivergedError
from adjax.results import evaluate
from adjax.run import Run, prepare
from adjax.training import open_log, train_stage


def train_and_evaluate(
    config: ConfigDict,
    folder: str | Path,
    *,
    train: bool = True,
    command: str = "",
    method: Any = None,
    accept_changed_data: bool = False,
    report: bool = True,
) -> dict:
    """Train what `folder` still lacks of the run, evaluate it and write its report.

    Members that diverge are listed in `failed.json` and in the results, whose numbers are those of
    the others.

    Args:
      config: of the run, see `configs/`.
      folder: of the run; a run that was interrupted there goes on.
      train: False: evaluate only, and refuse a run whose training is not finished.
      command: that does this again, for the report.
      method: the config's, where it is made already; runs of one method object share programs.
      accept_changed_data: go on though the training images changed since training began; the
        results say so.
      report: False: leave the page and its figures to be made when they are asked for.

    Returns:
      The results, as written to `results.json`.

    Raises:
      UserError: for a config, data set or folder that cannot be used or is in use, or training
        images that changed.
      DivergedError: if every member meets a value that is not finite.

    """
    workdir.require_places(folder, [config.stage_cache] if train else [])
    run = prepare(config, folder, method, train=train, accept_changed_data=accept_changed_data)
    with workdir.occupied(run.folder) if hosts.is_first() else contextlib.nullcontext():
        return _train_and_evaluate(run, command, report)


def _train_and_evaluate(run: Run, command: str, report: bool) -> dict:
    """Do so with a run whose folder is this process's alone."""
    if run.provenance.remark and hosts.is_first():
        print(run.provenance.remark, file=sys.stderr)
    try:
        variables, stages = train_stages(run)
        results, failed = evaluate(run, variables, stages[-1].get("failed", ()))
    except DivergedError as error:
        workdir.write_failures(run.folder, _named(run, error.failed))
        raise
    workdir.write_failures(run.folder, _named(run, failed))
    if failed:
        results[workdir.FAILED] = _named(run, failed)
    results |= {"stages": stages, "throughput": _throughput(stages, results.pop("score_rate"))}
    results |= circumstances(run.execution) | {"command": command}
    return write(run, results, report)


def train_stages(run: Run) -> tuple[dict[str, Any], list[dict]]:
    """Train all stages of a run: variables by stage name, leaves `[P, ...]`, and their records."""
    variables, stages = {}, []
    with open_log(run.folder, run.members.labels) as log:
        for index, stage in enumerate(run.method.stages):
            failed = stages[-1].get("failed", ()) if stages else ()
            variables[stage.name], record = train_stage(
                run.population, index, variables, log, failed
            )
            stages.append(record)
    return variables, stages


def write(run: Run, results: dict, report: bool = True) -> dict:
    """Write `results.json`, whose presence says that the run is finished, then the report.

    Returns the results as they were written.
    """
    if hosts.is_first():
        results = workdir.write_results(run.folder, results)
    if report and hosts.is_first():
        from adjax import reports  # here: processes that do not report need no figures

        reports.write_report(run.folder)
    hosts.wait_for_all("report")
    return results


def _named(run: Run, failed) -> list[dict]:
    """Failures with the settings of their members, as `failed.json` has them."""
    return [run.members.settings[failure["member"]] | failure for failure in failed]


def _throughput(stages: list[dict], score_rate: float) -> dict[str, float]:
    images = sum(s["images_per_second"] * s["train_seconds"] for s in stages)
    return {
        "train_images_per_second": images / sum(s["train_seconds"] for s in stages),
        "compile_seconds": sum(s["compile_seconds"] for s in stages),
        "score_images_per_second": score_rate,
    }
