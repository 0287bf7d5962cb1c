"""Who may write to a sweep's folder: one driver, or the drivers of several shards."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from adjax import files
from adjax.errors import UserError


def parse_shard(text: str) -> tuple[int, int]:
    """`i/n` of --shard as numbers, 0 <= i < n; empty text is the whole, `(0, 1)`."""
    found = re.fullmatch(r"(\d+)/(\d+)", text or "0/1")
    if not found or int(found[1]) >= int(found[2]):
        raise UserError(f"--shard={text}: give i/n with i from 0 to n - 1, e.g. --shard=0/4")
    return int(found[1]), int(found[2])


@contextlib.contextmanager
def driving(directory: Path, shard: tuple[int, int] = (0, 1)) -> Iterator[None]:
    """Be the driver of a sweep, or of a shard of it, for a block.

    Raises:
      UserError: if another process is; it names that process.

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
                    f"--workdir={directory} is being swept by {files.holder(path)}: wait for it, "
                    "or give every driver its own --shard=i/n"
                )
            yield
    except OSError as error:
        if error.filename and str(error.filename).startswith(str(whole.parent)):
            raise UserError(f"cannot write to --workdir={directory}: {error.strerror}") from error
        raise
