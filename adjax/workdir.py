"""The folder of a run: whose it is, and what it holds, in today's form whoever wrote it.

What is written here carries a digest, so that no changed number is taken for one that was stored;
what earlier versions wrote has none and is read as it is.
"""

import contextlib
import errno
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import ml_collections
from ml_collections import ConfigDict

from adjax import files
from adjax.config import adopt, identity
from adjax.config.layout import Settings
from adjax.config.layout import check as check_config
from adjax.datasets.contents import Record
from adjax.errors import UserError

_REFUSAL = "refused.json"
FAILED = "failed"  # the key, in results and in failed.json, of members that diverged
_SEARCH = "search.json"
# The files that go with `results.json`, which names what they held.
COMPANIONS = ("metrics.jsonl", "scores.npz", "examples.npz")
_LOCK = ".lock"  # of who trains or evaluates the run


def require_writable(folder: str | Path, flag: str = "--workdir", value: str = "") -> None:
    """Raise `UserError` if nothing can be written into a folder, which may still have to be made.

    Args:
      folder: the folder.
      flag: that names it, or a file in it.
      value: of the flag, where that is not the folder.

    """
    try:
        files.require_folder(Path(folder))
    except (OSError, ValueError) as error:  # ValueError: a NUL character
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot write to {flag}={value or folder}: {reason}") from error


def require_places(folder: str | Path, caches: Iterable[str]) -> None:
    """Raise `UserError` if the folder of a run or a sweep, or a stage cache, is not writable."""
    require_writable(folder)
    for cache in filter(None, set(caches)):
        require_writable(cache, "config.stage_cache")


def require_writable_file(path: str | Path, flag: str) -> None:
    """Raise `UserError` if a file cannot be written, in a folder that may still have to be made."""
    if Path(path).is_dir():
        raise UserError(f"cannot write to {flag}={path}: it is a folder, give a file")
    require_writable(Path(path).parent, flag, str(path))


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
        files.write_json(folder / "config.json", files.sealed(config))
        (folder / _REFUSAL).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to --workdir={folder}: {error.strerror}") from error


@contextlib.contextmanager
def occupied(folder: Path) -> Iterator[None]:
    """Keep the run in a folder from other processes for a block, where the file system has locks.

    Raises:
      UserError: if another process has it; it names that process.

    """
    lock, held = folder / _LOCK, True
    with contextlib.ExitStack() as stack:
        try:
            held = stack.enter_context(files.locked(lock))
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
                raise
        if not held:
            raise UserError(
                f"--workdir={folder} is in use by {files.holder(lock)}: wait for it, or choose "
                "another workdir"
            )
        files.remove_left(folder)
        yield


def finished_results(config: ConfigDict, folder: str | Path) -> dict | None:
    """Return the results of this config's run in `folder`, if it is finished."""
    own, path = Path(folder) / "config.json", Path(folder) / "results.json"
    check(Path(folder), check_config(config))
    # They come last, after what they go with: without them, evaluation starts again. Without its
    # config, or with a note that it could not be done, nothing says that they are this run's.
    if not own.exists() or not path.exists() or (Path(folder) / _REFUSAL).exists():
        return None
    return read_results(Path(folder))


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


def read_metrics(folder: Path) -> list[dict]:
    """Read the log of the run in a folder; raises `UserError` that names a damaged line."""
    return files.read_records(folder / "metrics.jsonl")


def read_data(folder: Path) -> Record | None:
    """Read what the run in a folder is trained on; None if it is of before that was recorded."""
    path = folder / "data.json"
    if not path.exists():
        return None
    try:
        return Record.from_json(_read_json(path))
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise _damaged(path, str(error)) from None


def write_data(folder: Path, record: Record | None) -> None:
    """Write `data.json`, if there is something to record."""
    if record is not None:
        files.write_json(folder / "data.json", files.sealed(record.as_json()))


