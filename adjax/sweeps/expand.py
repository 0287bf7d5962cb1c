"""From `sweep(add, argument)` in a config file to the runs that it adds; imports nothing heavy."""

import contextlib
import dataclasses
import functools
import importlib.util
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ml_collections import ConfigDict

from adjax import workdir
from adjax.config.layout import Settings, check, for_method
from adjax.errors import UserError


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Attributes:
      name: of its folder, unique in the sweep.
      config: its config.
      former: the name that earlier versions gave it, where they gave it another.

    """

    name: str
    config: ConfigDict
    former: str = ""

    @functools.cached_property
    def settings(self) -> Settings:
        """The config, typed."""
        return check(self.config)

    def check(self) -> None:
        """Raise `UserError`, naming the run, for a value that no run could have."""
        with self.named():
            _ = self.settings

    @contextlib.contextmanager
    def named(self) -> Iterator[None]:
        """Let a `UserError` of a block name the run."""
        try:
            yield
        except UserError as error:
            raise self.wrong(error) from error

    def has_results(self, directory: Path) -> bool:
        """Return whether it is finished in the sweep's folder and some members have results."""
        return workdir.finished_results(self.config, directory / self.name) is not None

    def wrong(self, error: Exception | str) -> UserError:
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
        if not _is_folder(name):
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
        former = getattr(name, "former", "")
        runs[name] = PlannedRun(str(name), copy, former if _is_folder(former) else "")

    try:
        module.sweep(add, argument)
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: its sweep cannot be made: {error}") from error
    if not runs:
        raise UserError(f"{path}: its sweep has no runs for the argument {argument!r}")
    for name in runs:
        if above := next((str(p) for p in PurePosixPath(name).parents if str(p) in runs), None):
            raise UserError(
                f"{path}: run {name!r} of the sweep lies in the folder of run {above!r}: "
                "give it another name"
            )
    return list(runs.values())


def _is_folder(name: Any) -> bool:
    """Return whether a name is that of a folder, or of folders within each other, none hidden."""
    if not isinstance(name, str) or "\0" in name:
        return False
    try:
        lengths = [len(os.fsencode(part)) for part in name.split("/")]
    except UnicodeEncodeError:
        return False
    hidden = any(part.startswith(".") for part in name.split("/"))
    return not hidden and min(lengths) > 0 and max(lengths) <= 255


def under_former_names(runs: Sequence[PlannedRun], directory: Path) -> list[PlannedRun]:
    """Return the runs, each by its former name where an earlier version made it a folder."""

    def has_folder(name: str) -> bool:
        return bool(name) and os.path.isfile(directory / name / "config.json")

    return [
        dataclasses.replace(run, name=run.former)
        if has_folder(run.former) and not has_folder(run.name)
        else run
        for run in runs
    ]


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
    return list(map(dataclasses.replace, runs))  # anew: their settings are cached
