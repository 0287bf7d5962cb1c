"""One driver a sweep, or one a shard."""

import os
import signal
import subprocess
import sys

import pytest

from adjax.errors import UserError
from adjax.sweeps.store import driving

DRIVER = """
import sys
from pathlib import Path
from adjax.sweeps.store import driving
with driving(Path(sys.argv[1])):
    print("driving", flush=True)
    sys.stdin.read()
"""


def test_second_driver_is_refused_by_name(tmp_path):
    with (
        driving(tmp_path),
        pytest.raises(UserError, match=rf"is being swept by process {os.getpid()} on "),
        driving(tmp_path),
    ):
        pass
    with driving(tmp_path):  # free again
        pass


def test_shards_drive_beside_each_other_but_not_beside_the_whole(tmp_path):
    with driving(tmp_path, (0, 2)), driving(tmp_path, (1, 2)):
        for shard in ((0, 1), (1, 2)):
            with (
                pytest.raises(UserError, match="is being swept by"),
                driving(tmp_path, shard),
            ):
                pass


def test_driver_that_is_killed_leaves_no_lock(tmp_path, repository):
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path)],
        cwd=repository,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout.readline() == b"driving\n"
    with pytest.raises(UserError, match=f"process {process.pid} on "), driving(tmp_path):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with driving(tmp_path):
        pass


def test_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match="cannot write to --workdir"),
        driving(tmp_path / "file" / "x"),
    ):
        pass
