"""The gallery shows what a student would be shown."""

import matplotlib.image
import numpy as np
import pytest

from adjax import experiment
from adjax.errors import UserError
from adjax.gallery import IMAGES, auxiliary_gallery, first_images, write_gallery
from adjax.run import prepare
from configs import classes, folder, mnist


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """`(config, workdir)` of a trained autoencoder."""
    config = mnist.get_config("oe_sdn_fast,smoke")
    directory = tmp_path_factory.mktemp("run")
    experiment.train_and_evaluate(config, directory)
    return config, directory


def test_sets_are_images_of_the_config(run):
    config, directory = run
    run = prepare(config, directory)
    sets = auxiliary_gallery(run.settings, run.population)
    assert set(sets) == {"normal", "uniform_rotation", *classes.TABLE3}
    for images in sets.values():
        assert images.shape == (IMAGES, 28, 28, 1)
        assert images.min() >= 0
        assert images.max() <= 1
    np.testing.assert_array_equal(sets["vertical_flip"], sets["normal"][:, ::-1])
    change = np.abs(sets["adversarial_noise"] - sets["normal"])
    assert change.max() == pytest.approx(config.auxiliary.adversarial_noise.eps, abs=1e-6)
    assert len({images.tobytes() for images in sets.values()}) == len(sets)


def test_gallery_is_a_picture(run, tmp_path):
    path = write_gallery(run[1], tmp_path / "new" / "gallery.png")
    height, width, _ = matplotlib.image.imread(path).shape
    assert width == 1000
    assert height > 800


def test_unfinished_run_is_refused(run, tmp_path):
    (tmp_path / "config.json").write_bytes((run[1] / "config.json").read_bytes())
    with pytest.raises(UserError, match="stage teacher stopped at step 0 of 20"):
        write_gallery(tmp_path, tmp_path / "gallery.png")
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize("argument", ["aesc_residual,smoke", "aesc_residual,texture,smoke"])
def test_without_a_teacher_corruptions_are_drawn(tmp_path, argument):
    """Nothing needs to be trained; textures are trained on by crops."""
    generator = np.random.default_rng(0)
    for number in range(10):
        pixels = generator.integers(0, 256, (70, 80, 3), np.uint8)
        matplotlib.image.imsave(tmp_path / f"{number}.png", pixels)
    config = folder.get_config(argument)
    config.data.update(dir=str(tmp_path), size=40, patch=32 if config.data.patch else 0)
    config.mesh.data = 1
    run = prepare(config, tmp_path / "run")
    path = write_gallery(run.folder, tmp_path / "gallery" / "corruptions.png")
    height, width, _ = matplotlib.image.imread(path).shape
    assert width == 1000
    assert height == pytest.approx(92.5 * (1 + len(config.corruption)), abs=2)
    images = first_images(run.population)
    assert images.shape == (IMAGES, *run.population.images.shape)
    assert images.dtype == np.uint8
    assert images.std() > 10


def test_method_with_neither_is_refused(tmp_path):
    config = mnist.get_config("ocsvm,smoke")
    prepare(config, tmp_path)
    with pytest.raises(UserError, match="ocsvm has no auxiliary sets and no corruptions"):
        write_gallery(tmp_path, tmp_path / "gallery.png")
