"""Sweeps whose processes die or whose disk is full end as if nothing had happened."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sweep_helpers import plan_of, planned, results, worker_at_work, write

from adjax import files, workdir
from adjax.datasets import category
from adjax.errors import UserError
from adjax.reports import read_sweep
from adjax.sweeps.expand import expand, with_cache
from adjax.sweeps.inline import InlineEngine
from adjax.sweeps.on_ray import RayEngine
from adjax.sweeps.plan import check_runs, shard_of
from adjax.sweeps.store import driving
from adjax.sweeps.work import is_finished, note_failed
from configs import mvtec_ad

# What a clock measures, where and when: present in both stores, but not equal.
CLOCK = {
    "images_per_second",
    "flops_per_second",
    "compile_seconds",
    "train_seconds",
    "input_wait_fraction",
    "train_images_per_second",
    "score_images_per_second",
}
CIRCUMSTANCES = {"date", "command"}


def timeless(value):
    """A JSON value whose measured times are replaced by their presence."""
    if isinstance(value, dict):
        hidden = CLOCK | CIRCUMSTANCES
        return {k: "measured" if k in hidden else timeless(v) for k, v in value.items()}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def metrics(path):
    """`metrics.jsonl` as bytes, measured times apart."""
    lines = path.read_text().splitlines()
    return "".join(json.dumps(timeless(json.loads(line))) + "\n" for line in lines).encode()


def store(folder):
    """All that a sweep keeps: path -> content; reports and TensorBoard files are made of it."""
    content = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = str(path.relative_to(folder))
        if path.name == "metrics.jsonl":
            content[name] = metrics(path)
        elif path.name in ("results.json", "config.json", "failed.json"):
            text = path.read_text().replace(str(folder), "FOLDER")
            content[name] = timeless(json.loads(text))
        elif path.suffix == ".npz":
            with np.load(path) as arrays:
                content[name] = {key: arrays[key].tobytes() for key in arrays}
        elif path.name == "tree.msgpack":
            content[name] = path.read_bytes()
    return content


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_workers_and_driver_killed_leave_the_undisturbed_store(tmp_path, repository):
    runs = [
        (
            f"{method}/class{normal_class}/seed{seed}",
            {"method": method, "data.normal_class": normal_class, "seed": seed},
        )
        for method in ("ae", "sdn")
        for normal_class in (3, 7)
        for seed in (0, 1, 2)
    ]
    config = tmp_path / "config.py"
    config.write_text(
        "from configs.mnist import get_config\n" + Path(write(tmp_path, runs)).read_text()
    )
    command = [sys.executable, "launch.py", "--mode=sweep", f"--config={config}:oe_sdn,smoke"]
    command += ["--engine=ray", "--max_population=3", "--config.teacher.steps=100"]
    command += ["--config.student.steps=50", "--config.data.test_split=test[:100]"]
    command += ["--config.evaluation.batch_size=50"]

    def start(folder):
        with folder.with_suffix(".log").open("a") as log:
            return subprocess.Popen(
                [*command, f"--workdir={folder}"],
                cwd=repository,
                stdout=log,
                stderr=log,
                env=os.environ | {"XLA_FLAGS": ""},
            )

    def kill_worker(driver, after):
        while driver.poll() is None and worker_at_work(driver.pid) is None:
            time.sleep(0.05)
        time.sleep(after)
        if process := worker_at_work(driver.pid):
            os.kill(process, signal.SIGKILL)
            return True
        return False

    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert start(whole).wait() == 0, whole.with_suffix(".log").read_text()

    moments = random.Random(0)
    driver = start(cut)
    killed = sum(kill_worker(driver, moments.uniform(0, 10)) for _ in range(5))
    assert driver.poll() is None, "the sweep ended before its driver was killed"
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    driver = start(cut)
    killed += sum(kill_worker(driver, moments.uniform(0, 10)) for _ in range(3))
    assert killed >= 4
    for _ in range(5):  # a task whose workers died too often ends a sweep
        if driver.wait() == 0:
            break
        driver = start(cut)
    assert driver.wait() == 0, cut.with_suffix(".log").read_text()

    a, b = store(cut), store(whole)
    assert a.keys() == b.keys()
    assert len([name for name in a if name.endswith("/results.json")]) == len(runs)
    for name in b:
        assert a[name] == b[name], name
    assert not list((cut / ".stages" / ".training").iterdir())


def test_full_disk_keeps_what_is_finished(tmp_path, monkeypatch):
    runs = planned(tmp_path, [("a", {"method": "ae"}), ("b", {"method": "ae", "seed": 1})])
    plan = plan_of(runs, tmp_path)
    write_arrays = files.write_arrays

    def until_full(path, arrays):
        if path.parent.name == "b":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_arrays(path, arrays)

    monkeypatch.setattr(files, "write_arrays", until_full)
    with pytest.raises(OSError, match="No space left"):
        InlineEngine().run(plan, tmp_path)
    assert [run.name for run in runs if is_finished(run, tmp_path)] == ["a"]
    finished = results(tmp_path / "a")

    monkeypatch.setattr(files, "write_arrays", write_arrays)
    InlineEngine().run(plan, tmp_path)
    assert results(tmp_path / "a") == finished
    assert all(is_finished(run, tmp_path) for run in runs)


CATEGORIES = """
from configs import mvtec_ad
get_config = mvtec_ad.get_config

