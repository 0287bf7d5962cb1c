"""Time to published AUROC: seconds from a cold start to the mean over the ten digits of MNIST.

A run is one command in a new process and an empty folder, without a stage cache: imports, reading
the data, compilation, ten teachers and ten students, scoring 10,000 test images for each, tables
and pages. Its recipe was chosen on training images (docs/methods.md); seeds differ from run to run.
PyTorch's side trains and scores the same networks by the same recipe, eagerly and without pages.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from adjax.errors import UserError

CONFIG = "configs/mnist.py:table1,methods=oe_sdn_fast"
DIGITS = 10


class Recipe(NamedTuple):
    """What is trained, and the mean AUROC over ten digits that it is for.

    Attributes:
      name: name in the table.
      target: the AUROC to reach.
      teacher: steps and batch of the teacher.
      student: steps and batch (of normal images) of the student.
      image_score: how the student is scored.

    """

    name: str
    target: float
    teacher: tuple[int, int]
    student: tuple[int, int]
    image_score: str = "margin"

    @property
    def flags(self) -> list[str]:
        """Flags of the sweep."""
        values = {
            "teacher.steps": self.teacher[0],
            "teacher.batch_size": self.teacher[1],
            "student.steps": self.student[0],
            "student.batch_size": self.student[1],
            "image_score": self.image_score,
        }
        return [f"--config.{key}={value}" for key, value in values.items()]


RECIPES = (
    Recipe("short", 0.975, (540, 32), (400, 8)),
    Recipe("long", 0.984, (540, 32), (1200, 8)),
)


def measure(repeats: int, against: str = "") -> list[dict]:
    """Return a row for each recipe and side.

    Args:
      repeats: runs of a recipe; the seeds are their numbers.
      against: "torch" or nothing.

    """
    sides = {"adjax": _ours} | ({"PyTorch, eager": _torch} if against else {})
    measured = {(recipe, side): [] for recipe in RECIPES for side in sides}
    for seed in range(repeats):
        for (recipe, side), runs in measured.items():
            runs.append(_timed(sides[side], recipe, seed))
            print(f"{recipe.name} {side} seed {seed}: {runs[-1][0]:.0f} s, {runs[-1][1]:.4f}")
    return [_row(recipe, side, runs) for (recipe, side), runs in measured.items()]


def _timed(side, recipe: Recipe, seed: int) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        auroc = side(recipe, seed, Path(folder))
        return time.perf_counter() - start, auroc


def _ours(recipe: Recipe, seed: int, folder: Path) -> float:
    config = f"--config={CONFIG},seeds={seed}"
    workdir = folder / "sweep"
    flags = ["--mode=sweep", config, *recipe.flags, f"--workdir={workdir}"]
    _run([sys.executable, "launch.py", *flags])
    results = [json.loads(path.read_text()) for path in workdir.rglob("results.json")]
    values = [member["image_auroc"] for result in results for member in result["members"]]
    if len(values) != DIGITS:
        raise UserError(f"{workdir}: {len(values)} digits have results, not {DIGITS}")
    return statistics.mean(values)


def _torch(recipe: Recipe, seed: int, folder: Path) -> float:
    output = folder / "auroc.json"
    numbers = map(str, (*recipe.teacher, *recipe.student, seed, output))
    _run([sys.executable, "-m", "benchmarks.torch_speedrun", *numbers])
    return statistics.mean(json.loads(output.read_text()))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{' '.join(command)}: ended with {done.returncode}\n{done.stderr[-2000:]}")


def _row(recipe: Recipe, side: str, runs: list[tuple[float, float]]) -> dict:
    seconds, auroc = zip(*runs, strict=True)
    return {
        "case": f"{recipe.name}, {side}",
        "target": recipe.target,
        "recipe": f"{recipe.teacher[0]} x {recipe.teacher[1]}, "
        f"{recipe.student[0]} x {recipe.student[1]}",
        "runs": len(runs),
        "reached": sum(value >= recipe.target for value in auroc),
        "seconds": statistics.mean(seconds),
        "seconds_spread": statistics.stdev(seconds) if len(runs) > 1 else 0.0,
        "auroc": statistics.mean(auroc),
        "auroc_spread": statistics.stdev(auroc) if len(runs) > 1 else 0.0,
    }
