"""What commands and the library have in common: a run that is done as far as it is not done yet."""

from pathlib import Path

from ml_collections import ConfigDict

from adjax import workdir
from adjax.config.layout import check
from adjax.console import say


def finish_run(
    config: ConfigDict, directory: Path, command: str, accept_changed_data: bool = False
) -> bool:
    """Train, evaluate and report a run, or what is left of that.

    Args:
      config: of the run.
      directory: its folder.
      command: that was given for it.
      accept_changed_data: go on though its images changed since training began.

    Returns:
      False if it was finished already: then only a page that is missing or old is drawn.

    Raises:
      UserError: for a config, data or a folder that cannot be used.
      DivergedError: if every member meets a value that is not finite.

    """
    if workdir.finished_results(config, directory) is not None:
        from adjax import hosts, reports

        if hosts.is_first():
            reports.renew_report(directory)
        return False
    workdir.require_places(directory, [config.stage_cache])
    from adjax import experiment
    from adjax.datasets.tasks import create_task

    for doubt in create_task(check(config).data).doubts():
        say(f"note: {doubt}")
    experiment.train_and_evaluate(
        config, directory, command=command, accept_changed_data=accept_changed_data
    )
    return True
