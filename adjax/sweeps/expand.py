"""From `sweep(add, argument)` in a config file to the runs that it adds; imports nothing heavy."""

import dataclasses
import functools
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from adjax import workdir
from adjax.config.layout import Settings, check, for_method
from adjax.errors import UserError


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep: a name, unique in the sweep, and its config."""

    name: str
    config: ConfigDict

    @functools.cached_property
    def settings(self) -> Settings:
        """The config, typed."""
        return check(self.config)

    def check(self) -> None:
        """Raise `UserError`, naming the run, for a value that no run could have."""
        try:
            _ = self.settings
        except UserError as error:
            raise self.wrong(error) from error

    def has_results(self, directory: Path) -> bool:
        """Return whether it is finished in the sweep's folder and some members have results."""
        return workdir.finished_results(self.config, directory / self.name) is not None

    def wrong(self, error: Exception) -> UserError:
        """Return an error of this run that names it."""
        return UserError(f"run {self.name!r} of the sweep: {error}")


def expand(
    path: str, argument: str, config: ConfigDict, given: Mapping[str, Any] = {}
) -> list[PlannedRun]:
    """Return the runs that the config file's `sweep(add, argument)` adds.

    Args:
      path: the config file. Its `sweep` calls `add(name, {dotted key: value, ...})` once per run; a
        third argument is the config to set the values in, by default `config`, with the sections
        of the run's method.
      argument: the text after the colon in `--config=path:argument`.
      config: config of the command line, its overrides included.
      given: these overrides, by dotted key; each applies to the runs that have the key.

    Raises:
      UserError: if the file has no sweep, the sweep is empty, a key or value does not fit, or the
        command line sets a key that tells the runs apart.

    """
    spec = importlib.util.spec_from_file_location("sweep_config", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "sweep"):
        raise UserError(f"{path} declares no sweep(add, argument)")
    runs: dict[str, PlannedRun] = {}

    def add(name: str, values: dict[str, Any], own: ConfigDict | None = None) -> None:
        if name in runs:
            raise UserError(f"{path}: the sweep has two runs named {name!r}")
        if not name or any(not part or part.startswith(".") for part in name.split("/")):
            raise UserError(f"{path}: run {name!r} of the sweep: its name must be that of a folder")
        method = values.get("method", (own or config).method)
        try:
            base = for_method(config, method) if own is None else own
            copy = base.copy_and_resolve_references().lock()
            if own is not None:
                copy.update_from_flattened_dict({k: v for k, v in given.items() if _has(copy, k)})
            copy.update_from_flattened_dict(values)
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise UserError(f"{path}: run {name!r} of the sweep: {reason}") from error
        for key, wanted in given.items():
            if key in values and values[key] != wanted:
                raise UserError(
                    f"--config.{key}={wanted}: run {name!r} of the sweep is the one with "
                    f"{values[key]!r}; leave the flag out, or choose by the argument after {path}:"
                )
        runs[name] = PlannedRun(name, copy)

    try:
        module.sweep(add, argument)
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: its sweep cannot be made: {error}") from error
    if not runs:
        raise UserError(f"{path}: its sweep has no runs for the argument {argument!r}")
    return list(runs.values())


def _has(config: ConfigDict, key: str) -> bool:
    """Return whether a config has a dotted key."""
    for name in key.split("."):
        if name not in config:
            return False
        config = config[name]
    return True


def with_cache(runs: Sequence[PlannedRun], directory: Path) -> list[PlannedRun]:
    """Return the runs with a stage cache: `config.stage_cache`, or `directory/.stages`."""
    for run in runs:
        run.config.stage_cache = run.config.stage_cache or str(directory / ".stages")
    return [PlannedRun(run.name, run.config) for run in runs]  # anew: their settings are cached
