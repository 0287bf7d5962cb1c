"""Clocks that jump: within a command, and between commands, whose files are of another time."""

import os
import random
import shutil
import time
from pathlib import Path

from torture import kills
from torture.bench import Bench
from torture.clock import DAYS
from torture.outcome import RIGHT, WRONG, Outcome, Verdict, judge

NAME, TITLE, SHARE = "clocks", "clocks that jump", 2
_WAYS = ("train", "train a detector", "evaluate", "sweep", "report")


def run(bench: Bench, seed: int) -> Outcome:
    """Run a command with a clock that jumps, perhaps kill it, date its files anew, repeat it."""
    draw = random.Random(seed)
    name = draw.choice(_WAYS)
    folder = bench.new_folder()
    killed = draw.random() < 0.5
    what = f"{name}{', killed' if killed else ''}, its files dated anew"
    try:
        verdict = _run(bench, folder, draw, name, killed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(NAME, seed, what, *verdict)


def _run(bench: Bench, folder: Path, draw: random.Random, name: str, killed: bool) -> Verdict:
    way = kills.WAYS[name]
    argv = way.prepare(bench, folder)
    running = bench.server.start(*argv, clock=str(draw.random()))
    if killed:
        time.sleep(draw.random() * kills.undisturbed(bench, name)["seconds"])
        running.send(9)
        running.wait()
    else:
        verdict = judge(running.wait())
        if verdict.ending != RIGHT:
            return Verdict(WRONG, f"with a clock that jumps: {verdict.reason}")
    _date_anew(folder, draw)
    verdict = judge(bench.server.run(*argv))
    if verdict.ending != RIGHT:
        return Verdict(WRONG, f"repeated: {verdict.reason}")
    difference = bench.compare(folder / way.made, way.like)
    return Verdict(WRONG, difference) if difference else Verdict(RIGHT)


def _date_anew(folder: Path, draw: random.Random) -> None:
    """Give files and folders times of years ago and years ahead."""
    for path in sorted(folder.rglob("*")):
        moment = time.time() + draw.choice((-4000, -1, 0, 1, 4000)) * DAYS
        os.utime(path, (moment, moment))
