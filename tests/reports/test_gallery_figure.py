"""The figure of auxiliary sets: a named row a set, an image a column, in grey and colour."""

import numpy as np
import pytest

from adjax.reports.gallery import gallery_figure


@pytest.mark.parametrize("channels", [1, 3])
def test_rows_are_the_sets_in_order(channels):
    images = np.random.default_rng(0).random((2, 3, 8, 8, channels), np.float32)
    figure = gallery_figure({"normal": images[0], "svd_blurring": images[1]})
    assert [text.get_text() for axes in figure.axes for text in axes.texts] == [
        "normal",
        "SVD blurring",
    ]
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    desired = np.broadcast_to(images, (2, 3, 8, 8, 3)).reshape(6, 8, 8, 3)
    np.testing.assert_array_equal(shown, desired)
