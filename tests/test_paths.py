"""Every character that a file system allows works in a path, or is refused before any work."""

import json
import os
import re
import shlex
import shutil
import string
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote_to_bytes

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from adjax import cli, experiment, paths, reports
from adjax.config.layout import check
from adjax.datasets.check import check_data, format_report
from adjax.datasets.layouts import read_index
from adjax.datasets.prepare import import_dataset
from adjax.datasets.tables import load_table
from adjax.datasets.tasks import create_task
from adjax.detect.export import export
from adjax.detect.predict import predict
from adjax.errors import UserError
from adjax.gallery import write_gallery
from adjax.run import check_run
from adjax.sweeps import plan, store
from adjax.sweeps.expand import expand, with_cache
from adjax.sweeps.inline import InlineEngine
from adjax.sweeps.work import is_finished
from adjax.training import MetricsLog
from adjax.training.checkpoints import Checkpoints
from configs import folder as own_folder

SIGNS = [c for c in string.printable if not c.isalnum() and c != "/"]
UNICODE = ["é", "e\u0301", "日本", "\U0001f600", "\u202e", "\u2028", "\x85", "\x7f", "\udcff", "İ"]
TRAPS = [
    *("[1]", "[!a]", "[a-z]", "{a,b}", "**", "a**b", "~", "$HOME", "%20", "gs:", "file:", "..a"),
    *("-a", " a", "a ", "a.", "...", "1.0.0", "con", "\\n", "a\\", "日" * 80, "x" * 255),
]
# All of them in one name of at most 255 bytes.
ODD = " -" + "".join(SIGNS) + "".join(UNICODE) + "[1]{a,b}**%20$x$ "


def names():
    """Every character within a name, alone where that is one, and names that libraries expand."""
    letters = string.ascii_letters + string.digits
    alone = [c for c in [*SIGNS, *UNICODE] if c != "."]
    return dict.fromkeys([letters, *alone, *(f"a{c}b" for c in [*SIGNS, *UNICODE]), *TRAPS, ODD])


def tree(value):
    return {"w": jnp.full(2, float(value))}


def test_checkpoints_and_logs_of_every_name_are_their_own(tmp_path):
    # Each is saved beside all others: what a pattern finds would be another's.
    for number, name in enumerate(names()):
        folder = tmp_path / name
        with Checkpoints(folder / "checkpoints" / "stage") as checkpoints:
            checkpoints.save(1, tree(number), {"name": name})
        with MetricsLog(folder, [f"class {name}"]) as log:
            log.write("stage", 1, {"loss": np.ones(1)})
    for number, name in enumerate(names()):
        folder = tmp_path / name
        with Checkpoints(folder / "checkpoints" / "stage") as checkpoints:
            restored, record = checkpoints.restore(tree(0))
        np.testing.assert_array_equal(restored["w"], np.full(2, number, np.float32), repr(name))
        assert record == {"name": name}
        assert sorted(os.listdir(folder)) == ["checkpoints", "metrics.jsonl", "tensorboard"]
        assert len(os.listdir(folder / "tensorboard")) == 1
    assert len(os.listdir(tmp_path)) == len(names())


def test_prepared_sets_of_every_name_are_read(tmp_path):
    image, label = np.zeros((4, 4, 4, 1), np.uint8), np.arange(4) % 2
    source = tmp_path / "source.npz"
    np.savez(source, x_train=image, y_train=label, x_test=image, y_test=label)
    prepared = import_dataset("mine", str(source), str(tmp_path / ODD / "data"))
    assert prepared == str(tmp_path / ODD / "data" / "mine" / "1.0.0")
    with pytest.raises(UserError, match="already prepared: delete") as caught:
        import_dataset("mine", str(source), str(tmp_path / ODD / "data"))
    assert prepared in str(caught.value)
    # Where a pattern is nothing's name, nothing is found by it.
    (tmp_path / "sets").mkdir()
    for name in [*(f"a{c}b" for c in [*SIGNS, *UNICODE]), *TRAPS, ODD]:
        with pytest.raises(UserError, match="is not prepared"):
            load_table("mine", "train", str(tmp_path / "sets" / name))
        (tmp_path / "sets" / name).symlink_to(tmp_path / ODD / "data")
        table = load_table("mine", "train", str(tmp_path / "sets" / name))
        np.testing.assert_array_equal(table.label, label)
        (tmp_path / "sets" / name).unlink()
        load_table.cache_clear()