def sweep(add, argument=""):
    for name in ("a", "b", "c"):
        config = get_config("isolation_forest,smoke")
        add(name, {"data.normal_class": name, "data.size": 16}, config)
"""


def write_categories(folder):
    """Three categories of noise with a defect, and a config file whose sweep is of them."""
    draws = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        for kind, count in (("train/good", 6), ("test/good", 2), ("test/cut", 2)):
            for number in range(count):
                path = folder / "data" / name / kind / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(draws.integers(0, 256, (16, 16), np.uint8)).save(path)
    (folder / "config.py").write_text(CATEGORIES)
    return str(folder / "config.py")


@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=pytest.mark.slow)])
def test_data_that_break_in_a_sweep_cost_their_run_alone(tmp_path, engine, capsys, monkeypatch):
    """Of three runs the second's image breaks once the plan is made; the next driver mends it."""
    path = write_categories(tmp_path)
    values = {"data.dir": str(tmp_path / "data"), "mesh.member": 1, "mesh.data": 1}
    runs = with_cache(
        expand(path, "", mvtec_ad.get_config("isolation_forest,smoke"), values), tmp_path
    )
    assert check_runs(runs, tmp_path) == {}
    image = tmp_path / "data/b/train/good/2.png"
    sound = image.read_bytes()
    image.write_bytes(sound[:50])
    category._load_category.cache_clear()

    with RayEngine(cpus_per_task=1) if engine == "ray" else InlineEngine() as started:
        failed = note_failed(runs, started.run(plan_of(runs, tmp_path), tmp_path, ""), tmp_path)
    assert list(failed) == ["b"]
    assert failed["b"].startswith(f"{image}: damaged image")
    assert failed["b"] in capsys.readouterr().err
    assert [run.name for run in runs if is_finished(run, tmp_path)] == ["a", "c"]
    assert workdir.read_refusal(tmp_path / "b") == failed["b"]
    sweep = read_sweep(tmp_path)
    assert [run.workdir.name for run in sweep.runs] == ["a", "c"]
    assert [(run.name, run.reason) for run in sweep.refused] == [("b", failed["b"])]

    image.write_bytes(sound)
    assert InlineEngine().run(plan_of(runs, tmp_path), tmp_path) == {}
    assert read_sweep(tmp_path).refused == []
    image.write_bytes(sound[:50])  # a run that is finished does not fail any more
    category._load_category.cache_clear()
    assert note_failed(runs, check_runs(runs, tmp_path), tmp_path) == {}


def test_shards_that_share_a_teacher_train_it_once(tmp_path):
    runs = planned(tmp_path, [("a", {"method": "ae"}), ("s", {"method": "sdn"})])
    for shard in ((1, 2), (0, 2)):
        part = shard_of(runs, shard)
        with driving(tmp_path, shard):
            InlineEngine().run(plan_of(part, tmp_path), tmp_path)
    owner = [results(tmp_path / name)["stages"][0].get("cached", False) for name in ("a", "s")]
    assert owner == [True, False]


def test_engine_ray_says_what_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'adjax\[ray\]'"):
        RayEngine()


def test_failures_are_read_back(tmp_path):
    assert workdir.read_failures(tmp_path) == []
    workdir.write_failures(tmp_path, [{"member": 0}])
    assert workdir.read_failures(tmp_path) == [{"member": 0}]
    workdir.write_failures(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
