import os
import re
from html.parser import HTMLParser

import pytest

from adjax.errors import UserError
from adjax.reports import read_sweep, write_report, write_sweep_report

VOID = {"meta", "link", "img", "input"}


class _Outline(HTMLParser):
    """The elements of a page; closing tags must match the open ones."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def report(write_workdir):
    return write_report(write_workdir(command="python launch.py --workdir=runs/x")).read_text()


def test_the_page_is_well_formed_and_accessible(report):
    outline = _Outline(report)
    assert outline.all("html") == [{"lang": "en"}]
    assert outline.all("meta")[1]["name"] == "viewport"
    assert len(outline.all("h1")) == 1
    images = outline.all("img")
    assert len(images) == len({image["alt"] for image in images}) == 4
    assert len(outline.all("figcaption")) == 4
    assert all(cell["scope"] for cell in outline.all("th"))
    boxes = [box for box in outline.all("div") if box.get("class") == "scroll"]
    assert boxes
    assert all(box["tabindex"] == "0" and box["aria-label"] for box in boxes)


def test_the_page_stands_alone(report):
    outline = _Outline(report)
    addresses = [a.get("src") or a.get("href") for _, a in outline.elements]
    assert all(address.startswith("data:") for address in addresses if address)
    assert not re.search(r"https?://|url\(|@import|<script", report)


def test_the_page_says_what_was_run_and_how_it_compares(report):
    assert "<h1>OE-SDN on MNIST, class 3</h1>" in report
    assert "Trained on images of class 3 alone with seed 0" in report
    assert "<dt>in the paper</dt><dd>0.974</dd>" in report
    assert re.search("<dt>difference</dt><dd>[+\N{MINUS SIGN}]0[.][0-9]{3}</dd>", report)
    assert "python launch.py --workdir=runs/x" in report
    assert "marked [D] in docs/methods.md" in report
    assert "2.30</td><td>61.0</td><td>1.0%" in report
    assert "&lt;b&gt;" in report  # of the config
    assert "<summary>Config ab12cd34</summary>" in report


def test_the_page_names_another_auxiliary_set(write_workdir):
    page = write_report(write_workdir(config={"student.auxiliary": "shearing"})).read_text()
    assert "<h1>OE-SDN with shearing on MNIST, class 3</h1>" in page
    assert "in the paper" not in page


def test_a_population_is_headed_by_its_mean(write_workdir):
    page = write_report(write_workdir(members=((3, 0), (8, 0)))).read_text()
    assert "<h1>OE-SDN on MNIST, classes 3 and 8</h1>" in page
    assert "image AUROC, mean over 2 members" in page
    assert f"<dd>{(0.974 + 0.921) / 2:.3f}</dd>" in page


def test_a_page_is_the_same_bytes_twice(write_workdir):
    workdir = write_workdir()
    assert write_report(workdir).read_bytes() == write_report(workdir).read_bytes()


def test_absent_parts_are_left_out(write_workdir):
    results = {"stages": [], "throughput": {}, "versions": {}, "hardware": {}}
    workdir = write_workdir(method="vae", **results)
    (workdir / "metrics.jsonl").write_text("")
    page = write_report(workdir).read_text()
    assert "in the paper" not in page
    assert "<h2>Time</h2>" not in page
    assert "To repeat it" not in page
    assert len(_Outline(page).all("img")) == 3


def test_cached_stages_say_so(write_workdir):
    stage = {"name": "teacher", "steps": 10, "cached": True}
    page = write_report(write_workdir(stages=[stage])).read_text()
    assert "teacher (cached)" in page
    assert "taken from an earlier run" in page
    assert "GFLOP" not in page


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"results\.json is missing"):
        write_report(tmp_path)


def test_a_sweep_page_joins_its_runs(write_workdir, tmp_path):
    for method in ("oe_sdn", "sdn", "ae"):
        write_workdir(f"sweep/{method}", method, command="python launch.py --mode=sweep")
    path = write_sweep_report(read_sweep(tmp_path / "sweep"))
    assert path == tmp_path / "sweep" / "report.html"
    page = path.read_text()
    outline = _Outline(page)
    assert "<h1>AE, SDN and OE-SDN on MNIST</h1>" in page
    links = [link["href"] for link in outline.all("a")]
    assert links[:2] == ["results.csv", "results.parquet"]
    own = [f"{method}/report.html" for method in ("ae", "sdn", "oe_sdn")]
    assert sorted(links[2:5]) == sorted(own)  # of the settings, the best first
    assert links[5:] == own
    for link in links:
        assert (tmp_path / "sweep" / link).is_file()
    for name in own:  # and the way back
        (back,) = _Outline((tmp_path / "sweep" / name).read_text()).all("a")
        assert back["href"] == "../report.html"
    assert len(outline.all("img")) == 2 + 3 * 2
    assert page.count("python launch.py --mode=sweep") == 1
    assert "<dt>parameters</dt><dd>teacher 300,000, student 300,000</dd>" in page
    assert "<h2>Missing</h2>" not in page


def test_a_sweep_page_says_what_is_missing(write_workdir, tmp_path):
    write_workdir("sweep/ae", "ae")
    (write_workdir("sweep/sdn", "sdn") / "results.json").unlink()
    page = write_sweep_report(read_sweep(tmp_path / "sweep")).read_text()
    assert "<h2>Missing</h2>\n<ul><li>1 run not finished: sdn.</li></ul>" in page


def test_a_sweep_page_renews_old_reports_only(write_workdir, tmp_path):
    workdirs = [write_workdir(method, method) for method in ("ae", "sdn")]
    pages = [write_report(workdir) for workdir in workdirs]
    write_sweep_report(read_sweep(tmp_path))
    kept = '<a href="../report.html">kept</a>'
    for page in pages:
        page.write_text(kept)
    os.utime(pages[0], (0, 0))
    write_sweep_report(read_sweep(tmp_path))
    assert [page.read_text() == kept for page in pages] == [False, True]


def test_a_page_that_was_there_before_the_sweep_gets_its_way_back(write_workdir, tmp_path):
    pages = [write_report(write_workdir(method, method)) for method in ("ae", "sdn")]
    assert not any('href="../report.html"' in page.read_text() for page in pages)
    write_sweep_report(read_sweep(tmp_path))
    assert all('href="../report.html"' in page.read_text() for page in pages)


def test_a_large_sweep_shows_some_runs_and_lists_the_others(write_workdir, tmp_path, monkeypatch):
    monkeypatch.setattr("adjax.reports.sweep_page.MOST_DETAILED", 1)
    for method in ("ae", "sdn", "oe_sdn"):
        write_workdir(method, method)
    write_report(tmp_path / "oe_sdn")
    page = write_sweep_report(read_sweep(tmp_path)).read_text()
    outline = _Outline(page)
    # The page of `sdn` was not asked for.
    links = {link["href"] for link in outline.all("a")}
    assert links == {"results.csv", "results.parquet", "ae/report.html", "oe_sdn/report.html"}
    assert not (tmp_path / "sdn" / "report.html").exists()
    assert "<code>adjax report --workdir=FOLDER</code>" in page
    assert re.search(r'data-label="runs">sdn</td>', page)
    assert len(outline.all("img")) == 2 + 2


def test_curves_of_very_many_runs_are_not_drawn(write_workdir, tmp_path, monkeypatch):
    monkeypatch.setattr("adjax.reports.sweep_page.MOST_DETAILED", 0)
    monkeypatch.setattr("adjax.reports.sweep_page.MOST_DRAWN", 1)
    for method in ("ae", "sdn"):
        write_workdir(method, method)
        (tmp_path / method / "scores.npz").write_bytes(b"not read")
    page = write_sweep_report(read_sweep(tmp_path)).read_text()
    assert "Curves are drawn of" in page
    assert not _Outline(page).all("img")
