"""The figures of a run, written as PNG; and those that are grids of images.

Nothing but this module, `plots` and who writes figures imports matplotlib.
"""

import base64
import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from adjax.paths import on_one_line
from adjax.reports import plots
from adjax.reports.finished_run import Run
from adjax.reports.plots import ANOMALOUS, INK, NORMAL, WIDTH, NewFigure
from adjax.reports.words import count, spelled

DPI = 200
MOST_EXAMPLES = 8  # of each kind
MOST_OF_CATEGORIES = 6  # they have more to be seen, and longer names
MOST_LETTERS = 56  # of a title at its usual size


def write_figures(run: Run) -> dict[str, Path]:
    """Write `figures/{examples,histograms,roc,losses,thresholds}.png`, those there are.

    No losses for an untrained method, no ROC without two kinds of test images, no thresholds
    without ground truth.
    """
    drawn = {
        "examples": (examples_figure, run),
        "histograms": (plots.histograms_figure, run),
        "roc": (plots.roc_figure, [run]),
        "thresholds": (_thresholds_figure, run),
        "losses": (plots.losses_figure, run),
    }
    paths = {
        name: write_figure(run.workdir / "figures" / f"{name}.png", draw, shown)
        for name, (draw, shown) in drawn.items()
    }
    return {name: path for name, path in paths.items() if path}


def write_figure(path: Path, draw: Callable[[Any], Figure | None], shown: Any) -> Path | None:
    """Draw a figure of something in the common style; returns None if there is nothing to draw."""
    content = _png(draw, shown)
    if content is None:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def figure_data(draw: Callable[[Any], Figure | None], shown: Any) -> str | None:
    """Draw a figure likewise, for a page alone; returns its PNG in base64."""
    content = _png(draw, shown)
    return None if content is None else base64.b64encode(content).decode()


def _png(draw: Callable[[Any], Figure | None], shown: Any) -> bytes | None:
    with mpl.rc_context(plots.STYLE):
        figure = draw(shown)
        if figure is None:
            return None
        _take_literally(figure)
        content = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # that the font lacks: the page has the name
            figure.savefig(content, dpi=DPI, facecolor="white", metadata={"Software": None})
    return content.getvalue()


def show_figure(draw: Callable[[Any, NewFigure], Figure | None], shown: Any) -> list[Axes]:
    """Draw a figure of something with pyplot, whose figures notebooks show; return its axes."""
    import matplotlib.pyplot as plt

    with mpl.rc_context(plots.STYLE):
        figure = draw(shown, plt.figure)
        if figure is None:
            return []
        _take_literally(figure)
    return figure.axes


def _take_literally(figure: Figure) -> None:
    """Keep matplotlib from reading formulas in names, which may hold any characters."""
    for text in figure.findobj(Text):
        lines = map(on_one_line, text.get_text().split("\n"))
        text.set_text("\n".join(lines).replace("$", r"\$"))


def write_gallery(sets: dict[str, np.ndarray], path: Path) -> Path:
    """Write the figure of sets of images, see `gallery_figure`."""
    return write_figure(path, gallery_figure, sets)


def _thresholds_figure(run: Run) -> Figure | None:
    """Draw the thresholds of the first member; None without ground truth."""
    if "f1_curve/f1" not in run.scores:
        return None
    member = run.members[0]
    threshold, f1 = (run.scores[f"f1_curve/{key}"][0] for key in ("threshold", "f1"))
    chosen = {rule["rule"]: (rule["threshold"], rule["f1"]) for rule in member["thresholds"]}
    chosen.pop("oracle_best_f1")
    stable = member["stability"]["low"], member["stability"]["high"]
    figure = plots.thresholds_figure(threshold, f1, chosen, stable)
    if len(run.members) > 1:
        figure.axes[0].set_title(_first(run))
    return figure


def _first(run: Run) -> str:
    """Return `class 3`, or `class 3 (the first of 2 members)`."""
    name = run.member_name(run.members[0])
    if len(run.members) == 1:
        return name
    return f"{name} (the first of {count(len(run.members), 'member')})"


