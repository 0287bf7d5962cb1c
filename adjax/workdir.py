"""The folder of a run: whose it is, and what it holds, in today's form whoever wrote it."""

import contextlib
import json
from pathlib import Path
from typing import Any

import ml_collections

from adjax import files
from adjax.config import adopt, identity
from adjax.config.layout import Settings
from adjax.config.layout import check as check_config
from adjax.errors import UserError


def check(folder: Path, settings: Settings) -> None:
    """Raise `UserError` if the folder holds a run whose config would give other results."""
    path = folder / "config.json"
    if not path.exists():
        return
    stored = identity.essential(adopt.adopt_config(_read_json(path)))
    wanted = identity.essential(settings)
    for key in [*stored, *wanted]:
        if stored.get(key) != wanted.get(key):
            raise UserError(
                f"--workdir={folder} holds another run: its config.{key} is "
                f"{stored.get(key)!r}, not {wanted.get(key)!r}; choose another workdir"
            )


def claim(folder: Path, config: dict[str, Any]) -> None:
    """Make `folder` that of a config's run; raises `UserError` if it cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files.write_json(folder / "config.json", config)
    except OSError as error:
        raise UserError(f"cannot write to --workdir={folder}: {error.strerror}") from error


def finished_results(config, folder: str | Path) -> dict | None:
    """Return the results of this config's run in `folder`, if it is finished."""
    check(Path(folder), check_config(config))
    # They come last, after what they go with: without them, evaluation starts again.
    return read_results(Path(folder)) if (Path(folder) / "results.json").exists() else None


def read_config(folder: Path) -> ml_collections.ConfigDict:
    """Read the config of the run in a folder."""
    return ml_collections.ConfigDict(read_stored_config(folder), convert_dict=True)


def read_stored_config(folder: Path, text: str | None = None) -> dict[str, Any]:
    """Read the config of the run in a folder, not to be changed; `text` is its file's, if known."""
    path = folder / "config.json"
    if text is None and not path.exists():
        raise UserError(f"{path} does not exist: is --workdir={folder} the folder of a run?")
    return adopt.adopt_config(_read_json(path, text))


def read_about(folder: Path) -> dict[str, Any]:
    """Read what the run in a folder is called, finished or not; see `adopt.about`."""
    return adopt.about(check_config(read_config(folder)))


def read_results(folder: Path, text: str | None = None) -> dict[str, Any]:
    """Read the results of the run in a folder; `text` is their file's, if known.

    Raises:
      UserError: if they cannot be read, hold a number that is none, or have no members.

    """
    path = folder / "results.json"
    results = _read_json(path, text)
    members = results.get("members")
    if not isinstance(members, list) or not all(isinstance(m, dict) for m in members):
        raise _damaged(path, "it has no list of members")
    if "about" not in results:
        results["about"] = read_about(folder)
    return results


def recorded_command(folder: Path) -> str | None:
    """Return the command that the results of the run in a folder are of, if they can be read."""
    if not (folder / "results.json").exists():
        return None
    with contextlib.suppress(UserError):
        return read_results(folder).get("command")
    return None


def read_failures(folder: Path) -> list[dict]:
    """Read the list of members that diverged."""
    path = folder / "failed.json"
    if not path.exists():
        return []
    failures = _read_json(path).get("failed")
    if not isinstance(failures, list) or not all(
        isinstance(failure, dict) and {"member", "stage"} & failure.keys() for failure in failures
    ):
        raise _damaged(path, "it has no list of members that failed")
    return failures


def write_failures(folder: Path, failures: list[dict]) -> None:
    """Write `failed.json`, or remove it if there are none."""
    path = folder / "failed.json"
    if failures:
        files.write_json(path, {"failed": failures})
    else:
        path.unlink(missing_ok=True)


def _read_json(path: Path, text: str | None = None) -> dict:
    try:
        text = path.read_text() if text is None else text
        value = _DECODER.decode(text)
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None
    if not isinstance(value, dict):
        raise _damaged(path, "not a JSON object")
    return value


def _no_number(name: str):
    raise ValueError(f"{name} is no number")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def _damaged(path: Path, reason: str) -> UserError:
    advice = {
        "config.json": "choose another folder",
        "failed.json": "delete it and repeat the command of the run with --mode=train",
    }.get(path.name, "write it anew by --mode=evaluate")
    return UserError(f"cannot read {path} ({reason}): {advice}")
