"""Drivers of a sweep: one for its whole folder, or one for each of several shards."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from adjax import files
from adjax.errors import UserError


def parse_shard(text: str) -> tuple[int, int]:
    """Parse `i/n` of --shard into numbers, 0 <= i < n; empty text is the whole sweep, `(0, 1)`."""
    match = re.fullmatch(r"(\d+)/(\d+)", text or "0/1")
    if not match or int(match[1]) >= int(match[2]):
        raise UserError(f"--shard={text}: give i/n with i from 0 to n - 1, e.g. --shard=0/4")
    return int(match[1]), int(match[2])


@contextlib.contextmanager
def driving(
    directory: Path, shard: tuple[int, int] = (0, 1), *, search: bool = False
) -> Iterator[None]:
    """Hold the lock of the driver of a sweep, of one of its shards or of a search, for a block.

    Raises:
      UserError: if another process holds it; it names that process.

    """
    number, count = shard
    whole = directory / ".locks" / "driver"
    try:
        with contextlib.ExitStack() as stack:
            held = stack.enter_context(files.locked(whole, shared=count > 1))
            path = whole
            if held and count > 1:
                path = whole.with_name(f"driver-{number}-of-{count}")
                held = stack.enter_context(files.locked(path))
            if not held:
                raise UserError(
                    f"--workdir={directory} is being {'searched' if search else 'swept'} by "
                    f"{files.holder(path)}: wait for it"
                    + ("" if search else ", or give every driver its own --shard=i/n")
                )
            yield
    except OSError as error:
        if error.filename and str(error.filename).startswith(str(whole.parent)):
            raise UserError(f"cannot write to --workdir={directory}: {error.strerror}") from error
        raise
