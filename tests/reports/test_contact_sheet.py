"""The contact sheet says its rule, holds what its sliders need, and stays small."""

import base64
import json
import re
from html.parser import HTMLParser

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from adjax.reports.contact_sheet import _without_thresholds, write_contact_sheet
from adjax.reports.prediction_table import TableWriter

MOST_BYTES = 1_300_000  # of a page of 500 pictures; docs/cookbook.md names it


class _Controls(HTMLParser):
    """Inputs of a page and the ids that labels name; what stands in a label has one."""

    def __init__(self, text):
        super().__init__()
        self.inputs, self.named, self._labels = [], set(), 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "label":
            self._labels += 1
            self.named.add(attributes.get("for"))
        if tag in ("input", "select"):
            self.inputs.append(attributes | {"labelled": self._labels > 0})

    def handle_endtag(self, tag):
        self._labels -= tag == "label"


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_the_rule_stands_at_the_top(write_sheet):
    page = write_sheet().read_text()
    head = re.sub(r"<[^>]*>|\s+", " ", page.partition("<form")[0].partition("<main>")[2])
    assert "3 of 8 images are anomalous" in " ".join(head.split())
    assert "An image is anomalous if its score is at least 0.65" in " ".join(head.split())
    assert "in a normal one none is." in head
    assert "Photographs" in head
    assert "<footer>" not in page


def test_normal_images_have_no_mask(write_sheet):
    page = write_sheet().read_text()
    cards = re.findall(r'<li class="(\w+)".*?</li>', page, re.DOTALL)
    assert cards == ["anomalous"] * 3 + ["normal"] * 5
    for card in re.findall(r'<li class="normal".*?</li>', page, re.DOTALL):
        assert "masks/" not in card
        assert "%" not in card
    assert page.count('href="masks/') == 3


def test_a_page_holds_what_its_sliders_need(write_sheet):
    page = write_sheet().read_text()
    data = data_of(page)
    scores = np.frombuffer(base64.b64decode(data["scores"]), "<f4")
    np.testing.assert_allclose(scores, 0.9 - 0.1 * np.arange(8), rtol=1e-6)
    image = data["thresholds"]["image"]
    assert image["low"] <= scores.min() < image["value"] < scores.max() < image["high"]
    assert data["total"] == 8
    maps = re.findall(r'data-map="([^"]*)"', page)
    assert {len(base64.b64decode(text)) for text in maps} == {data["side"] ** 2} == {32**2}
    assert not re.search(r"https?://(?!www.w3.org/2000/svg)|@import|src=\"(?!thumbnails)", page)


def test_every_control_has_a_name(write_sheet):
    controls = _Controls(write_sheet().read_text())
    assert len(controls.inputs) == 2 * 2 + 4 + 1
    for one in controls.inputs:
        assert one["labelled"] or one.get("id") in controls.named or one.get("aria-label")


def test_thresholds_by_hand_are_told(write_sheet):
    page = write_sheet(by_hand=True).read_text()
    assert page.count("given by hand, not chosen on held-out images") == 2
    assert data_of(page)["thresholds"]["image"]["rule"] == data_of(page)["byHand"]


def test_a_page_of_500_pictures_is_small(write_sheet):
    page = write_sheet(images=501, unread=0)
    assert page.read_text().count("<li class=") == 500
    assert page.stat().st_size < MOST_BYTES


def test_without_any_score_there_is_nothing_to_move(write_sheet):
    page = write_sheet(images=0, unread=2).read_text()
    assert "0 of 0 images are anomalous" in re.sub("<[^>]*>", "", page)
    assert page.count("&lt;cut short&gt;") == 2
    assert "<form" not in page
    assert "<script" not in page


names = st.text(st.sampled_from("<>&\"'/ {}%#script-=é\u2028\udcff"), min_size=1, max_size=12)


@hypothesis.settings(deadline=None, max_examples=30)
@hypothesis.given(names)
def test_no_name_leaves_its_place(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("sheet")
    row = {
        "path": f"a{name}</script><b>",
        "image_score": 0.5,
        "threshold": 0.4,
        "threshold_rule": "quantile 0.95",
        "pixel_threshold": 0.1,
        "pixel_threshold_rule": "quantile",
        "decision": "anomalous",
        "error": f"{name}<img src=x>",
    }
    with TableWriter(folder / "predictions.csv") as table:
        table.write([row])
    page = write_contact_sheet(
        folder, {name: name}, command=f"launch '{name}</script>'" * ("'" not in name)
    )
    text = page.read_text()
    assert "<b>\n" not in text
    assert "<img" not in text
    assert text.count("</script>") == 2  # ours
    data_of(text)


@pytest.mark.parametrize(
    ("command", "desired"),
    [
        ("a --threshold=1 --workdir=w", "a --workdir=w"),
        ("a -threshold 1 --pixel_threshold=2 b", "a b"),
        ("a --images='x threshold'", "a '--images=x threshold'"),
        ("threshold", "threshold"),
        ("", ""),
    ],
)
def test_a_command_is_told_without_its_thresholds(command, desired):
    assert _without_thresholds(command) == desired
