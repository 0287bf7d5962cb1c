"""The figure of examples: images in columns, what the run made of them in rows."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from adjax.reports.columns import run_name
from adjax.reports.names import count, member_name
from adjax.reports.run import Run
from adjax.reports.style import ANOMALOUS, INK, NORMAL, WIDTH

MOST_EXAMPLES = 8  # of each kind
MOST_INDUSTRIAL = 6  # they have more to be seen, and longer names
MOST_LETTERS = 56  # of a title at its usual size


def examples_figure(run: Run) -> Figure:
    """Images of the first member in columns: input, reconstructions, anomaly map, score.

    Of industrial images also the kind of defect and the ground truth. A block of normal examples
    stands over a block of anomalous ones; both share the colour scale.
    """
    most = MOST_INDUSTRIAL if run.is_industrial else MOST_EXAMPLES
    first = {name: values[0] for name, values in run.examples.items()}
    blocks = [
        (heading, np.flatnonzero(first["anomalous"] == anomalous)[:most])
        for heading, anomalous in (("Normal", False), ("Anomalous", True))
    ]
    blocks = [(heading, chosen) for heading, chosen in blocks if chosen.size]
    grid = _Grid(first, max(chosen.size for _, chosen in blocks))
    title = f"{run_name(run)}, {member_name(run.members[0], run.members, run.noun)}"
    if len(run.members) > 1:
        title += f" (the first of {count(len(run.members), 'member')})"
    height = 0.3 + len(blocks) * (grid.block_height + 0.2) + 0.3
    figure = Figure(figsize=(WIDTH, height), layout="none")
    size = min(10, 10 * MOST_LETTERS / len(title))
    top = _text(figure, 0.05, height - 0.12, title, weight="bold", size=size) - 0.18
    for index, (heading, chosen) in enumerate(blocks):
        color = ANOMALOUS if heading == "Anomalous" else NORMAL
        if index:
            _rule(figure, top + 0.03)
        _draw_block(figure, grid, top, heading, color, chosen)
        top -= grid.block_height + 0.2
    _draw_scale(figure, grid)
    return figure


class _Grid:
    """Where images go, in inches: a column of row labels, then one cell for every example."""

    LABELS, GAP, HEADING, LINE = 0.72, 0.04, 0.24, 0.18

    def __init__(self, examples: dict[str, np.ndarray], number_of_columns: int):
        names = [name for name in examples if name.startswith("reconstruction/")]
        self.examples = examples
        self.label = "kind" if "class_name" in examples else "class"
        # Kinds of defects have long names of several words.
        words = examples.get("class_name", examples["class_label"]).astype(str)
        self.names = np.char.replace(words, "_", "\n")
        self.lines = 1 + max(name.count("\n") for name in self.names)
        self.rows = {"input": examples["image"]}
        self.rows |= {name.removeprefix("reconstruction/"): examples[name] for name in names}
        self.rows["anomaly map"] = examples["anomaly_map"]
        if "mask" in examples:
            self.rows["ground truth"] = examples["mask"][..., None].astype(np.float32)
        height, width = examples["anomaly_map"].shape[1:]
        self.cell = min(0.9, (WIDTH - self.LABELS - 0.05) / number_of_columns - self.GAP)
        self.cell_height = self.cell * height / width
        maps = examples["anomaly_map"]
        self.scale = (min(0.0, float(maps.min())), float(maps.max()))

    @property
    def block_height(self) -> float:
        lines = (1 + self.lines) * self.LINE
        return self.HEADING + lines + len(self.rows) * (self.cell_height + self.GAP)


def _draw_block(figure, grid: _Grid, top: float, heading: str, color: str, chosen: np.ndarray):
    """Draws the chosen examples, one a column, below `top` (inches from the figure's bottom)."""
    lefts = grid.LABELS + np.arange(chosen.size) * (grid.cell + grid.GAP)
    _text(figure, 0.05, top - grid.HEADING / 2, heading, weight="bold", color=color)
    y = top - grid.HEADING
    height = grid.lines * grid.LINE
    _draw_line_of_text(figure, grid, y, grid.label, lefts, list(grid.names[chosen]), height)
    y -= height
    for label, images in grid.rows.items():
        y -= grid.cell_height
        _text(figure, 0.05, y + grid.cell_height / 2, label.replace(" ", "\n"), size=8)
        for left, image in zip(lefts, images[chosen], strict=True):
            axes = figure.add_axes(_box(figure, left, y, grid.cell, grid.cell_height))
            axes.set_axis_off()
            _draw_image(axes, image, grid.scale)
        y -= grid.GAP
    scores = [f"{score:.3g}" for score in grid.examples["image_score"][chosen]]
    _draw_line_of_text(figure, grid, y, "score", lefts, scores, grid.LINE)


def _draw_line_of_text(
    figure, grid: _Grid, y: float, label: str, lefts, words: list[str], height: float
):
    """Writes a word a column, in a line of this height below `y`; a long one in smaller type."""
    y -= height / 2
    _text(figure, 0.05, y, label, size=8)
    for left, word in zip(lefts, words, strict=True):
        longest = max(map(len, word.split("\n")))
        size = min(8, 72 * (grid.cell + grid.GAP) / (0.58 * longest))
        _text(figure, left + grid.cell / 2, y, word, size=size, ha="center")


def _draw_image(axes: Axes, image: np.ndarray, scale: tuple[float, float]):
    """Draws an image [H, W, C] in [0, 1], or an anomaly map [H, W] on the shared scale."""
    if image.ndim == 2:
        axes.imshow(image, cmap="magma", vmin=scale[0], vmax=scale[1], aspect="auto")
    elif image.shape[-1] == 1:
        axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=1, aspect="auto")
    else:
        axes.imshow(np.clip(image, 0, 1), aspect="auto")


def _draw_scale(figure: Figure, grid: _Grid):
    """The colour scale of the anomaly maps, at the foot of the figure."""
    low, high = (f"{value:.3g}" for value in grid.scale)
    left, width = grid.LABELS + 0.35, 1.6
    axes = figure.add_axes(_box(figure, left, 0.12, width, 0.09))
    axes.imshow(np.linspace(0, 1, 256)[None], cmap="magma", aspect="auto")
    axes.set_axis_off()
    _text(figure, 0.05, 0.165, "map scale", size=8)
    _text(figure, left - 0.06, 0.165, low, size=8, ha="right")
    _text(figure, left + width + 0.06, 0.165, f"{high} (more anomalous)", size=8)


def _box(figure: Figure, left: float, bottom: float, width: float, height: float):
    """A box in inches as the fractions that `add_axes` takes."""
    across, up = figure.get_size_inches()
    return (left / across, bottom / up, width / across, height / up)


def _text(figure: Figure, x: float, y: float, text: str, **style) -> float:
    """Writes text, its middle at `y` inches from the bottom; returns `y`."""
    across, up = figure.get_size_inches()
    figure.text(x / across, y / up, text, va="center_baseline", linespacing=1.1, **style)
    return y


def _rule(figure: Figure, y: float):
    height = figure.get_size_inches()[1]
    figure.add_artist(Line2D([0.01, 0.99], [y / height] * 2, color=INK, linewidth=1))
