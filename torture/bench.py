"""What cases are tried on: small data, finished runs, and the states of undisturbed ones."""

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from torture import state
from torture.outcome import Verdict, judge
from torture.process import Done, Server, new_folder

SIZE = 32  # px
_TINY = (
    *("--config.data.train_split=train[:600]", "--config.data.test_split=test[:60]"),
    *("--config.evaluation.batch_size=20", "--config.log_every=5", "--config.checkpoint_every=10"),
)
# The trainings: two stages on classes, and a detector on photographs with masks.
_CLASSES = (
    *("--config=configs/mnist.py:oe_sdn_fast,smoke", *_TINY),
    *("--config.teacher.steps=40", "--config.student.steps=40"),
)
_SWEEP = (
    *("--mode=sweep", "--config=configs/mnist.py:demo,smoke", *_TINY, "--max_population=2"),
    *("--config.teacher.steps=30", "--config.student.steps=30"),
)
_DIVERGING = (
    *("--config=configs/mnist.py:ae,smoke", *_TINY),
    "--config.members=({'seed': 0}, {'seed': 1, 'teacher.learning_rate': 3e38})",
)


class Bench:
    """The data and references of a campaign, made when they are first asked for.

    Attributes:
      server: starts commands.
      folder: where everything lies.
      repository: the checkout whose commands are tried.

    """

    def __init__(self, server: Server, folder: Path):
        """Use an empty folder."""
        self.server, self.folder = server, folder
        self.repository = Path(__file__).resolve().parent.parent
        self._made: dict[str, object] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def once(self, name: str, make: Callable[[], object]):
        """Return what `make` returned when this name was first asked for."""
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]

    def new_folder(self) -> Path:
        """Return an empty folder for a case."""
        return new_folder(self.folder)

    def training(self, name: str) -> tuple[str, ...]:
        """Return the arguments, without a workdir, of classes, category, sweep or diverging."""
        if name == "category":
            return (
                *("--config=configs/folder.py:aesc_residual,smoke", "--config.data.size=32"),
                *(f"--config.data.dir={self.photographs}", "--config.data.channels=1"),
                *("--config.autoencoder.depth=2", "--config.autoencoder.kernel=3"),
                *("--config.autoencoder.steps=24", "--config.evaluation.batch_size=2"),
            )
        return {"classes": _CLASSES, "sweep": _SWEEP, "diverging": _DIVERGING}[name]

    def finished(self, name: str) -> Path:
        """Return the folder of an undisturbed training; never to be written to."""

        def make() -> Path:
            folder = self.folder / f"finished-{name}"
            done = self.server.run(
                *self.training(name), f"--workdir={folder}", compiles=True, timeout=600
            )
            if done.code != (3 if name == "diverging" else 0):
                raise RuntimeError(f"an undisturbed training failed: {done}")
            return folder

        return self.once(f"finished {name}", make)

    def state_of(self, folder: Path) -> dict[str, str]:
        """Return the state of a folder, see `state`; what cannot be read says so."""
        output = self.new_folder() / "state.json"
        done = self.server.run(folder, output, program="torture")
        content = json.loads(output.read_text()) if output.exists() else None
        shutil.rmtree(output.parent)
        if done.code or content is None:
            return {"state": f"cannot be read: {done.stderr.strip().splitlines()[-1:]}"}
        return content

    def reference(self, name: str) -> dict[str, str]:
        """Return the state of a finished training."""
        return self.once(f"state {name}", lambda: self.state_of(self.finished(name)))

    def compare(self, folder: Path, name: str) -> str:
        """Return how a folder differs from an undisturbed training; empty: not at all."""
        return state.difference(self.state_of(folder), self.reference(name))

    def judge_training(self, done: Done, folder: Path, name: str) -> Verdict:
        """Judge a command that should have left the undisturbed training in a folder."""
        return judge(done, self.compare(folder, name) if done.code in (0, 3) else "")

    @property
    def photographs(self) -> Path:
        """A folder of photographs with defects and masks."""
        return self.once("photographs", lambda: _write_photographs(self.folder / "photographs"))

    @property
    def new_photographs(self) -> Path:
        """A folder of photographs to be predicted."""
        return self.photographs / "test" / "stain"

    @property
    def source(self) -> Path:
        """An `.npz` of classes, for `prepare_data`."""

        def make() -> Path:
            draw, path = np.random.default_rng(3), self.folder / "source.npz"
            content = {}
            for split, count in (("train", 60), ("test", 20)):
                content[f"x_{split}"] = draw.integers(0, 256, (count, 8, 8, 1), np.uint8)
                content[f"y_{split}"] = draw.integers(0, 3, count)
            np.savez(path, **content)
            return path

        return self.once("source", make)


def _write_photographs(root: Path) -> Path:
    """Stripes with noise; a bright stain is the defect."""
    draw = np.random.default_rng(7)
    stripes = 110 + 50 * np.sin(np.arange(SIZE) / 2)
    for folder, count in (("train/good", 12), ("test/good", 4), ("test/stain", 4)):
        (root / folder).mkdir(parents=True)
        for number in range(count):
            image = stripes[None] + draw.normal(0, 6, (SIZE, SIZE))
            if folder.endswith("stain"):
                top, left = draw.integers(2, SIZE - 12, 2)
                mask = np.zeros((SIZE, SIZE), np.uint8)
                mask[top : top + 8, left : left + 8] = 255
                image[mask > 0] += 90
                truth = root / "ground_truth" / "stain" / f"{number:03}_mask.png"
                truth.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(truth)
            pixels = image.clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{number:03}.png")
    return root
