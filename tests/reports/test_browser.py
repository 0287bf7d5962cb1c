"""Opens the pages in headless Chromium: nothing overflows, every image is decoded."""

import html
import json
import re
import shutil
import subprocess

import pytest

from adjax.reports import read_sweep, write_report, write_sweep_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# The page in a frame of the wanted width: a window of Chromium is never as narrow as a phone.
WRAPPER = """<!doctype html><body><iframe style="width:{width}px;height:800px;border:0"
srcdoc="{page}"></iframe><script>
window.addEventListener("load", () => {{  // fires after the frame and its images
  const page = document.querySelector("iframe").contentDocument;
  document.title = JSON.stringify({{
    width: page.documentElement.clientWidth,
    overflow: page.documentElement.scrollWidth - page.documentElement.clientWidth,
    images: [...page.images].map((image) => image.complete && image.naturalWidth),
  }});
}});
</script></body>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"none of {', '.join(BROWSERS)} found")


@pytest.fixture
def measure(tmp_path):
    """A function that measures a page laid out at a width in CSS pixels."""

    def in_browser(page, width):
        wrapper = tmp_path / f"wrapper{width}.html"
        source = html.escape(page.read_text(encoding="utf-8"))
        wrapper.write_text(WRAPPER.format(width=width, page=source), encoding="utf-8")
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