def write_results(folder: Path, results: dict[str, Any]) -> dict[str, Any]:
    """Write the results of the run in a folder; return them with digests of what goes with them."""
    named = {name: files.digest_of((folder / name).read_bytes()) for name in COMPANIONS}
    results = results | {"files": named}
    files.write_json(folder / "results.json", files.sealed(results))
    return results


def check_companion(folder: Path, results: dict[str, Any], name: str) -> None:
    """Raise `UserError` if a file that goes with a run's results is not the one they name."""
    digest, path = results.get("files", {}).get(name), folder / name
    if digest is not None and files.digest_of(path.read_bytes()) != digest:
        raise _damaged(path, "its content is not what was written")


def recorded_command(folder: Path) -> str | None:
    """Return the command that the results of the run in a folder are of, if they can be read."""
    if not (folder / "results.json").exists():
        return None
    with contextlib.suppress(UserError):
        return read_results(folder).get("command")
    return None


def read_failures(folder: Path, results: dict[str, Any] | None = None) -> list[dict]:
    """Read the list of members that diverged.

    Results tell it too: `failed.json` may be gone, and it is all there is where no member is left.

    Args:
      folder: of the run.
      results: of the run, where they are read already.

    """
    path = folder / "failed.json"
    if results is None and (folder / "results.json").exists():
        results = read_results(folder)
    if results and FAILED in results:
        return results[FAILED]
    if not path.exists():
        return []
    failures = _read_json(path).get(FAILED)
    if not isinstance(failures, list) or not all(
        isinstance(failure, dict) and {"member", "stage"} & failure.keys() for failure in failures
    ):
        raise _damaged(path, "it has no list of members that failed")
    return failures


def write_refusal(folder: Path, config: dict[str, Any], reason: str) -> None:
    """Make `folder` that of a config's run, and note why it could not be done.

    What a run there has already is kept; `claim` removes the note.
    """
    claim(folder, config)
    files.write_json(folder / _REFUSAL, files.sealed({"reason": reason}))


def read_refusal(folder: Path) -> str:
    """Read why the run in a folder could not be done; empty if it was not tried or is done."""
    path = folder / _REFUSAL
    if not path.exists():
        return ""
    return str(_read_json(path).get("reason", ""))


def write_failures(folder: Path, failures: list[dict]) -> None:
    """Write `failed.json`, or remove it if there are none."""
    path = folder / "failed.json"
    if failures:
        files.write_json(path, files.sealed({FAILED: failures}))
    else:
        path.unlink(missing_ok=True)


def read_search(folder: Path) -> dict[str, Any] | None:
    """Read what the search in a folder is and came to; None if there is none.

    Returns:
      `design`, all that decides the trials but for their number; `trials`, in their order; `best`,
      the number of the best finished one or None. A trial has its `number`, `run` (the name of its
      folder), drawn `values` by dotted key, `state`, `steps` that it was trained, objective `value`
      there or None, and the `reason` of a failure.

    """
    path = folder / _SEARCH
    return _read_json(path) if path.exists() else None


def write_search(folder: Path, value: dict[str, Any]) -> None:
    """Write `search.json` of a search's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / _SEARCH, files.sealed(value))


def _read_json(path: Path, text: str | None = None) -> dict:
    try:
        text = path.read_text() if text is None else text
        return files.unsealed(_DECODER.decode(text))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from None


def _no_number(name: str):
    raise ValueError(f"{name} is no number")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


def _damaged(path: Path, reason: str) -> UserError:
    advice = {
        "config.json": "choose another folder",
        _REFUSAL: "delete it and repeat the command of the sweep",
        "data.json": "delete it, and nothing is known of what the run was trained on",
        "failed.json": "delete it and repeat the command of the run with --mode=train",
        _SEARCH: "repeat the command of the search, which writes it anew once it is deleted",
        "metrics.jsonl": "put it back from a copy, or take it as it is by --mode=evaluate",
    }.get(path.name, "write it anew by --mode=evaluate")
    return UserError(f"cannot read {path} ({reason}): {advice}")
