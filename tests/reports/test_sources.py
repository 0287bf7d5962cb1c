"""`results.parquet` never stands for files that are not those it was made of."""

import json
import os
import random
import shutil

import pytest

from adjax import reports, workdir
from adjax.reports import finished_sweep
from adjax.reports.results_table import write_sweep_table
from adjax.reports.sources import read_index


@pytest.fixture
def folder(write_workdir, tmp_path, monkeypatch):
    """A sweep of four runs with its table, which is looked into however few they are."""
    monkeypatch.setattr(finished_sweep, "MOST_OPENED", 0)
    for seed in range(4):
        write_workdir(f"sweep/seed{seed}", "ae", ((3, seed),))
    write(tmp_path / "sweep")
    return tmp_path / "sweep"


def write(folder):
    sweep = reports.read_sweep(folder)
    return write_sweep_table(sweep)


def contents(sweep):
    runs = {run.workdir: (run.results, run.config) for run in sweep.runs}
    return runs, sweep.failures, sweep.unfinished


def without_table(folder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(finished_sweep, "MOST_OPENED", 10**9)
        return contents(reports.read_sweep(folder))


def test_files_that_are_known_are_not_opened(folder, monkeypatch):
    expected = without_table(folder, monkeypatch)
    monkeypatch.setattr(workdir.Path, "read_text", None)
    assert contents(reports.read_sweep(folder)) == expected


def test_few_runs_are_read_without_the_table(folder, monkeypatch):
    monkeypatch.setattr(finished_sweep, "MOST_OPENED", 500)
    monkeypatch.setattr(finished_sweep, "read_index", None)
    assert len(reports.read_sweep(folder).runs) == 4


def new_auroc(path, value):
    results = json.loads(path.read_text())
    results["members"][0]["image_auroc"] = value
    return json.dumps(results)


def edits(folder, rng):
    """Changes to a sweep's folder, each of them one that a table could miss."""
    run = folder / f"seed{rng.randrange(4)}"
    path = run / "results.json"

    def in_place():
        path.write_text(new_auroc(path, rng.random()))

    def of_equal_size_and_time():
        before = path.stat()
        text = path.read_text()
        path.write_text(text.replace("0.", "1.", 1))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def replaced():
        part = path.with_suffix(".part")
        part.write_text(new_auroc(path, rng.random()))
        os.utime(part, ns=(0, path.stat().st_mtime_ns))
        part.replace(path)

    def swapped():
        other = folder / f"seed{rng.randrange(4)}" / "results.json"
        if other.exists():
            shutil.move(path, folder / "aside")
            shutil.move(other, path) if other != path else shutil.move(folder / "aside", path)

    def config():
        text = (run / "config.json").read_text()
        (run / "config.json").write_text(text.replace('"steps": 1200', '"steps": 1300'))

    def failed():
        failure = {"member": 0, "seed": 0, "data.normal_class": 3, "stage": "teacher", "step": 1}
        content = {"failed": [failure | {"reason": "the loss is nan"}]}
        (run / "failed.json").write_text(json.dumps(content))

    def moved():
        run.rename(folder / f"{run.name}-{rng.random()}")

    def added():
        shutil.copytree(run, folder / f"copy{rng.random()}")

    changes = [in_place, of_equal_size_and_time, replaced, config, failed, added]
    return (
        [*changes, swapped, path.unlink, moved, lambda: shutil.rmtree(run)] if path.exists() else []
    )


@pytest.mark.parametrize("seed", range(12))
def test_any_change_is_seen(folder, monkeypatch, seed):
    rng = random.Random(seed)
    for _ in range(6):
        if changes := edits(folder, rng):
            rng.choice(changes)()
        if not list(folder.glob("*/results.json")):
            return
        assert contents(reports.read_sweep(folder)) == without_table(folder, monkeypatch)
        if rng.random() < 0.3:
            write(folder)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty", "other", "missing"])
def test_a_table_of_no_use_is_passed_over(folder, monkeypatch, damage):
    path = folder / "results.parquet"
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        for place in range(len(content) // 2, len(content), 97):
            content[place] ^= 4
    elif damage == "truncated":
        content = content[:-9]
    elif damage in ("empty", "missing"):
        content = b""
    path.write_bytes(content)
    if damage == "other":
        sweep = reports.read_sweep(folder)
        reports.write_table(path, sweep)  # rows alone
    if damage == "missing":
        path.unlink()
    assert read_index(folder) == {}
    assert contents(reports.read_sweep(folder)) == without_table(folder, monkeypatch)


def test_a_folder_that_was_copied_is_read_anew(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "copy")
    read = workdir.Path.read_text
    opened = []
    monkeypatch.setattr(
        workdir.Path, "read_text", lambda path, **k: opened.append(path) or read(path, **k)
    )
    reports.read_sweep(tmp_path / "copy")
    assert len(opened) == 8
