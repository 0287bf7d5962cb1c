"""The figure of auxiliary sets: images in columns, what each set makes of them in rows."""

import numpy as np
from matplotlib.figure import Figure

from adjax.reports.names import auxiliary_name
from adjax.reports.style import WIDTH


def gallery_figure(sets: dict[str, np.ndarray]) -> Figure:
    """One row a set, named at its left: images `[K, H, W, C]` in [0, 1], K the same for all."""
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
        text = auxiliary_name(name)
        row[0].text(-0.1, 0.5, text, transform=row[0].transAxes, ha="right", va="center")
    return figure
