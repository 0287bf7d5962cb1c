"""Two commands at work on one folder."""

import random
import shutil
import time
from pathlib import Path

from torture import kills
from torture.bench import Bench
from torture.outcome import CLEAR, RIGHT, WRONG, Outcome, Verdict, judge

NAME, TITLE, SHARE = "rivals", "two commands on one folder", 2
_WAYS = ("sweep", "train", "train a detector", "evaluate")


def run(bench: Bench, seed: int) -> Outcome:
    """Start a command twice, a moment apart: both are right, or one is refused."""
    draw = random.Random(seed)
    name = draw.choice(_WAYS)
    folder = bench.new_folder()
    later = draw.uniform(0, 1) * kills.undisturbed(bench, name)["seconds"]
    try:
        verdict = _both(bench, folder, name, later)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(NAME, seed, f"{name} twice, {later:.2f} s apart", *verdict)


def _both(bench: Bench, folder: Path, name: str, later: float) -> Verdict:
    argv = kills.WAYS[name].prepare(bench, folder)
    first = bench.server.start(*argv)
    time.sleep(later)
    second = bench.server.run(*argv)
    verdicts = [judge(first.wait()), judge(second)]
    for verdict in verdicts:
        if verdict.ending == WRONG:
            return verdict
    clear = [verdict for verdict in verdicts if verdict.ending == CLEAR]
    if len(clear) == 2:
        return Verdict(WRONG, f"both were refused: {clear[0].reason}")
    if clear and "process" not in clear[0].reason:
        return Verdict(WRONG, f"does not say who is at work: {clear[0].reason}")
    difference = bench.compare(folder / "run", kills.WAYS[name].like)
    if difference:
        return Verdict(WRONG, difference)
    return clear[0] if clear else Verdict(RIGHT)
