"""From `sweep(add)` in a config file to the runs it asks for."""

import importlib.util
from typing import Any, NamedTuple

from ml_collections import ConfigDict

from adjax.errors import UserError


class PlannedRun(NamedTuple):
    """One run of a sweep: a name, unique in the sweep, and its config."""

    name: str
    config: ConfigDict


def expand(path: str, argument: str, config: ConfigDict) -> list[PlannedRun]:
    """The runs that the config file's `sweep(add, argument)` adds.

    Args:
      path: of the config file. Its `sweep` calls `add(name, {dotted key: value, ...})` once a run.
      argument: what followed the colon in `--config=path:argument`.
      config: what the runs' values are set in, command-line overrides included.

    Raises:
      UserError: if the file has no sweep, the sweep is empty, or a key or value does not fit.

    """
    spec = importlib.util.spec_from_file_location("sweep_config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "sweep"):
        raise UserError(f"{path} declares no sweep(add, argument)")
    runs: dict[str, PlannedRun] = {}

    def add(name: str, values: dict[str, Any]) -> None:
        if name in runs:
            raise UserError(f"{path}: the sweep has two runs named {name!r}")
        copy = config.copy_and_resolve_references().lock()
        try:
            copy.update_from_flattened_dict(values)
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise UserError(f"{path}: run {name!r} of the sweep: {reason}") from error
        runs[name] = PlannedRun(name, copy)

    module.sweep(add, argument)
    if not runs:
        raise UserError(f"{path}: its sweep has no runs for the argument {argument!r}")
    return list(runs.values())
