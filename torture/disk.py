"""Disks that are full, and folders that cannot be written to."""

import random
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torture import kills, state
from torture.bench import Bench
from torture.outcome import CLEAR, RIGHT, WRONG, Outcome, Verdict, judge

NAME, TITLE, SHARE = "disk", "disks full, or not to be written to", 4
_WAYS = ("train", "train a detector", "evaluate", "predict", "export", "prepare_data", "sweep")
_ROOM = "64m"


def run(bench: Bench, seed: int) -> Outcome:
    """Run a command where it has too little room, or none; then make room, and repeat it."""
    draw = random.Random(seed)
    name = draw.choice(_WAYS)
    full = draw.random() < 0.75
    folder = bench.new_folder()
    disk = folder / "disk"
    disk.mkdir()
    try:
        if full:
            need = _need(bench, name)
            room = int(need * draw.choice((0.02, 0.2, 0.5, 0.8, 0.95)) * draw.uniform(0.5, 1))
            what = f"{name} with room for {room:,} of {need:,} bytes"
            verdict = _full(bench, disk, name, room)
        else:
            what = f"{name} into a folder on a disk that is only read"
            verdict = _read_only(bench, disk, name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(NAME, seed, what, *verdict)


def _full(bench: Bench, disk: Path, name: str, room: int) -> Verdict:
    way = kills.WAYS[name]
    with mounted(disk, _ROOM):
        argv = way.prepare(bench, disk)
        held = shutil.disk_usage(disk)
        filler = disk / "filler"
        filler.write_bytes(b"")
        with filler.open("wb") as file:
            file.write(bytes(max(0, held.free - room)))
        first = judge(bench.server.run(*argv))
        filler.unlink()
        if first.ending == WRONG:
            return first
        if first.ending == CLEAR and "disk is full" not in first.reason:
            return Verdict(WRONG, f"does not say that the disk is full: {first.reason}")
        if first.ending == CLEAR:
            again = judge(bench.server.run(*argv))
            if again.ending != RIGHT:
                return Verdict(WRONG, f"with room again: {again.reason}")
        difference = _difference(bench, disk / way.made, name)
        return Verdict(WRONG, difference) if difference else first


def _read_only(bench: Bench, disk: Path, name: str) -> Verdict:
    way = kills.WAYS[name]
    with mounted(disk, _ROOM):
        argv = way.prepare(bench, disk)
        _mount("-o", "remount,ro", disk)
        done = bench.server.run(*argv)
    verdict = judge(done)
    if verdict.ending == RIGHT:
        return Verdict(WRONG, "exit code 0, but nothing can have been written")
    if verdict.ending == CLEAR and " step " in done.stderr:
        return Verdict(WRONG, f"it trained first: {verdict.reason}")
    return verdict


def _need(bench: Bench, name: str) -> int:
    """Return the bytes that a command leaves."""

    def measure() -> int:
        folder = bench.new_folder()
        bench.server.run(*kills.WAYS[name].prepare(bench, folder))
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        shutil.rmtree(folder)
        return size

    return bench.once(f"bytes {name}", measure)


def _difference(bench: Bench, made: Path, name: str) -> str:
    like = kills.WAYS[name].like
    reference = bench.reference(like) if like else kills.undisturbed(bench, name)["state"]
    return state.difference(bench.state_of(made), reference)


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[None]:
    """Mount a small disk in memory on a folder for a block."""
    _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _mount(*arguments) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def impossible() -> str:
    """Return why no disk can be mounted here; empty: it can."""
    tried = subprocess.run(
        [
            "sh",
            "-c",
            "d=$(mktemp -d) && mount -t tmpfs tmpfs $d && umount $d; c=$?; rmdir $d; exit $c",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if tried.returncode == 0 else f"no disk can be mounted: {tried.stderr.strip()}"
