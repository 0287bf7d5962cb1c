"""The folder of a run: whose it is."""

import json
from pathlib import Path

import ml_collections

from adjax import files, settings
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
        files.write_json(directory / "config.json", settings.as_json(config))
    except OSError as error:
        raise UserError(f"cannot write to --workdir={directory}: {error.strerror}") from error


def read_config(directory: Path) -> ml_collections.ConfigDict:
    """The config of the run in `workdir`."""
    path = directory / "config.json"
    if not path.exists():
        raise UserError(f"{path} does not exist: is --workdir={directory} the folder of a run?")
    return ml_collections.ConfigDict(_read_json(path), convert_dict=True)


def read_failures(directory: Path) -> list[dict]:
    """The members that diverged in the run in `directory`, as `failed.json` lists them."""
    path = directory / "failed.json"
    return _read_json(path)["failed"] if path.exists() else []


def write_failures(directory: Path, failures: list[dict]) -> None:
    """Write `failed.json`, or remove it if there are none."""
    path = directory / "failed.json"
    if failures:
        files.write_json(path, {"failed": failures})
    else:
        path.unlink(missing_ok=True)


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot read {path} ({error}): delete it or choose another folder"
        ) from None
