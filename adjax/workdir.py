"""The folder of a run: whose it is, and its files, each written whole or not at all."""

import json
import os
from pathlib import Path

import ml_collections
import numpy as np

from adjax import settings
from adjax.errors import UserError


def check(directory: Path, config) -> None:
    """Raise `UserError` if the folder holds a run whose config would give other results."""
    path = directory / "config.json"
    if not path.exists():
        return
    found = settings.essential(_read_json(path))
    wanted = settings.essential(settings.as_json(config))
    for key in [*found, *wanted]:
        if found.get(key) != wanted.get(key):
            raise UserError(
                f"--workdir={directory} holds another run: its config.{key} is "
                f"{found.get(key)!r}, not {wanted.get(key)!r}; choose another workdir"
            )


def claim(directory: Path, config) -> None:
    """Make `directory` the folder of this config's run; raises `UserError` if it cannot be."""
    check(directory, config)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / "config.json", settings.as_json(config))
    except OSError as error:
        raise UserError(f"cannot write to --workdir={directory}: {error.strerror}") from None


def read_config(directory: Path) -> ml_collections.ConfigDict:
    """The config of the run in `workdir`."""
    path = directory / "config.json"
    if not path.exists():
        raise UserError(f"{path} does not exist: is --workdir={directory} the folder of a run?")
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
