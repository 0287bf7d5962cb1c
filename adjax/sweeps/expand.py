"""From `sweep(add, argument)` in a config file to the runs that it adds, or to a search's space.

Nothing heavy is imported.
"""

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
from adjax.config.common import EXECUTION
from adjax.config.layout import Settings, check, for_method
from adjax.errors import UserError
from adjax.grid import Distribution


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
    declared, runs = _Declared(path, config, given), {}
    for name, values, own in declared.points(argument):
        if name in runs:
            raise UserError(f"{path}: the sweep has two runs named {name!r}")
        if drawn := [key for key, value in values.items() if isinstance(value, Distribution)]:
            raise UserError(
                f"{path}: run {name!r} of the sweep: {drawn[0]} is drawn from {values[drawn[0]]}: "
                "--mode=search does that"
            )
        former = getattr(name, "former", "")
        made = declared.config_of(name, values, own)
        runs[name] = PlannedRun(str(name), made, former if _is_folder(former) else "")
    for name in runs:
        if above := next((str(p) for p in PurePosixPath(name).parents if str(p) in runs), None):
            raise UserError(
                f"{path}: run {name!r} of the sweep lies in the folder of run {above!r}: "
                "give it another name"
            )
    return list(runs.values())


@dataclasses.dataclass(frozen=True)
class _Declared:
    """What a config file's `sweep` declares.

    Attributes:
      path: the config file.
      config: config of the command line, its overrides included.
      given: these overrides, by dotted key.

    """

    path: str
    config: ConfigDict
    given: Mapping[str, Any]

    def points(self, argument: str) -> list[tuple[str, dict[str, Any], ConfigDict | None]]:
        """Return what `sweep` adds: name, values and, if given, config of each run."""
        spec = importlib.util.spec_from_file_location("sweep_config", self.path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if not hasattr(module, "sweep"):
            raise UserError(f"{self.path} declares no sweep(add, argument)")
        points = []

        def add(name: str, values: dict[str, Any], own: ConfigDict | None = None) -> None:
            if not _is_folder(name):
                raise UserError(
                    f"{self.path}: run {name!r} of the sweep: its name must be that of a folder"
                )
            points.append((name, values, own))

        try:
            module.sweep(add, argument)
        except ValueError as error:
            if isinstance(error, UserError):
                raise
            raise UserError(f"{self.path}: its sweep cannot be made: {error}") from error
        if not points:
            raise UserError(f"{self.path}: its sweep has no runs for the argument {argument!r}")
        return points

    def config_of(self, name: str, values: dict[str, Any], own: ConfigDict | None) -> ConfigDict:
        """Return the config of a run, in which its values and the command line's are set."""
        method = values.get("method", (own or self.config).method)
        try:
            base = for_method(self.config, method) if own is None else own
            copy = base.copy_and_resolve_references().lock()
            if own is not None:
                given = {k: v for k, v in self.given.items() if _has(copy, k)}
                copy.update_from_flattened_dict(given)
            copy.update_from_flattened_dict(values)
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise UserError(f"{self.path}: run {name!r} of the sweep: {reason}") from error
        for key, wanted in self.given.items():
            if key in values and values[key] != wanted:
                raise UserError(
                    f"--config.{key}={wanted}: run {name!r} of the sweep is the one with "
                    f"{values[key]!r}; leave the flag out, or choose by the argument after "
                    f"{self.path}:"
                )
        return copy


# Trials of other images, methods or checkpoints would not compare.
_NOT_DRAWN = ("data", "method", "members", "log_every", "checkpoint_every", "select", *EXECUTION)


@dataclasses.dataclass(frozen=True)
class Space:
    """What the trials of a search are drawn from.

    Attributes:
      name: of the folder in which they lie.
      config: what they have in common.
      drawn: by dotted key, what a value is drawn from.

    """

    name: str
    config: ConfigDict
    drawn: Mapping[str, Distribution]

    def trial(self, number: int, values: Mapping[str, Any]) -> PlannedRun:
        """Return the run of a trial, `NAME/0007`; raises `UserError` if values do not fit."""
        return self._run(f"{self.name}/{number:04}", values)

    def _run(self, name: str, values: Mapping[str, Any]) -> PlannedRun:
        config = self.config.copy_and_resolve_references()
        try:
            config.update_from_flattened_dict(values)
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise UserError(f"run {name!r} of the sweep: {reason}") from error
        run = PlannedRun(name, config)
        run.check()
        return run

    def with_cache(self, directory: Path) -> "Space":
        """Return the space with a stage cache: `config.stage_cache`, or `directory/.stages`."""
        config = self.config.copy_and_resolve_references()
        config.stage_cache = config.stage_cache or str(directory / ".stages")
        return dataclasses.replace(self, config=config)

    def check(self) -> None:
        """Raise `UserError`, naming the key, for a distribution of values that no run could have.

        Each end of a range and each value of a choice is tried beside the first of the others.
        """
        for key, distribution in self.drawn.items():
            for value in distribution.values:
                self._run(self.name, self._first() | {key: value})

    def first(self) -> PlannedRun:
        """Return a run of the first value of each distribution, which is no trial."""
        return self._run(self.name, self._first())

    def _first(self) -> dict[str, Any]:
        return {key: distribution.values[0] for key, distribution in self.drawn.items()}


def space_of(path: str, argument: str, config: ConfigDict, given: Mapping[str, Any] = {}) -> Space:
    """Return what the one point of the config file's `sweep` draws from; arguments as `expand`.

    Raises:
      UserError: as `expand` does, if there is not one point, or none of its values is drawn.

    """
    declared = _Declared(path, config, given)
    points = declared.points(argument)
    if len(points) > 1:
        raise UserError(
            f"{path}: its sweep has {len(points)} runs for the argument {argument!r}: a search is "
            "of one, whose values are distributions"
        )
    ((name, values, own),) = points
    drawn = {k: v for k, v in values.items() if isinstance(v, Distribution)}
    if not drawn:
        raise UserError(
            f"{path}: no value of {name!r} is drawn from a distribution: there is nothing to "
            "search, see adjax/grid.py"
        )
    for key in drawn:
        if any(f"{key}.".startswith(f"{name}.") for name in _NOT_DRAWN):
            raise UserError(f"{path}: {key} cannot be searched: trials would not compare")
    # The command line may not set what is drawn.
    fixed = declared.config_of(name, {k: v for k, v in values.items() if k not in drawn}, own)
    for key in drawn:
        if key in given:
            raise UserError(f"--config.{key}: it is drawn from {drawn[key]}; leave the flag out")
        if not _has(fixed, key):
            raise UserError(f"{path}: run {name!r} of the sweep: the config has no key {key!r}")
    if fixed.members:
        raise UserError(
            f"config.members={tuple(fixed.members)!r}: a trial is one member: leave them out"
        )
    return Space(str(name), fixed, drawn)


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