def gallery_figure(sets: dict[str, np.ndarray]) -> Figure:
    """Draw a row a set, named at its left: images `[K, H, W, C]` in [0, 1], K the same for all."""
    columns = len(next(iter(sets.values())))
    labels, cell = 1.3, (WIDTH - 1.3) / columns
    figure = Figure(figsize=(WIDTH, cell * len(sets)), layout="none")
    grid = figure.subplots(len(sets), columns, squeeze=False)
    figure.subplots_adjust(labels / WIDTH, 0, 1, 1, wspace=0.06, hspace=0.06)
    for row, (name, images) in zip(grid, sets.items(), strict=True):
        for axes, image in zip(row, images, strict=True):
            axes.set_axis_off()
            image = image.repeat(3, -1) if image.shape[-1] == 1 else image
            axes.imshow(image, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        text = spelled(name)
        row[0].text(-0.1, 0.5, text, transform=row[0].transAxes, ha="right", va="center")
    return figure


def pairs_figure(
    pairs: Sequence[tuple[Image.Image, Image.Image, str]], new: NewFigure = Figure
) -> Figure:
    """Draw a row for each pair of pictures of one size, its text above the second."""
    figure = new(figsize=(WIDTH, WIDTH / 2 * len(pairs)))
    grid = figure.subplots(len(pairs), 2, squeeze=False)
    for row, (left, right, text) in zip(grid, pairs, strict=True):
        for axes, picture in zip(row, (left, right), strict=True):
            axes.imshow(np.asarray(picture.convert("RGB")))
            axes.set_axis_off()
        row[1].set_title(text)
    return figure


def examples_figure(run: Run, new: NewFigure = Figure) -> Figure:
    """Draw images of the first member in columns: input, reconstructions, anomaly map, score.

    Where there are categories also the kind of defect and the ground truth. A block of normal
    examples stands over a block of anomalous ones; both share the colour scale.
    """
    most = MOST_OF_CATEGORIES if run.about.has_categories else MOST_EXAMPLES
    examples = {name: values[0] for name, values in run.examples.items()}
    blocks = {
        heading: np.flatnonzero(examples["anomalous"] == (heading == "Anomalous"))[:most]
        for heading in ("Normal", "Anomalous")
    }
    sheet = _Sheet(examples, {heading: rows for heading, rows in blocks.items() if rows.size}, new)
    sheet.draw(f"{run.about.name}, {_first(run)}")
    return sheet.figure


class _Sheet:
    """The figure of examples; places are in inches from its lower left corner.

    Attributes:
      blocks: rows of the examples that are shown, by their heading.
      rows: what is shown of an example, by label: images `[K, H, W, C]` or maps `[K, H, W]`.
      names: of the examples' classes or kinds of defect, `[K]`.

    """

    LABELS, GAP, HEADING, LINE = 0.72, 0.04, 0.24, 0.18

    def __init__(
        self, examples: dict[str, np.ndarray], blocks: dict[str, np.ndarray], new: NewFigure
    ):
        names = [name for name in examples if name.startswith("reconstruction/")]
        maps = examples["anomaly_map"]
        self.rows = {"input": examples["image"]}
        self.rows |= {name.removeprefix("reconstruction/"): examples[name] for name in names}
        self.rows["anomaly map"] = maps
        if "mask" in examples:
            self.rows["ground truth"] = examples["mask"][..., None].astype(np.float32)
        self.label = "kind" if "class_name" in examples else "class"
        # Kinds of defects have long names of several words.
        words = examples.get("class_name", examples["class_label"]).astype(str)
        self.names = np.char.replace(words, "_", "\n")
        self.scores = [f"{score:.3g}" for score in examples["image_score"]]
        self.scale = min(0.0, float(maps.min())), float(maps.max())
        self.blocks = blocks
        columns = max(chosen.size for chosen in blocks.values())
        self.cell = min(0.9, (WIDTH - self.LABELS - 0.05) / columns - self.GAP)
        self.cell_height = self.cell * maps.shape[1] / maps.shape[2]
        self.name_height = self.LINE * (1 + max(name.count("\n") for name in self.names))
        self.block_height = self.HEADING + self.name_height + self.LINE
        self.block_height += len(self.rows) * (self.cell_height + self.GAP)
        self.height = 0.3 + len(blocks) * (self.block_height + 0.2) + 0.3
        self.figure = new(figsize=(WIDTH, self.height), layout="none")

    def draw(self, title: str):
        """Draw the title, the blocks one below the other, and the scale."""
        size = min(10, 10 * MOST_LETTERS / len(title))
        self._text(0.05, self.height - 0.12, title, weight="bold", size=size)
        top = self.height - 0.3
        for number, heading in enumerate(self.blocks):
            if number:
                y = (top + 0.03) / self.height
                self.figure.add_artist(Line2D([0.01, 0.99], [y, y], color=INK, linewidth=1))
            self._draw_block(top, heading)
            top -= self.block_height + 0.2
        self._draw_scale()

    def _draw_block(self, top: float, heading: str):
        """Draw the examples of a block, one a column, below `top`."""
        chosen = self.blocks[heading]
        lefts = self.LABELS + np.arange(chosen.size) * (self.cell + self.GAP)
        color = ANOMALOUS if heading == "Anomalous" else NORMAL
        self._text(0.05, top - self.HEADING / 2, heading, weight="bold", color=color)
        y = top - self.HEADING - self.name_height
        self._write_words(y + self.name_height / 2, self.label, lefts, self.names[chosen])
        for label, images in self.rows.items():
            y -= self.cell_height
            self._text(0.05, y + self.cell_height / 2, label.replace(" ", "\n"), size=8)
            for left, image in zip(lefts, images[chosen], strict=True):
                self._draw_image(self._axes(left, y, self.cell, self.cell_height), image)
            y -= self.GAP
        scores = [self.scores[row] for row in chosen]
        self._write_words(y - self.LINE / 2, "score", lefts, scores)

    def _write_words(self, y: float, label: str, lefts: np.ndarray, words: Sequence[str]):
        """Write a label and a word a column around `y`; a long one in smaller type."""
        self._text(0.05, y, label, size=8)
        for left, word in zip(lefts, words, strict=True):
            longest = max(map(len, word.split("\n")))
            size = min(8, 72 * (self.cell + self.GAP) / (0.58 * longest))
            self._text(left + self.cell / 2, y, word, size=size, ha="center")

    def _draw_image(self, axes: Axes, image: np.ndarray):
        """Draw an image [H, W, C] in [0, 1], or an anomaly map [H, W] on the shared scale."""
        if image.ndim == 2:
            low, high = self.scale
            axes.imshow(image, cmap="magma", vmin=low, vmax=high, aspect="auto")
        elif image.shape[-1] == 1:
            axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1, aspect="auto")
        else:
            axes.imshow(np.clip(image, 0, 1), aspect="auto")

    def _draw_scale(self):
        """Draw the colour scale of the anomaly maps at the foot of the figure."""
        low, high = (f"{value:.3g}" for value in self.scale)
        left, width = self.LABELS + 0.35, 1.6
        axes = self._axes(left, 0.12, width, 0.09)
        axes.imshow(np.linspace(0, 1, 256)[None], cmap="magma", aspect="auto")
        self._text(0.05, 0.165, "map scale", size=8)
        self._text(left - 0.06, 0.165, low, size=8, ha="right")
        self._text(left + width + 0.06, 0.165, f"{high} (more anomalous)", size=8)

    def _axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        box = (left / WIDTH, bottom / self.height, width / WIDTH, height / self.height)
        axes = self.figure.add_axes(box)
        axes.set_axis_off()
        return axes

    def _text(self, x: float, y: float, text: str, **style):
        """Write text, its middle at `y`."""
        style |= {"va": "center_baseline", "linespacing": 1.1}
        self.figure.text(x / WIDTH, y / self.height, text, **style)
