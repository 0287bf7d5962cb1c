"""The audit finds a category whose kinds of images a plain statistic tells apart, and no other."""

import numpy as np
import pytest
from PIL import Image

from adjax.config.layout import check, new_config
from adjax.datasets import audit
from adjax.datasets.brightness import MedianTable, reference_median, to_median
from adjax.datasets.check import check_data, format_report
from adjax.datasets.layouts import read_index
from adjax.datasets.tables import Table
from adjax.datasets.tasks import create_task
from adjax.errors import UserError

SIZE = 16


def write_set(root, levels, count=12):
    """Images of noise around a grey level, by folder."""
    rng = np.random.default_rng(0)
    for folder, level in levels.items():
        (root / folder).mkdir(parents=True)
        for number in range(count):
            own = level + rng.normal(0, 3)
            image = np.clip(rng.normal(own, 10, (SIZE, SIZE)), 0, 255).astype(np.uint8)
            Image.fromarray(image).save(root / folder / f"{number}.png")
    return root


@pytest.fixture
def confounded(tmp_path):
    """Good test images are darker than the others."""
    return write_set(tmp_path, {"train/good": 120, "test/good": 80, "test/dent": 120})


@pytest.fixture
def sound(tmp_path):
    """All images are alike."""
    return write_set(tmp_path, {"train/good": 120, "test/good": 120, "test/dent": 120})


def task_of(root, normalise="none"):
    config = new_config("folder", "aesc_residual", changes={"data.size": SIZE})
    config.data.dir, config.data.normal_class, config.data.normalise = str(root), "", normalise
    return create_task(check(config).data)


def by_name(separations):
    return {(s.statistic, s.kinds): s for s in separations}


def test_a_lamp_is_found(confounded):
    separations = by_name(audit.audit(read_index("folder", str(confounded))))
    of_defects, of_splits = audit.KINDS
    assert separations["mean", of_defects].auroc == 1
    assert separations["mean", of_defects].is_confounding
    assert separations["mean", of_splits].auroc == 1
    assert not separations["deviation", of_defects].is_confounding
    assert len(separations) == len(audit.STATISTICS) * len(audit.KINDS)
    first, second = audit.describe(separations.values())
    assert "tells defective from good test images (AUROC 1.000)" in first
    assert "tells good test from training images" in second


def test_nothing_is_found_where_nothing_is(sound):
    separations = audit.audit(read_index("folder", str(sound)))
    assert all(0.5 <= separation.auroc <= audit.LIMIT for separation in separations)
    assert audit.describe(separations) == []
    assert task_of(sound).facts().keys() == {"doubts"}  # of the few images held out
    assert task_of(sound).controlled(np.zeros((1, SIZE, SIZE, 1), np.uint8)) is None


def test_few_images_are_not_compared(tmp_path):
    root = write_set(tmp_path, {"train/good": 120, "test/good": 80, "test/dent": 120}, count=2)
    separations = audit.audit(read_index("folder", str(root)))
    assert separations == ()
    assert "plain statistics" not in format_report(check_data(read_index("folder", str(root))))


def test_auroc_is_that_of_the_better_direction():
    value = audit._separation([(3.0,), (4.0,)], [(1.0,), (2.0,), (3.5,)], 0)
    assert value == pytest.approx(5 / 6)


def test_the_check_says_so(confounded):
    text = format_report(check_data(read_index("folder", str(confounded))))
    assert "confounded: the mean" in text
    assert "defective from good test: mean 1.000" in text


def test_an_image_that_cannot_be_read_is_told_by_the_check_alone(confounded):
    (confounded / "test" / "good" / "0.png").write_bytes(b"no image")
    report = check_data(read_index("folder", str(confounded)))
    assert report.has_problems
    assert audit.describe(report.audit)


def test_images_are_brought_to_the_median():
    image = np.random.default_rng(1).integers(20, 200, (3, 8, 8, 3), dtype=np.uint8)
    brought = to_median(image, 90.0)
    assert brought.dtype == np.uint8
    np.testing.assert_array_equal(np.median(brought, (1, 2, 3)), 90)
    np.testing.assert_array_equal(to_median(brought, 90.0), brought)
    desired = image[0] * (90 / np.median(image[0]))
    np.testing.assert_allclose(brought[0], np.clip(np.rint(desired), 0, 255), atol=1)


def test_black_images_stay_black():
    black = np.zeros((1, 4, 4, 1), np.uint8)
    np.testing.assert_array_equal(to_median(black, 90.0), black)


def test_a_program_brings_images_to_the_same():
    import jax
    import jax.numpy as jnp

    image = np.random.default_rng(2).integers(0, 256, (4, 9, 9, 1), dtype=np.uint8)
    within = jax.jit(lambda x: to_median(x, 101.5, jnp))(image)
    np.testing.assert_array_equal(within, to_median(image, 101.5))


def test_rows_of_files_are_brought_as_those_in_memory():
    image = np.random.default_rng(3).integers(0, 256, (5, 4, 4, 1), dtype=np.uint8)
    table = MedianTable(image, 77.0)
    assert (len(table), table.shape, table.dtype) == (5, image.shape, np.uint8)
    np.testing.assert_array_equal(table[np.array([3, 1])], to_median(image[[3, 1]], 77.0))


def test_the_reference_is_of_normal_images_alone():
    image = (
        np.full((4, 2, 2, 1), 10, np.uint8) * np.arange(1, 5, dtype=np.uint8)[:, None, None, None]
    )
    table = Table(image, np.array([0, 0, 0, 1]), ("good", "dent"))
    assert reference_median(table) == 20


def test_controlled_images_have_the_training_images_median(confounded):
    task = task_of(confounded)
    test = task.tested([{"seed": 0, "data.normal_class": ""}]).table.image
    controlled = task.controlled(test)
    training = np.median(task.training_table().image, (1, 2, 3))
    assert np.ptp(np.median(controlled, (1, 2, 3))) <= 1
    assert np.median(controlled) == pytest.approx(np.median(training), abs=1)
    assert len(task.facts()["confounded"]) == 2


def test_a_normalised_task_has_one_median_everywhere(confounded):
    task = task_of(confounded, "median")
    reference = task.facts()["reference_median"]
    for table in (task.training_table(), task.tested([{"seed": 0}]).table):
        np.testing.assert_allclose(np.median(table.image, (1, 2, 3)), reference, atol=0.5)
    assert task.controlled(table.image) is None


def test_another_normalisation_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"data\.normalise"):
        task_of(tmp_path, "mean")


def test_a_set_without_test_images_says_so(tmp_path):
    task = task_of(write_set(tmp_path, {"train/good": 120}))
    assert task.facts() == {"tests_held_out": True, "doubts": task.doubts()}
