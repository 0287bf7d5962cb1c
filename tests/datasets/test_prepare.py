"""Imports round-trip, refuse bad input in one line, and are atomic."""

import io
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds

from adjax.datasets import prepare
from adjax.datasets.prepare import import_dataset
from adjax.datasets.sources import read_source
from adjax.datasets.tables import load_table
from adjax.errors import UserError


def arrays(shape=(28, 28), classes=10):
    """A small set whose labels cover all classes."""
    rng = np.random.default_rng(0)
    return {
        "x_train": rng.integers(0, 256, (2 * classes, *shape), np.uint8),
        "y_train": np.arange(2 * classes) % classes,
        "x_test": rng.integers(0, 256, (classes, *shape), np.uint8),
        "y_test": np.arange(classes)[:, None],
    }


def write(path, **content):
    np.savez(path, **content)
    return str(path)


def assert_round_trip(name, data_dir, content):
    for split in ("train", "test"):
        table = load_table(name, split, data_dir)
        expected = content[f"x_{split}"]
        np.testing.assert_array_equal(table.image, expected.reshape(table.image.shape))
        np.testing.assert_array_equal(table.label, content[f"y_{split}"].reshape(-1))


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [
        ("fashion_mnist", (28, 28), 10),
        ("cifar10", (32, 32, 3), 10),  # has an example id too
        ("cifar100", (32, 32, 3), 100),  # has a coarse label too
        ("emnist/letters", (28, 28, 1), 37),  # has a TFDS config
    ],
)
def test_known_name_round_trips(tmp_path, name, shape, classes):
    content, data_dir = arrays(shape, classes), str(tmp_path / "data")
    folder = import_dataset(name, write(tmp_path / "a.npz", **content), data_dir)
    assert Path(folder).is_relative_to(data_dir)
    assert_round_trip(name, data_dir, content)
    label = tfds.load(name, data_dir=data_dir, download=False, split="test", batch_size=-1)["label"]
    np.testing.assert_array_equal(label.numpy(), content["y_test"].reshape(-1))


def test_known_name_keeps_its_class_names(tmp_path):
    import_dataset("fashion_mnist", write(tmp_path / "a.npz", **arrays()), str(tmp_path))
    assert load_table("fashion_mnist", "test", str(tmp_path)).class_names[1] == "Trouser"


def test_classes_of_cifar10_have_their_names(tmp_path):
    import_dataset("cifar10", write(tmp_path / "a.npz", **arrays((32, 32, 3))), str(tmp_path))
    assert load_table("cifar10", "test", str(tmp_path)).class_names[8] == "ship"


def test_unknown_name_round_trips(tmp_path):
    content = arrays((9, 7, 3), 4) | {"class_names": np.array(["a", "b", "c", "d"])}
    folder = import_dataset("my_parts", write(tmp_path / "a.npz", **content), str(tmp_path))
    assert_round_trip("my_parts", str(tmp_path), content)
    assert load_table("my_parts", "train", str(tmp_path)).class_names == ("a", "b", "c", "d")
    assert tfds.builder_from_directory(folder).info.splits["train"].num_examples == 8


def test_unknown_name_without_class_names(tmp_path):
    import_dataset("my_parts", write(tmp_path / "a.npz", **arrays((5, 5), 3)), str(tmp_path))
    assert load_table("my_parts", "train", str(tmp_path)).class_names == ("0", "1", "2")


