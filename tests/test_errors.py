"""Errors are recognised whoever raised them."""

import errno

from adjax.errors import disk_full


def test_full_disk_is_recognised_behind_other_errors():
    def wrapped(inner):
        try:
            raise ValueError("saving failed") from inner
        except ValueError as error:
            return error

    assert disk_full(OSError(errno.ENOSPC, "x"))
    assert disk_full(wrapped(OSError(errno.EDQUOT, "x")))
    assert disk_full(ValueError("tensorstore: No space left on device [16]"))
    assert disk_full(OSError("Not enough disk space. Needed: 2 GiB"))
    assert not disk_full(wrapped(OSError(errno.EACCES, "x")))
    assert not disk_full(ValueError("x"))
