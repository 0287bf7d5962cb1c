"""Runs on several hosts: joining their processes, who writes, what all must agree on.

All processes run the same program. Only the first one writes (logs, results, reports), to a folder
that all of them see; a process that fails exits at once, and JAX's runtime ends the others.

JAX is imported by what needs it: a process that never did is alone, and may only show a result.
"""

import hashlib
import os
import sys
from typing import Any, NoReturn

import numpy as np

from adjax.errors import UserError


def join(coordinator: str = "", processes: int = 0, process: int = -1) -> None:
    """Join the other processes of a run, before any use of a device.

    Args:
      coordinator: `host:port` of the first process; empty: taken, like the two numbers, from the
        environment of the scheduler (SLURM, Open MPI, Cloud TPU, Kubernetes).
      processes: number of processes.
      process: number of this one, from 0.

    Raises:
      UserError: if the numbers do not fit or there is no such scheduler.

    """
    if coordinator:
        if not coordinator.rpartition(":")[2].isdigit():
            raise UserError(f"--coordinator={coordinator}: give host:port of the first process")
        if not 0 <= process < processes:
            raise UserError(
                "--coordinator needs --num_processes=N and --process_id=i with i from 0 to N - 1"
            )
    import jax

    try:
        arguments = (coordinator, processes, process) if coordinator else ()
        jax.distributed.initialize(*arguments)
    except ValueError as error:
        raise UserError(
            "--distributed: no scheduler that JAX knows started this process; "
            "give --coordinator, --num_processes and --process_id"
        ) from error
    sys.excepthook = _fail


def _fail(kind, error, traceback) -> NoReturn:
    sys.__excepthook__(kind, error, traceback)
    leave(1)


def is_first() -> bool:
    """Return whether this process writes; asks no device if it is the only one."""
    return not _joined() or sys.modules["jax"].process_index() == 0


def _joined() -> bool:
    jax = sys.modules.get("jax")
    return jax is not None and jax.distributed.is_initialized()


def agreed(value: bool) -> bool:
    """Return the value of the first process."""
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() == 1:
        return value
    return bool(multihost_utils.broadcast_one_to_all(np.array(value)))


def check_same(text: str, what: str) -> None:
    """Raise `UserError`, on every process, unless all of them hold the same text."""
    from jax.experimental import multihost_utils

    digest = np.frombuffer(hashlib.sha256(text.encode(errors="surrogateescape")).digest(), np.uint8)
    if (multihost_utils.process_allgather(digest) != digest).any():
        raise UserError(f"the processes were given different {what}")


def wait_for_all(name: str) -> None:
    """Return when every process has reached this point of the program."""
    import jax
    from jax.experimental import multihost_utils

    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def fetch(tree: Any) -> Any:
    """Return whole arrays on the host; a collective if devices of other processes hold parts."""

    import jax
    from jax.experimental import multihost_utils

    def whole(x):
        if isinstance(x, jax.Array) and not x.is_fully_addressable:
            return multihost_utils.process_allgather(x, tiled=True)
        return x

    return jax.device_get(jax.tree.map(whole, tree))


def leave(code: int) -> NoReturn:
    """Exit; a failed process waits for nothing.

    Not for the other processes of a run, which are waiting for it, and not for threads that still
    save what a full disk does not take: they would find the interpreter shut down.
    """
    if code:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
