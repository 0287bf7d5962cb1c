"""Opens the pages in headless Chromium: nothing overflows, every image is decoded."""

import html
import json
import re
import shutil
import subprocess

import pytest

from adjax.reports import read_sweep, write_comparison, write_report, write_sweep_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# The page in a frame of the wanted width: a window of Chromium is never as narrow as a phone.
WRAPPER = """<!doctype html><body><iframe style="width:{width}px;height:800px;border:0"
srcdoc="{page}"></iframe><script>
window.addEventListener("load", async () => {{  // fires after the frame and its images
  const page = document.querySelector("iframe").contentDocument;
  const wait = () => new Promise((done) => setTimeout(done, 100));
  const found = await (async () => {{ {steps} }})();
  document.title = JSON.stringify({{
    width: page.documentElement.clientWidth,
    overflow: page.documentElement.scrollWidth - page.documentElement.clientWidth,
    found,
    images: [...page.images].map((image) => image.complete && image.naturalWidth),
  }});
}});
</script></body>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} found")


@pytest.fixture
def measure(tmp_path):
    """A function that measures a page laid out at a width in CSS pixels.

    Before it is measured, `steps` are done to it, in JavaScript; `found` is what they return.
    """

    def in_browser(page, width, steps=""):
        wrapper = page.parent / f"wrapper{width}.html"  # beside it, for the pictures it links to
        source = html.escape(page.read_text(encoding="utf-8"))
        wrapper.write_text(WRAPPER.format(width=width, page=source, steps=steps), encoding="utf-8")
        command = [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}"]
        command += ["--virtual-time-budget=20000", "--dump-dom", wrapper.as_uri()]
        dump = subprocess.run(command, capture_output=True, timeout=120, check=True)
        title = re.search("<title>({.*?})</title>", dump.stdout.decode())
        assert title, "the browser did not get to measuring"
        return json.loads(html.unescape(title[1]))

    return in_browser


@pytest.mark.parametrize("width", [390, 1280])
def test_a_report_fits_and_shows_its_figures(write_workdir, measure, width):
    path = write_report(write_workdir(command="python launch.py " + "--config.a.b=c " * 20))
    measured = measure(path, width)
    assert measured["overflow"] == 0
    assert width - 20 <= measured["width"] <= width  # less a scroll bar
    assert len(measured["images"]) == 4
    assert all(natural > 0 for natural in measured["images"])


@pytest.mark.parametrize("width", [390, 1280])
def test_a_sweep_report_fits_and_shows_its_figures(write_workdir, tmp_path, measure, width):
    members = tuple((c, s) for c in (3, 8) for s in (0, 1))
    for method in ("ae", "sdn", "oe_sdn"):
        write_workdir(f"sweep/{method}", method, members, command="python launch.py " + "x=y " * 60)
    measured = measure(write_sweep_report(read_sweep(tmp_path / "sweep")), width)
    assert measured["overflow"] == 0
    assert len(measured["images"]) == 2 + 3 * 2
    assert all(natural > 0 for natural in measured["images"])


def test_an_industrial_report_fits_a_phone(write_industrial, measure):
    rows = [{"change": "none", "strength": 0.0, "pixel_auroc": 0.8, "f1": {"quantile": 0.5}}]
    members = [("toothbrush", 0), ("screw", 0)]
    run = write_industrial("run", members=members, values={"robustness": rows})
    measured = measure(write_report(run), 390)
    assert measured["overflow"] == 0
    assert len(measured["images"]) == 5
    assert all(natural > 0 for natural in measured["images"])


@pytest.mark.parametrize("width", [390, 1280])
def test_settings_of_a_grid_are_all_seen_and_sorted(write_workdir, tmp_path, measure, width):
    for rate in (0.001, 0.01):
        for steps in (100, 2000):
            config = {"teacher.learning_rate": rate, "teacher.steps": steps}
            config |= {"teacher.batch_size": 8 if steps == 100 else 16}
            write_workdir(f"sweep/{rate}/{steps}", "ae", config=config)
    steps = """
    const rows = () => [...page.querySelectorAll(".ranking tbody tr")];
    const cells = (row) => [...row.querySelectorAll(".parameter, .metric")];
    const values = () => rows().map((row) => cells(row).map((cell) => cell.dataset.value));
    const press = (name) => {
      const heading = [...page.querySelectorAll(".ranking th[aria-sort]")]
        .find((one) => one.textContent === name);
      heading.querySelector("button").click();
      return [heading.getAttribute("aria-sort"), values()];
    };
    const width = page.documentElement.clientWidth;
    const isSeen = (cell) => {
      const box = cell.getBoundingClientRect();
      return box.width > 0 && box.left >= 0 && box.right <= width;
    };
    return {
      first: values(),
      up: press("steps"), down: press("steps"), best: press("image AUROC"),
      seen: rows().flatMap(cells).map(isSeen),
      lines: page.querySelectorAll("polyline").length,
    };"""
    measured = measure(write_sweep_report(read_sweep(tmp_path / "sweep")), width, steps)
    assert measured["overflow"] == 0
    found = measured["found"]
    assert len(found["seen"]) == 4 * 4
    assert all(found["seen"])
    assert found["lines"] == 4
    order, rows = found["up"]
    assert (order, [row[2] for row in rows]) == ("ascending", ["100", "100", "2000", "2000"])
    order, rows = found["down"]
    assert (order, [row[2] for row in rows]) == ("descending", ["2000", "2000", "100", "100"])
    order, rows = found["best"]
    assert order == "descending"
    assert sorted(rows) == sorted(found["first"])
    aurocs = [float(row[3]) for row in rows]
    assert aurocs == sorted(aurocs, reverse=True) == [float(row[3]) for row in found["first"]]


@pytest.mark.parametrize("width", [390, 1280])
def test_a_comparison_fits(write_workdir, tmp_path, measure, width):
    folders = [write_workdir(f"a folder of {m}", m, ((3, 0), (8, 0))) for m in ("ae", "oe_sdn")]
    sweeps = [read_sweep(folder) for folder in folders]
    measured = measure(write_comparison(tmp_path / "cmp.html", folders, sweeps), width)
    assert measured["overflow"] == 0
    assert len(measured["images"]) == 2
    assert all(natural > 0 for natural in measured["images"])


# What is seen of a contact sheet, and of each of its cards.
SHEET = """
const cards = () => [...page.querySelectorAll(".sheet > li")].map((item) => {
  const {data} = item.querySelector("canvas").getContext("2d").getImageData(0, 0, 192, 192);
  let outlined = 0;
  for (let k = 0; k < data.length; k += 4) {
    outlined += data[k] < 20 && data[k + 1] > 200 && data[k + 2] > 220 && data[k + 3] > 200;
  }
  return {
    name: item.querySelector(".name").textContent,
    text: item.querySelector(".numbers").textContent,
    decision: item.querySelector(".decision").textContent,
    score: Number(item.dataset.score),
    isShown: item.getClientRects().length > 0,
    outlined,
  };
});
const of = (id) => page.getElementById(id);
const look = () => ({
  cards: cards(),
  heading: page.querySelector("h1").textContent,
  rule: page.querySelector(".lede").textContent,
  told: of("told").textContent,
  command: of("command").textContent,
  threshold: of("image-value").valueAsNumber,
  errors: of("errors").getClientRects().length > 0,
});
const set = async (element, value, key = "value") => {
  element[key] = value;
  for (const kind of ["input", "change"]) element.dispatchEvent(new Event(kind, {bubbles: true}));
  await wait();
};
await wait();
"""


def check_decisions(seen):
    """Cards say one thing: an image is anomalous by its score, and only then marked."""
    anomalous = [card for card in seen["cards"] if card["score"] >= seen["threshold"]]
    assert {card["name"] for card in anomalous} == {
        card["name"] for card in seen["cards"] if card["decision"] == "anomalous"
    }
    total = len(seen["cards"])
    assert seen["heading"] == f"{len(anomalous)} of {total} images are anomalous"
    assert seen["told"] == f"{len(anomalous)} of {total} images are anomalous."
    for card in seen["cards"]:
        if card["decision"] == "normal":
            assert card["outlined"] == 0
            assert card["text"].startswith("normal, score")
            assert "%" not in card["text"]


@pytest.mark.parametrize("width", [390, 1280])
def test_a_contact_sheet_decides_by_its_sliders(write_sheet, measure, width):
    steps = """
    const seen = [look()];
    await set(of("image"), 500);
    seen.push(look());
    await set(of("pixel"), 1000);
    seen.push(look());
    await set(of("image-value"), 0.123);
    seen.push(look());
    of("reset").click(); await wait();
    seen.push(look());
    return seen;"""
    measured = measure(write_sheet(), width, SHEET + steps)
    assert measured["overflow"] == 0
    assert all(natural > 0 for natural in measured["images"])
    first, moved, nothing, typed, again = measured["found"]
    for seen in measured["found"]:
        check_decisions(seen)
    decisions = [card["decision"] for card in first["cards"]]
    assert decisions == ["anomalous"] * 3 + ["normal"] * 5
    assert all(card["outlined"] for card in first["cards"][:3])
    assert "mask: " in first["cards"][0]["text"]
    assert "(quantile 0.95, chosen on held-out normal images)" in first["rule"]
    assert first["command"] == "python launch.py --mode=predict"
    assert [card["decision"] for card in moved["cards"]].count("anomalous") == 4
    assert "marked: at most " in moved["cards"][0]["text"]
    assert "(moved here, by hand)" in moved["rule"]
    assert moved["command"] == f"python launch.py --mode=predict --threshold={moved['threshold']:g}"
    assert not any(card["outlined"] for card in nothing["cards"])
    assert "--pixel_threshold=" in nothing["command"]
    assert typed["threshold"] == 0.123
    assert "--threshold=0.123 " in typed["command"]
    assert again == first


def test_pages_of_a_contact_sheet_share_its_thresholds(write_sheet, measure, monkeypatch):
    monkeypatch.setattr("adjax.reports.contact_sheet.PER_PAGE", 4)
    steps = """
    await set(of("image"), 0);
    return [look(), [...page.querySelectorAll("nav a")].map((link) => link.getAttribute("href"))];
    """
    first = write_sheet()
    seen, links = measure(first, 1280, SHEET + steps)["found"]
    assert seen["heading"] == "8 of 8 images are anomalous"
    assert seen["told"] == "8 of 8 images are anomalous, 4 of them on this page."
    (link,) = links
    assert link.endswith(f"#image={seen['threshold']:g}&pixel=0.3")
    second = first.with_name("index-2.html")
    seen = measure(second, 1280, SHEET + "return look();")["found"]
    assert seen["told"] == "3 of 8 images are anomalous, 0 of them on this page."
    assert "cut 0.png: <cut short>" in second.read_text().replace("&lt;", "<").replace("&gt;", ">")


def test_a_contact_sheet_filters_and_sorts(write_sheet, measure):
    steps = """
    const number = (card) => card.name.match(/\\d+/)[0];
    const shown = () => cards().filter((card) => card.isShown).map(number).join("");
    const found = {};
    for (const value of ["anomalous", "normal", "unread", "all"]) {
      await set(page.querySelector(`input[value="${value}"]`), true, "checked");
      found[value] = [shown(), look().errors];
    }
    for (const value of ["lowest", "nearest", "name", "highest"]) {
      await set(of("order"), value);
      found[value] = shown();
    }
    return found;"""
    found = measure(write_sheet(), 1280, SHEET + steps)["found"]
    assert found == {
        "anomalous": ["012", False],
        "normal": ["34567", False],
        "unread": ["", True],
        "all": ["01234567", True],
        "lowest": "76543210",
        "nearest": "23140567",
        "name": "01234567",
        "highest": "01234567",
    }