def write_photographs(folder, count):
    """Stripes with noise."""
    folder.mkdir(parents=True)
    random, stripes = np.random.default_rng(count), 120 + 60 * np.sin(np.arange(40) / 3)
    for number in range(count):
        image = (stripes[:, None] + random.normal(0, 8, (40, 36))).clip(0, 255)
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{number:03}.png")


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A run whose folder, ancestors, data, category, defect and photograph all are called `ODD`."""
    top = tmp_path_factory.mktemp("paths") / ODD
    photographs = top / "data" / ODD
    for part, count in {"train/good": 12, "test/good": 3, f"test/{ODD}": 2}.items():
        write_photographs(photographs / part, count)
    defect = photographs / "test" / ODD
    (defect / "000.png").rename(defect / f"{ODD[:-20]}.png")
    config = own_folder.get_config("aesc_residual,smoke")
    config.data.update(dir=str(top / "data"), normal_class=ODD, size=32, channels=1)
    config.autoencoder.update(depth=2, kernel=3)
    config.mesh.update(member=1, data=1)
    folder = top / f"{ODD},b"
    command = f"python launch.py --config=configs/folder.py:aesc_residual --workdir='{folder}'"
    method = check_run(config, folder)[1]
    results = experiment.train_and_evaluate(config, folder, command=command, method=method)
    return config, folder, results, method


def test_run_is_resumed_and_evaluated(odd, tmp_path):
    config, folder, results, method = odd
    other = tmp_path / ODD / "again"
    shutil.copytree(folder, other)
    (other / "report.html").unlink()
    steps = sorted(map(int, os.listdir(other / "checkpoints" / "autoencoder")))
    shutil.rmtree(other / "checkpoints" / "autoencoder" / str(steps[-1]))
    assert len(steps) == 2
    again = experiment.train_and_evaluate(config, other, method=method)
    assert again["members"] == results["members"]
    with np.load(folder / "scores.npz") as one, np.load(other / "scores.npz") as two:
        for name in one.files:
            np.testing.assert_array_equal(one[name], two[name])
    once_more = experiment.train_and_evaluate(config, other, train=False, method=method)
    assert once_more["members"] == again["members"]


def test_run_predicts_and_is_exported_and_drawn(odd, tmp_path):
    config, folder, *_ = odd
    photographs = Path(config.data.dir) / ODD / "test"
    done = predict(folder, photographs, tmp_path / ODD)
    assert (done.images, done.failed) == (5, 0)
    assert len(list((tmp_path / ODD / "heatmaps").rglob("*.png"))) == 5
    for name in ("[1]", "a*", "?", "a\\b", "\udcff"):
        with pytest.raises(UserError, match="choose another folder"):
            export(folder, tmp_path / name / "detector")
    plain = tmp_path / ODD.translate(dict.fromkeys(map(ord, "*?[\\\udcff"))) / "detector"
    assert (export(folder, plain) / "saved_model" / "saved_model.pb").exists()
    assert write_gallery(folder, tmp_path / f"{ODD}.png").is_file()


def test_run_is_reported(odd, tmp_path):
    _, folder, *_ = odd
    sweep = reports.read_sweep(folder.parent)
    page = reports.write_sweep_report(sweep).read_text(encoding="utf-8")
    (link, *_) = re.findall(r'<a href="([^"]*report\.html)"', page)
    assert (folder.parent / os.fsdecode(unquote_to_bytes(link))).samefile(folder / "report.html")
    text = reports.console_table(sweep.runs)
    assert paths.on_one_line(ODD).strip() in text
    record = tmp_path / f"{ODD}.jsonl"
    kept = reports.read_record(reports.write_record(record, sweep))
    assert kept.runs[0].workdir == folder
    output = tmp_path / ODD / "results.md"
    defaults = [lambda method: own_folder.get_config(method).to_dict()]
    for one in (sweep, kept):  # the second finds the place of the first
        reports.write_results(output, [one], defaults)
    page = output.read_text(encoding="utf-8")
    assert page.count("<!-- results: ") == page.count("<!-- end of results: ") == 1


SWEEP = """
from adjax import grid

def sweep(add, category):
    categories, seeds = grid.axis("data.normal_class", (category,)), grid.axis("seed", (0, 1))
    for values in grid.product(categories, seeds):
        add(grid.name(values), values)
