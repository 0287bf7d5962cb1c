"""A search of 64 trials on digit 4: trials as populations against the same trials one by one.

Both ways draw the same trials at random, train them in one process and compile what they need; wall
time is from the first trial to the last finished run. That equal trials end in equal bytes,
whatever they trained beside, is part of the measurement.
"""

import contextlib
import io
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from adjax import workdir
from adjax.errors import UserError
from adjax.sweeps.expand import Space
from adjax.sweeps.inline import InlineEngine
from adjax.sweeps.search import VALIDATION_LOSS, Task, search
from adjax.sweeps.study import Design
from configs import search as config

TRIALS = 64
# A quarter and a half of the steps are rungs.
STEPS = {"teacher.steps": 200, "log_every": 10, "checkpoint_every": 50}


class Way(NamedTuple):
    """One way to search: its name in the table and the most members of a population, 0: any."""

    name: str
    most: int


WAYS = (
    Way("ASHA, populations", 0),
    Way("ASHA, one by one", 1),
)


def measure(trials: int = TRIALS, **changes: int) -> list[dict]:
    """Measure a row for each way.

    Args:
      trials: of each way.
      **changes: of the autoencoder's settings, beside `STEPS`.

    Raises:
      UserError: if equal trials came to different bytes.

    """
    rows, ends = [], {}
    with tempfile.TemporaryDirectory() as folder:
        _search(Path(folder, "warm"), WAYS[0], 2, changes)  # reads the data
        for way in WAYS:
            start = time.perf_counter()
            found = _search(Path(folder, way.name), way, trials, changes)
            seconds = time.perf_counter() - start
            steps = sum(trial["steps"] for trial in found["trials"])
            best = found["trials"][found["best"]]
            rows.append({"case": way.name, "trials": trials, "seconds": seconds, "steps": steps})
            rows[-1] |= {"best": found["best"], "value": best["value"]}
            for name, tree in _trees(Path(folder, way.name)).items():
                if ends.setdefault(name, tree) != tree:
                    raise UserError(f"{way.name}: trial of {name} is not what it was before")
    for row in rows:
        row["ratio"] = row["seconds"] / rows[0]["seconds"]
    return rows


def _search(folder: Path, way: Way, trials: int, changes: dict[str, int]) -> dict:
    made = config.get_config("ae,smoke")
    made.update_from_flattened_dict(STEPS | changes)
    space = Space("trials", made, config.SPACES["ae"]).with_cache(folder)
    design = Design("random", 0, "asha", 3, 2)
    folder.mkdir()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        search(Task(space, design, VALIDATION_LOSS, trials, trials), InlineEngine(way.most), folder)
    return workdir.read_search(folder)


def _trees(folder: Path) -> dict[str, bytes]:
    """Return what finished trials came to, by their names in the stage cache."""
    return {path.parent.name: path.read_bytes() for path in folder.glob(".stages/*/tree.msgpack")}