def bad(**changes):
    """Return the good arrays with keys replaced, or removed where None."""
    return {key: value for key, value in (arrays() | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("fashion_mnist", bad(y_test=None), "a.npz has no y_test: it must hold x_train"),
        ("fashion_mnist", bad(x_test=np.zeros((10, 28, 28))), "x_test is float64 of shape"),
        ("fashion_mnist", bad(x_test=np.zeros((0, 28, 28), np.uint8)), "and not empty"),
        ("fashion_mnist", bad(x_test=np.zeros((10, 28), np.uint8)), r"must be uint8 \[N, H, W\]"),
        ("fashion_mnist", bad(y_test=np.zeros(10)), "y_test is float64 of shape"),
        ("fashion_mnist", bad(y_test=np.zeros((10, 2), int)), "it must be integers"),
        ("fashion_mnist", bad(y_test=np.zeros(9, int)), "x_test has 10 images but y_test has 9"),
        ("fashion_mnist", bad(y_test=np.full(10, -1)), "y_test holds the label -1"),
        ("fashion_mnist", bad(y_test=np.full(10, 10)), "y_test holds the label 10 but .* 0 to 9"),
        ("fashion_mnist", arrays((28, 28, 3)), r"x_train are \(28, 28, 3\) but .* \(28, 28, 1\)"),
        ("fashion_mnist", arrays((3, 28, 28)), "28 channels .* it must have 1 or 3, in the last"),
        ("mine", bad(x_test=np.zeros((10, 9, 9), np.uint8)), "but those of x_test are"),
        ("mine", bad(class_names=np.array(["a", "b"])), "y_train holds the label 9 but .* 0 to 1"),
        ("mine", bad(class_names=np.array(["a", "a"])), "class_names must be different strings"),
        ("fashion_mnist", bad(class_names=np.array(["a"])), "class_names do not fit fashion_mnist"),
        ("mine", bad(y_test=np.array([None] * 10)), "as an .npz of plain arrays"),
        ("mine/config", arrays(), "a new name has no /config"),
        ("emnist/nonsense", arrays(), "dataset 'emnist/nonsense'"),
        ("Not A Name", arrays(), "must be snake case"),
        ("mvtec_ad/bottle", arrays(), "read where they lie, give --config.data.dir=FOLDER"),
        ("folder", arrays(), "'folder' needs no preparation"),
        ("coco", arrays(), "is not an image-classification set"),
        ("cats_vs_dogs", arrays(), "only uint8 images of one fixed size"),
    ],
)
def test_refuses_in_one_line(tmp_path, name, content, message):
    data_dir = tmp_path / "data"
    with pytest.raises(UserError, match=message) as caught:
        import_dataset(name, write(tmp_path / "a.npz", **content), str(data_dir))
    assert "\n" not in str(caught.value)
    assert not data_dir.exists()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut off", None])
def test_refuses_a_file_that_is_no_npz(tmp_path, content):
    path = tmp_path / "a.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"cannot read|is not a file"):
        import_dataset("mine", str(path), str(tmp_path))


def test_refuses_a_single_array(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(UserError, match="cannot read"):
        import_dataset("mine", str(tmp_path / "a.npy"), str(tmp_path))


def test_refuses_to_overwrite(tmp_path):
    source = write(tmp_path / "a.npz", **arrays())
    import_dataset("mine", source, str(tmp_path))
    with pytest.raises(UserError, match="already prepared: delete"):
        import_dataset("mine", source, str(tmp_path))


def test_refuses_a_data_dir_that_is_a_file(tmp_path):
    source = write(tmp_path / "a.npz", **arrays())
    with pytest.raises(UserError, match="cannot write dataset 'mine' to"):
        import_dataset("mine", source, source)


def test_failed_import_leaves_nothing(tmp_path, monkeypatch):
    source = write(tmp_path / "a.npz", **arrays())

    def interrupted(source, split, features):
        yield 0, {"image": source.image[split][0], "label": 0}
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(prepare, "_examples", interrupted)
        with pytest.raises(KeyboardInterrupt):
            import_dataset("fashion_mnist", source, str(tmp_path))
    with pytest.raises(UserError, match="not prepared"):
        load_table("fashion_mnist", "train", str(tmp_path))
    assert list((tmp_path / "fashion_mnist").iterdir()) == []
    import_dataset("fashion_mnist", source, str(tmp_path))


def test_killed_import_does_not_load(tmp_path):
    source = write(tmp_path / "a.npz", **arrays())
    folder = import_dataset("fashion_mnist", source, str(tmp_path))
    os.rename(folder, Path(folder).parent / "incomplete.A1B2C3_3.0.1")  # all but the last rename
    with pytest.raises(UserError, match="not prepared"):
        load_table("fashion_mnist", "train", str(tmp_path))
    import_dataset("fashion_mnist", source, str(tmp_path))
    assert load_table("fashion_mnist", "train", str(tmp_path)).label.shape == (20,)


@pytest.fixture
def online(monkeypatch):
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: [])


def test_without_network_a_file_is_asked_for_at_once(tmp_path, monkeypatch):
    def unknown(*_):
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", pytest.fail)
    with pytest.raises(UserError, match=r"no way to \S+: give .* --source=FILE\.npz"):
        import_dataset("kmnist", "", str(tmp_path / "data"))
    assert not (tmp_path / "data").exists()


def test_download_says_how_to_do_without(tmp_path, monkeypatch, capsys, online):
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", lambda _: None)
    import_dataset("kmnist", "", str(tmp_path))
    assert "--source=FILE.npz" in capsys.readouterr().err