"""


def test_sweep_of_odd_categories_is_done_once(odd, tmp_path):
    config, *_ = odd
    folder = tmp_path / ODD
    folder.mkdir()
    (folder / "config.py").write_text(SWEEP)
    own = own_folder.get_config("isolation_forest,smoke")
    own.data.update(dir=config.data.dir, size=32, channels=1)
    own.mesh.update(member=1, data=1)
    runs = with_cache(expand(str(folder / "config.py"), ODD, own), folder)
    with store.driving(folder):
        tasks = plan.make_plan(runs, folder, plan.Resources(memory=1 << 33))
        InlineEngine().run(tasks, folder, "the command")
    assert len(reports.read_sweep(folder).runs) == 2
    for run in runs:
        assert run.name == paths.on_one_line(run.name) == shlex.quote(run.name)
        assert is_finished(run, folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("results.json")}
    InlineEngine().run(tasks, folder, "the command")
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("results.json")}
    assert reports.write_sweep_report(reports.read_sweep(folder)).is_file()


def test_check_of_the_data_has_a_line_for_each_fact(odd):
    config, *_ = odd
    text = format_report(check_data(create_task(check(config).data).index()))
    shown = paths.on_one_line(ODD)
    assert any(line.startswith(f"test   {shown}  ") for line in text.splitlines())
    assert "\udcff" not in text


def test_categories_that_differ_in_case_are_told_apart(tmp_path):
    for name, count in (("Part", 3), ("part", 4)):
        write_photographs(tmp_path / name / "train" / "good", count)
    for asked, count in (("Part", 3), ("part", 4), ("PART", 3)):
        assert len(read_index("folder", str(tmp_path), asked).items) == count
    with pytest.raises(UserError, match="does not exist"):
        read_index("folder", str(tmp_path / ("x" * 256)), "part")


def test_report_finds_folders_with_commas(odd, capsys):
    _, folder, *_ = odd
    flags = SimpleNamespace(mode="report", workdir=f"{folder},{folder.parent}", output=None)
    assert paths.split(flags.workdir) == [str(folder), str(folder.parent)]
    sys.stdout.reconfigure(errors="backslashreplace")  # as launch.py does
    cli.report(flags)
    assert capsys.readouterr().out.count("report: ") == 2


@pytest.mark.parametrize("name", ["results.md", "record.jsonl"])
def test_output_that_cannot_be_written_is_told(odd, tmp_path, name):
    _, folder, *_ = odd
    (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    for output in (tmp_path / name, tmp_path / "file" / name):
        flags = SimpleNamespace(mode="report", workdir=str(folder), output=str(output))
        with pytest.raises(UserError, match=f"cannot write to --output={re.escape(str(output))}: "):
            cli.report(flags)


def test_commas_part_what_is_not_there_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a", "a,b", "c", "d,e,f"):
        Path(name).mkdir()
    assert paths.split("a,b") == ["a,b"]
    assert paths.split("c,a,b,d,e,f") == ["c", "a,b", "d,e,f"]
    assert paths.split("a,c,x,d,e") == ["a", "c", "x", "d", "e"]
    assert paths.split("a,") == ["a", ""]


@given(st.lists(st.text(st.sampled_from("ab,"), max_size=4), min_size=1, max_size=4))
def test_no_part_of_a_list_is_lost(parts):
    assert ",".join(paths.split(",".join(parts))) == ",".join(parts)


@given(st.text(st.characters() | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF)))
def test_whatever_is_shown_is_one_line_of_text(text):
    shown = paths.on_one_line(text)
    assert len(shown.splitlines()) <= 1
    assert paths.on_one_line(shown) == shown
    if not any("\ud800" <= c <= "\udfff" for c in shown):
        shown.encode()
    if text.isascii() and text.isprintable():
        assert shown == text


def test_whatever_else_was_written_is_not_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "_OPEN_FOLDERS", tmp_path / "nothing")
    with paths.plain(tmp_path) as folder:
        assert folder == tmp_path
    (tmp_path / "[1]").mkdir()
    with pytest.raises(UserError, match="choose another folder"), paths.plain(tmp_path / "[1]"):
        pass


def test_open_folders_are_closed(tmp_path):
    (tmp_path / "[1]").mkdir()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with Checkpoints(tmp_path / "[1]" / "stage") as checkpoints:
            checkpoints.latest_step()
        with MetricsLog(tmp_path / "[1]", []):
            pass
    assert len(os.listdir("/proc/self/fd")) <= before


def test_config_keeps_what_is_no_text(odd):
    config, folder, *_ = odd
    stored = json.loads((folder / "config.json").read_text())
    assert stored["data"]["dir"] == config.data.dir
    assert stored["data"]["normal_class"] == ODD
