"""Every photograph of a folder has its pictures and its row, or a row that says why not."""

import csv
import html
import json
import re
import types
from urllib.parse import unquote

import numpy as np
import pytest
from detector_helpers import forest, uncertain, write_photographs
from PIL import Image
from skimage.measure import label

from adjax import cli
from adjax.datasets.images import decode
from adjax.datasets.industrial import resize_image
from adjax.detect import overlays
from adjax.detect.detector import load_detector
from adjax.detect.pictures import areas
from adjax.detect.predict import predict
from adjax.errors import UserError
from adjax.reports import contact_sheet
from adjax.reports.prediction_table import COLUMNS


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photographs of several sizes and kinds, two of them damaged."""
    folder = tmp_path_factory.mktemp("photographs")
    write_photographs(folder / "line 1" / "today", 3)
    Image.new("L", (20, 90), 200).save(folder / "tall.png")
    Image.new("RGB", (20, 20), (200, 0, 0)).save(folder / "tall.JPG")
    Image.new("RGB", (300, 8), (0, 90, 0)).save(folder / "wide #1 & <b>\n.bmp")
    content = (folder / "line 1" / "today" / "000.png").read_bytes()
    (folder / "cut.png").write_bytes(content[:200])
    (folder / "empty.png").touch()
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").touch()
    return folder


@pytest.fixture(scope="module")
def prediction(folder):
    """The result of predict and the rows of its table; the output lies among the photographs."""
    for _ in range(2):  # the second time the output is there
        found = predict(uncertain(), folder, folder / "found", batch_size=3)
    with (folder / "found" / "predictions.csv").open(newline="") as file:
        return found, list(csv.DictReader(file))


def test_every_file_has_a_row_in_order(prediction):
    found, rows = prediction
    assert tuple(rows[0]) == COLUMNS
    assert [row["path"] for row in rows] == [
        "cut.png",
        "empty.png",
        "line 1/today/000.png",
        "line 1/today/001.png",
        "line 1/today/002.png",
        "tall.JPG",
        "tall.png",
        "wide #1 & <b>\n.bmp",
    ]
    anomalous = sum(row["decision"] == "anomalous" for row in rows)
    assert found[1:5] == (8, anomalous, 2, 1)
    assert found.images_per_second > 0
    assert found.model_images_per_second > 0
    assert rows[1]["error"].endswith("empty.png: the file is empty (0 bytes)")
    for row in rows[:2]:
        assert not any(row[name] for name in COLUMNS[1:-1])


def test_rows_are_what_the_detector_says(folder, prediction):
    detector = load_detector(uncertain())
    for row in prediction[1][2:]:
        photo = decode(folder / row["path"])
        found = detector.score(resize_image(photo, 32, 3)[None])
        assert float(row["image_score"]) == pytest.approx(found["image_score"][0], rel=1e-4)
        assert (row["decision"] == "anomalous") == found["is_anomalous"][0]
        assert np.float32(row["threshold"]) == np.float32(detector.image_threshold)
        assert np.float32(row["pixel_threshold"]) == np.float32(detector.pixel_threshold)
        assert (row["threshold_rule"], row["pixel_threshold_rule"]) == ("quantile 0.95", "quantile")
        is_anomalous = np.float32(row["image_score"]) >= np.float32(row["threshold"])
        assert (row["decision"] == "anomalous") == is_anomalous
        with Image.open(folder / "found" / row["mask"]) as written:
            assert written.size == photo.size
            mask = np.asarray(written)
        desired = overlays.stretched(found["mask"][0] & found["is_anomalous"][0], photo.size)
        np.testing.assert_array_equal(mask, desired)
        assert int(row["defect_pixels"]) == mask.sum()
        assert float(row["defect_area_percent"]) == pytest.approx(100 * mask.mean(), rel=1e-3)
        with Image.open(folder / "found" / row["heatmap"]) as heat:
            assert heat.size == photo.size
            assert heat.mode == "RGB"


def test_files_that_differ_in_extension_only_keep_it(prediction):
    names = {row["path"]: row["heatmap"] for row in prediction[1]}
    assert names["tall.JPG"] == "heatmaps/tall.JPG.png"
    assert names["tall.png"] == "heatmaps/tall.png.png"
    assert names["line 1/today/000.png"] == "heatmaps/line 1/today/000.png"


def test_contact_sheet_shows_the_most_anomalous_first(folder, prediction):
    text = (folder / "found" / "index.html").read_text()
    rows = [row for row in prediction[1] if not row["error"]]
    ordered = sorted(rows, key=lambda row: -float(row["image_score"]))
    links = [unquote(link) for link in re.findall(r'<li class="\w+"[^>]*><a href="([^"]*)"', text)]
    assert links == [row["heatmap"] for row in ordered]
    for link in re.findall(r'(?:href|src)="([^"]*)"', text):
        assert link == "data:," or (folder / "found" / unquote(link)).is_file(), link
    assert "<b>\n" not in text
    assert text.count("the file is empty") == 1
    assert html.escape(str(folder)) in text
    assert text.count("data-map=") == len(rows)


def test_sheet_of_many_goes_over_pages(folder, prediction, tmp_path, monkeypatch):
    (tmp_path / "predictions.csv").write_bytes((folder / "found" / "predictions.csv").read_bytes())
    monkeypatch.setattr(contact_sheet, "PER_PAGE", 4)
    first = contact_sheet.write_contact_sheet(tmp_path, {})
    assert first == tmp_path / "index.html"
    pages = [first.read_text(), (tmp_path / "index-2.html").read_text()]
    assert [page.count("<li class=") for page in pages] == [4, 2]
    assert 'start="5"' in pages[1]
    assert ["Not read" in page for page in pages] == [False, True]
    assert not (tmp_path / "index-3.html").exists()


def test_detector_that_was_fitted_predicts_too(folder, tmp_path):
    found = predict(forest(), folder / "line 1", tmp_path, batch_size=2)
    assert (found.images, found.failed) == (3, 0)
    detector = load_detector(forest())
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        photo = resize_image(decode(folder / "line 1" / row["path"]), 32, detector.channels)
        live = detector.score(photo[None])
        assert float(row["image_score"]) == pytest.approx(live["image_score"][0], rel=1e-5)
        assert (row["decision"] == "anomalous") == live["is_anomalous"][0]


def test_one_file_is_enough(folder, tmp_path):
    found = predict(uncertain(), folder / "tall.png", tmp_path / "a" / "b")
    assert found.images == 1
    assert (tmp_path / "a" / "b" / "masks" / "tall.png").is_file()


@pytest.mark.parametrize("size", [(8, 8), (100, 37), (5, 3), (8, 4)])
def test_areas_are_those_of_the_mask_written(size):
    mask = np.zeros((8, 8), bool)
    mask[0, 0] = mask[1, 1] = mask[4:7, 5] = mask[7, 0] = True
    written = overlays.stretched(mask, size)
    found = areas(mask, size)
    assert found["defect_pixels"] == written.sum()
    labels = label(written, connectivity=2)
    if min(size) >= 8:
        assert found["number_of_regions"] == labels.max() == 3
        assert found["largest_region_pixels"] == np.bincount(labels.ravel())[1:].max()


def test_nothing_found_is_an_area_of_zero():
    assert areas(np.zeros((8, 8), bool), (30, 20)) == {
        "defect_pixels": 0,
        "defect_area_percent": 0,
        "number_of_regions": 0,
        "largest_region_pixels": 0,
    }


def test_heat_begins_at_zero_and_regions_are_outlined():
    photo = Image.new("L", (40, 20), 100)
    anomaly_map = np.zeros((20, 40), np.float32)
    anomaly_map[5:15, 20:40] = 5
    heat = np.asarray(overlays.heat_map(photo, anomaly_map, anomaly_map > 1, 1.0))
    assert (heat[:, :19] == 100).all()
    rim = (heat == (0, 229, 255)).all(-1)
    assert rim[5:15, 20].all()
    assert rim[5, 20:40].all()
    assert not rim[6:14, 21:].any()  # the border of the photograph is no rim
    assert heat[10, 30].sum() > 500


def test_folder_without_images_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"--images=.*nowhere does not exist"):
        predict(uncertain(), tmp_path / "nowhere", tmp_path / "found")
    with pytest.raises(UserError, match="is the folder of the images: choose another"):
        predict(uncertain(), tmp_path, tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"holds no images \(\.png, "):
        predict(uncertain(), tmp_path, tmp_path / "found")
    assert not (tmp_path / "found").exists()


def test_verb_says_what_could_not_be_read(folder, tmp_path, capsys):
    flags = types.SimpleNamespace(
        mode="predict",
        config=None,
        workdir=str(uncertain()),
        images=str(folder / "empty.png"),
        output=str(tmp_path / "found"),
        member=0,
        threshold=None,
        pixel_threshold=None,
    )
    assert cli.predict(flags) == 1
    captured = capsys.readouterr()
    assert "0 images, 0 anomalous; " in captured.out
    *_, last = captured.err.splitlines()
    assert (
        last
        == "error: 1 images could not be read or drawn: see the column error of predictions.csv"
    )
    flags.images, flags.member = str(folder / "tall.png"), 1
    assert cli.predict(flags) == 0
    assert f"contact sheet: {tmp_path / 'found' / 'index.html'}" in capsys.readouterr().out
    assert ", member 1)" in (tmp_path / "found" / "index.html").read_text()
    with (tmp_path / "found" / "predictions.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    photo = resize_image(decode(folder / "tall.png"), 32, 3)[None]
    first, second = (load_detector(uncertain(), k).score(photo)["image_score"][0] for k in (0, 1))
    assert float(row["image_score"]) == pytest.approx(second, rel=1e-4)
    assert first != pytest.approx(second, rel=1e-2)


def test_thresholds_given_by_hand_decide_and_say_so(folder, prediction, tmp_path):
    scores = sorted(float(row["image_score"]) for row in prediction[1] if row["image_score"])
    command = "python launch.py --mode=predict --threshold=1 --pixel_threshold 2 --workdir=w"
    given = {"threshold": scores[2], "pixel_threshold": 1e-9, "command": command}
    found = predict(uncertain(), folder / "line 1", tmp_path, **given)
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert found.anomalous == sum(row["decision"] == "anomalous" for row in rows)
    for row in rows:
        assert np.float32(row["threshold"]) == np.float32(scores[2])
        assert {row["threshold_rule"], row["pixel_threshold_rule"]} == {"given by hand"}
        is_anomalous = float(row["image_score"]) >= np.float32(scores[2])
        assert row["decision"] == ("anomalous" if is_anomalous else "normal")
        assert (int(row["defect_pixels"]) > 0) == is_anomalous
    page = (tmp_path / "index.html").read_text()
    assert page.count("given by hand, not chosen on held-out images") == 2
    data = json.loads(re.search(r'id="data">(.*?)</script>', page)[1])
    assert data["command"] == "python launch.py --mode=predict --workdir=w"


@pytest.mark.parametrize("flag", ["threshold", "pixel_threshold"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_threshold_that_no_score_can_reach_is_refused(folder, tmp_path, flag, value):
    with pytest.raises(UserError, match=rf"^--{flag}=\S+: give a finite number"):
        predict(uncertain(), folder / "tall.png", tmp_path / "found", **{flag: value})
    assert not (tmp_path / "found").exists()
