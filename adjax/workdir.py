"""The folder of a run: whose it is, and its files, each written whole or not at all."""

import json
import os
from pathlib import Path

import ml_collections
import numpy as np

from adjax import settings
from adjax.errors import UserError


def claim(workdir: Path, config) -> None:
    """Make `workdir` the folder of this config's run.

    Raises:
      UserError: if it cannot be made, or holds a run whose config differs in what decides results.

    """
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make --workdir={workdir}: {error.strerror}") from None
    path = workdir / "config.json"
    wanted = settings.as_json(config)
    if path.exists():
        found, new = settings.essential(_read_json(path)), settings.essential(wanted)
        for key in [*found, *new]:
            if found.get(key) != new.get(key):
                raise UserError(
                    f"--workdir={workdir} holds another run: its config.{key} is "
                    f"{found.get(key)!r}, not {new.get(key)!r}; choose another workdir"
                )
    write_json(path, wanted)


def read_config(workdir: Path) -> ml_collections.ConfigDict:
    """The config of the run in `workdir`."""
    path = workdir / "config.json"
    if not path.exists():
        raise UserError(f"{path} does not exist: is --workdir={workdir} the folder of a run?")
    return ml_collections.ConfigDict(_read_json(path), convert_dict=True)


def write_json(path: Path, value: dict) -> None:
    """Write a JSON file that is never seen half-written."""
    _replace(path, lambda part: part.write_text(json.dumps(value, indent=1) + "\n"))


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an `.npz` file that is never seen half-written."""

    def write(part: Path) -> None:
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)

    _replace(path, write)


def _replace(path: Path, write) -> None:
    part = path.with_name(path.name + ".part")
    write(part)
    os.replace(part, path)


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot read {path} ({error}): delete it or choose another folder"
        ) from None
