"""Whatever is wrong with one photograph costs its row, and what is wrong with all is told first."""

import csv
import errno
import os
import re
import threading
import types

import numpy as np
import pytest
from PIL import Image

from adjax import cli
from adjax.datasets import memory
from adjax.detect import overlays, pictures
from adjax.detect import predict as prediction
from adjax.errors import UserError
from adjax.reports import prediction_table

SIZE = 8


class FakeDetector:
    """Scores by brightness; dark images have the scores that `dark` says."""

    image_size, channels = SIZE, 3
    pixel_threshold, image_threshold = 0.5, 0.5

    def __init__(self, bits=0, dark=0.0, score=None):
        data = types.SimpleNamespace(bits=bits, normal_class="", name="folder")
        self.settings = types.SimpleNamespace(
            data=data,
            method="fake",
            members=(),
            evaluation=types.SimpleNamespace(batch_size=2),
            threshold=types.SimpleNamespace(rule="k_sigma"),
        )
        self.image_threshold_rule, self.pixel_threshold_rule = "quantile 0.95", "k_sigma"
        self.bits, self.dark, self.calls, self._score = bits, dark, 0, score

    def require_thresholds(self):
        """It has them."""

    def score_batch(self, image):
        self.calls += 1
        if self._score:
            self._score(self.calls)
        anomaly_map = image.mean(-1) / np.float32(255)
        score = anomaly_map.mean((1, 2))
        score = np.where(score == 0, np.float32(self.dark), score)
        return {
            "anomaly_map": anomaly_map,
            "image_score": score,
            "mask": anomaly_map >= 0.5,
            "is_anomalous": score >= 0.5,
        }


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Predict with a fake detector; returns the summary and the rows by path."""

    def run(images, detector=None, output=None, **options):
        detector = detector or FakeDetector()
        monkeypatch.setattr(prediction, "load_detector", lambda *_: detector)
        output = output or tmp_path / "found"
        found = prediction.predict("run", images, output, **options)
        return found, rows_of(output)

    return run


def rows_of(output):
    rows = (row for _, row in prediction_table.read_rows(output / "predictions.csv"))
    return {row["path"]: row for row in rows}


def write(path, size=(20, 10), value=200, mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, (value,) * 3 if mode == "RGB" else value).save(path)
    return path


def test_extreme_proportions_are_drawn(run, tmp_path):
    sizes = [(1, 1), (1, 30_000), (30_000, 1), (3, 9_000), (9_000, 5)]
    for size in sizes:
        write(tmp_path / "images" / f"{size[0]}x{size[1]}.png", size)
    found, rows = run(tmp_path / "images")
    assert (found.images, found.failed, found.anomalous) == (5, 0, 5)
    for size in sizes:
        row = rows[f"{size[0]}x{size[1]}.png"]
        for kind in ("heatmap", "mask"):
            with Image.open(tmp_path / "found" / row[kind]) as picture:
                assert picture.size == size
        assert int(row["defect_pixels"]) == size[0] * size[1]


def test_strips_change_nothing(monkeypatch):
    random = np.random.default_rng(0)
    photo = Image.fromarray(random.integers(0, 256, (90, 700, 3), np.uint8))
    anomaly_map = random.random((SIZE, SIZE), np.float32)
    drawn = []
    for at_once in (1, 5_000, 10**6):
        monkeypatch.setattr(overlays, "_PIXELS_AT_ONCE", at_once)
        drawn.append(np.asarray(overlays.heat_map(photo, anomaly_map, anomaly_map > 0.5, 0.5)))
    np.testing.assert_array_equal(drawn[0], drawn[2])
    np.testing.assert_array_equal(drawn[1], drawn[2])


def folder_of_its_name(output, _):
    (output / "heatmaps" / "b.png").mkdir(parents=True)


def file_where_its_folder_goes(output, _):
    (output / "masks").mkdir(parents=True)
    (output / "masks" / "sub").touch()


def raising(error):
    return lambda _, patch: patch(error)


# What can go wrong while the pictures of `b.png` are made.
FAILURES = {
    "a folder of its name": folder_of_its_name,
    "a file where its folder goes": file_where_its_folder_goes,
    "no memory": raising(MemoryError()),
    "a full disk": raising(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
    "an error of two lines": raising(RuntimeError("two\nlines")),
    "a stack too deep": raising(RecursionError("too deep")),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_costs_one_row(run, tmp_path, monkeypatch, failure):
    images, output = tmp_path / "images", tmp_path / "found"
    bad = "sub/b.png" if failure == "a file where its folder goes" else "b.png"
    for number, name in enumerate(["a.png", bad, "c.png", "d.png", "e.png"]):
        write(images / name, value=50 * number)
    whole = overlays.heat_map

    def patch(error):
        def heat_map(photo, *rest):
            if photo.getpixel((0, 0)) == (50, 50, 50):
                raise error
            return whole(photo, *rest)

        monkeypatch.setattr(overlays, "heat_map", heat_map)

    FAILURES[failure](output, patch)
    found, rows = run(images)
    assert list(rows) == sorted(rows)
    assert len(rows) == 5
    assert (found.images, found.failed, found.scored, found.anomalous) == (5, 1, 5, 2)
    row = rows.pop(bad)
    assert str(images / bad) in row["error"]
    assert "\n" not in row["error"]
    assert float(row["image_score"]) == pytest.approx(50 / 255, rel=1e-4)  # it is known
    assert row["decision"] == "normal"
    assert not row["heatmap"]
    for name, good in rows.items():
        assert not good["error"], name
        assert (output / good["heatmap"]).is_file()
        assert (output / good["mask"]).is_file()
    page = (output / "index.html").read_text()
    assert page.count("<canvas ") == 4
    assert page.count("no pictures") == page.count("Not read or not drawn") == 1
    assert "<dd>5 scored</dd>" in page


def test_files_that_cannot_be_read_cost_their_rows(run, tmp_path, monkeypatch):
    images = tmp_path / "images"
    write(images / "a.png")
    write(images / "z.png")
    (images / "cut.png").write_bytes((images / "a.png").read_bytes()[:50])
    (images / "gone.png").symlink_to("nowhere")
    os.mkfifo(images / "pipe.png")
    whole = prediction.resize_image

    def resize(image, *rest):
        if image.size == (3, 3):
            raise MemoryError
        return whole(image, *rest)

    write(images / "memory.png", (3, 3))
    monkeypatch.setattr(prediction, "resize_image", resize)
    found, rows = run(images)
    assert (found.images, found.failed, found.scored, found.anomalous) == (6, 4, 2, 2)
    for name, reason in {
        "cut.png": "cut.png: damaged image",
        "gone.png": "gone.png: No such file",
        "pipe.png": "pipe.png: it is no file",
        "memory.png": "memory.png: MemoryError",
    }.items():
        assert reason in rows[name]["error"]
        assert not any(rows[name][column] for column in prediction_table.COLUMNS[1:-1])


@pytest.mark.parametrize("dark", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_decide_nothing(run, tmp_path, dark):
    for name, value in {"a": 200, "b": 0, "c": 100}.items():
        write(tmp_path / "images" / f"{name}.png", value=value)
    found, rows = run(tmp_path / "images", FakeDetector(dark=dark))
    assert (found.anomalous, found.failed) == (1, 1)
    assert "b.png: its scores are not finite" in rows["b.png"]["error"]
    assert not rows["b.png"]["decision"]


def test_what_is_scored_stays_if_the_detector_fails(run, tmp_path):
    for number in range(7):
        write(tmp_path / "images" / f"{number}.png")

    def fail(call):
        if call == 6:  # four measure its rate, the second batch is the next but one
            raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        run(tmp_path / "images", FakeDetector(score=fail))
    rows = rows_of(tmp_path / "found")
    assert list(rows) == ["0.png", "1.png"]
    assert all(row["heatmap"] for row in rows.values())


def blocked(output, name):
    """Make a file where a folder is needed, or a folder where a file is."""
    path = output / name if name else output
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir() if "." in name else path.touch()


@pytest.mark.parametrize(
    "name", ["", "heatmaps", "masks", "thumbnails", "predictions.csv", "index.html"]
)
def test_a_folder_that_cannot_be_written_is_refused_first(tmp_path, monkeypatch, name):
    write(tmp_path / "images" / "a.png")
    blocked(tmp_path / "found", name)

    def load(*_):
        raise AssertionError("a detector was loaded")

    monkeypatch.setattr(prediction, "load_detector", load)
    with pytest.raises(UserError, match=r"^cannot write to --output=.*(is no folder|is a folder)$"):
        prediction.predict("run", tmp_path / "images", tmp_path / "found")


def test_below_a_file_or_without_permission_is_refused_first(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file is no folder$"):
        pictures.check_output(tmp_path / "file" / "deep" / "found")
    (tmp_path / "found").symlink_to("nowhere")
    with pytest.raises(UserError, match=r"found is no folder$"):
        pictures.check_output(tmp_path / "found")
    closed = tmp_path / "closed"
    closed.mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: closed != path)
    for output in (closed, closed / "new" / "one"):
        with pytest.raises(UserError, match=r"closed may not be written$"):
            pictures.check_output(output)
    pictures.check_output(tmp_path / "new")


def test_a_page_that_cannot_be_written_leaves_the_table(run, tmp_path, monkeypatch):
    write(tmp_path / "images" / "a.png")

    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(prediction, "write_contact_sheet", refuse)
    with pytest.raises(UserError, match=r"cannot write to --output=.*Permission denied"):
        run(tmp_path / "images")
    assert rows_of(tmp_path / "found")["a.png"]["heatmap"]


def test_a_second_prediction_scores_the_same_files(run, tmp_path):
    images = tmp_path / "images"
    for name in ("a.png", "a.jpg", "a.png.bmp", "b/c.png"):
        write(images / name)
    first = run(images, output=images / "one")
    second = run(images, output=images / "two")
    third = run(images, output=images / "one")
    assert [list(rows) for _, rows in (first, second, third)] == [
        ["a.jpg", "a.png", "a.png.bmp", "b/c.png"]
    ] * 3
    assert [found.notes for found, _ in (first, second, third)] == [
        (),
        ("pictures of earlier predictions: one/heatmaps, one/masks and one/thumbnails",),
        (
            "pictures of earlier predictions: one/heatmaps, one/masks, one/thumbnails, "
            "two/heatmaps, two/masks and 1 more",
        ),
    ]
    for _, rows in (first, second, third):
        assert len({row["heatmap"] for row in rows.values()}) == len(rows)
    assert "earlier predictions" in (images / "one" / "index.html").read_text()


def test_names_are_no_formulas(run, tmp_path):
    names = ["=1+1.png", "+a.png", "-b.png", "@c.png", "\td.png", "'=e.png", "f.png"]
    for name in names:
        write(tmp_path / "images" / name)
    _, rows = run(tmp_path / "images")
    assert sorted(rows) == sorted(names)
    with (tmp_path / "found" / "predictions.csv").open(newline="") as file:
        cells = [row["path"] for row in csv.DictReader(file)]
    assert sorted(cell.removeprefix("'") for cell in cells) == sorted(names)
    assert not [cell for cell in cells if re.match(r"[=+\-@\t\r]", cell)]
    page = (tmp_path / "found" / "index.html").read_text()
    assert "thumbnails/%3D1%2B1.jpg" in page
    assert ">=1+1.png<" in page


def test_deep_photographs_are_read_as_the_run_says(run, tmp_path):
    deep = np.full((10, 20), 4095, np.uint16)
    for name in ("a", "b"):
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(deep).save(tmp_path / "images" / f"{name}.png")
    found, rows = run(tmp_path / "images")
    assert found.notes == (
        "all 2 images of 16 bits use only the lowest 12: at most 17 of 256 grey levels are left, "
        "nearly black; --config.data.bits=12 scales by those",
    )
    assert float(rows["a.png"]["image_score"]) == pytest.approx(16 / 255, rel=1e-4)
    Image.fromarray(deep + np.uint16(1)).save(tmp_path / "images" / "b.png")
    found, rows = run(tmp_path / "images", FakeDetector(bits=12))
    assert float(rows["a.png"]["image_score"]) == 1
    assert rows["b.png"]["error"].endswith(
        "grey level of 4096, beyond the 4095 of config.data.bits=12"
    )
    assert (found.notes, found.failed) == ((), 1)
    with Image.open(tmp_path / "found" / rows["a.png"]["heatmap"]) as heat:
        assert heat.convert("L").getextrema()[1] > 100


def test_photographs_in_flight_are_bounded_in_bytes(run, tmp_path, monkeypatch):
    side = 40
    for number in range(12):
        write(tmp_path / "images" / f"{number}.png", (side, side))
    lock, now, most = threading.Lock(), [0], [0]
    whole_decode, whole_draw = prediction.decode_with_facts, overlays.heat_map

    def counted(function):
        def call(*arguments):
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            try:
                return function(*arguments)
            finally:
                with lock:
                    now[0] -= 1

        return call

    monkeypatch.setattr(prediction, "decode_with_facts", counted(whole_decode))
    monkeypatch.setattr(overlays, "heat_map", counted(whole_draw))
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr(memory, "_BUDGET", memory.Budget(2 * side**2 * memory.READING + 1000))
    found, _ = run(tmp_path / "images", batch_size=6)
    assert found.failed == 0
    assert 1 <= most[0] <= 2


def test_verb_prints_notes(tmp_path, monkeypatch, capsys):
    done = prediction.Prediction(tmp_path, 3, 1, 0, 0, 1.0, 1.0, 3, ("hidden: .a.png",))
    monkeypatch.setattr(prediction, "predict", lambda *_, **__: done)
    flags = types.SimpleNamespace(
        mode="predict",
        config=None,
        workdir="run",
        images="x",
        output="y",
        member=0,
        threshold=None,
        pixel_threshold=None,
    )
    assert cli.predict(flags) == 0
    assert "note: hidden: .a.png\n" in capsys.readouterr().out