def test_download_failure_says_what_to_do(tmp_path, monkeypatch, online):
    def offline(self):
        raise OSError("no route to host\nand more")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", offline)
    with pytest.raises(UserError, match=r"\(no route to host\): give .* --source=FILE") as caught:
        import_dataset("kmnist", "", str(tmp_path))
    assert "\n" not in str(caught.value)


def test_download_of_an_unknown_name(tmp_path):
    with pytest.raises(UserError, match="TFDS knows no dataset 'mine' to download"):
        import_dataset("mine", "", str(tmp_path))


def test_download_lets_tfds_prepare(tmp_path, monkeypatch, online):
    calls = []
    monkeypatch.setattr(
        tfds.core.DatasetBuilder, "download_and_prepare", lambda builder: calls.append(builder)
    )
    assert import_dataset("kmnist", "", str(tmp_path)) == str(tmp_path / "kmnist" / "3.0.1")
    assert [builder.name for builder in calls] == ["kmnist"]


def sheets(**changes):
    """CIFAR-10 sheets, all equal: tile n is at column n // 50, row n % 50 and has n in it."""
    image_module = pytest.importorskip("PIL.Image")
    tile = np.arange(1000)
    values = np.stack([tile // 256, tile % 256, tile % 7], -1).astype(np.uint8)
    grid = values.reshape(20, 50, 3).transpose(1, 0, 2)
    buffer = io.BytesIO()
    image_module.fromarray(grid.repeat(32, 0).repeat(32, 1)).save(buffer, "webp", lossless=True)
    encoded = np.frombuffer(buffer.getvalue(), np.uint8)
    content = {f"sheet_{index:02d}": encoded for index in range(60)}
    content |= {"y_train": np.arange(50_000) % 10, "y_test": np.arange(10_000) % 10} | changes
    return {key: value for key, value in content.items() if value is not None}


def test_sheets_are_cut_down_the_columns(tmp_path):
    source = read_source(write(tmp_path / "a.npz", **sheets()))
    assert source.image["train"].shape == (50_000, 32, 32, 3)
    assert source.image["test"].shape == (10_000, 32, 32, 3)
    number = source.image["test"][:, 16, 16].astype(int)
    np.testing.assert_array_equal(number[:, 0] * 256 + number[:, 1], np.arange(10_000) % 1000)
    assert source.class_names[8] == "ship"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sheet_07": None}, "has no sheet_07"),
        ({"sheet_00": np.zeros(9, np.uint8)}, "sheet_00 is not an image that this Pillow"),
    ],
)
def test_damaged_sheets(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        import_dataset("cifar10", write(tmp_path / "a.npz", **sheets(**changes)), str(tmp_path))


def test_sheet_of_another_size(tmp_path):
    image_module = pytest.importorskip("PIL.Image")
    buffer = io.BytesIO()
    image_module.new("RGB", (32, 32)).save(buffer, "webp")
    wrong = np.frombuffer(buffer.getvalue(), np.uint8)
    with pytest.raises(UserError, match=r"sheet_00 is an image of shape \(32, 32, 3\)"):
        import_dataset(
            "cifar10", write(tmp_path / "a.npz", **sheets(sheet_00=wrong)), str(tmp_path)
        )


def test_sheets_need_pillow(tmp_path, monkeypatch):
    source = write(tmp_path / "a.npz", sheet_00=np.zeros(9, np.uint8))
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UserError, match="pip install pillow"):
        import_dataset("cifar10", source, str(tmp_path))


@pytest.mark.slow
def test_real_cifar10(tmp_path, repository):
    outside = Path(os.environ.get("ADJAX_DATA_DIR") or repository.parent / "shared" / "data")
    source = outside / "cifar10" / "cifar10_webp.npz"
    if not source.is_file():
        pytest.skip("no CIFAR-10 sheets: set ADJAX_DATA_DIR to the folder of outside data")
    if shutil.disk_usage(tmp_path).free < 1 << 30:
        pytest.skip("less than 1 GiB free for the imported CIFAR-10")
    import_dataset("cifar10", str(source), str(tmp_path))
    expected = read_source(source)
    for split, count in (("train", 5000), ("test", 1000)):
        table = load_table("cifar10", split, str(tmp_path))
        assert np.bincount(table.label).tolist() == [count] * 10
        assert table.class_names[0] == "airplane"
        np.testing.assert_array_equal(table.image, expected.image[split])
