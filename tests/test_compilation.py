"""Compiled programs are kept between processes: where, when not, and with equal results."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from adjax.compilation import keep_programs

DIRECTORY = "JAX_COMPILATION_CACHE_DIR"


def test_programs_are_kept_in_the_user_s_cache_folder(tmp_path):
    environment = {"HOME": str(tmp_path)}
    assert keep_programs("", environment) is None
    assert environment[DIRECTORY].startswith(f"{tmp_path}/.cache/adjax/compiled/")
    assert 0 < int(environment["JAX_COMPILATION_CACHE_MAX_SIZE"]) <= 4 << 30
    assert environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "1"
    assert list(tmp_path.iterdir()) == []  # JAX makes it when there is something to keep

    environment = {"HOME": "/", "XDG_CACHE_HOME": str(tmp_path / "caches")}
    assert keep_programs("", environment) is None
    assert environment[DIRECTORY].startswith(f"{tmp_path}/caches/adjax/compiled/")

    environment = {"HOME": str(tmp_path), "XDG_CACHE_HOME": "relative"}
    assert keep_programs("", environment) is None
    assert environment[DIRECTORY].startswith(f"{tmp_path}/.cache/")


def test_folder_can_be_told(tmp_path):
    environment = {"HOME": "/", DIRECTORY: "elsewhere"}
    assert keep_programs(str(tmp_path / "new"), environment) is None
    assert environment[DIRECTORY].startswith(f"{tmp_path}/new/")


def test_who_has_set_jax_s_own_variable_keeps_it():
    environment = {DIRECTORY: "mine"}
    assert keep_programs("", environment) is None
    assert environment == {DIRECTORY: "mine"}


@pytest.mark.parametrize("name", ["a*", "b?", "[c]"])
def test_a_folder_that_jax_takes_for_a_pattern_is_not_used(tmp_path, name):
    environment = {"HOME": str(tmp_path / name)}
    assert "by which JAX takes it for a pattern; give" in keep_programs("", environment)
    assert DIRECTORY not in environment


def test_off_is_off():
    environment = {DIRECTORY: "mine"}
    assert keep_programs("off", environment) is None
    assert environment["JAX_ENABLE_COMPILATION_CACHE"] == "false"


@pytest.mark.parametrize("blocked", ["file", "unwritable"])
def test_a_folder_that_cannot_be_used_is_told_in_one_line(tmp_path, monkeypatch, blocked):
    if blocked == "file":
        (tmp_path / ".cache").write_text("")
    else:
        monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    environment = {"HOME": str(tmp_path)}
    said = keep_programs("", environment)
    assert said.startswith(f"compiled programs are not kept: {tmp_path}/.cache/adjax/compiled")
    assert "--compilation_cache=FOLDER" in said
    assert "\n" not in said
    assert environment == {"HOME": str(tmp_path)}


@pytest.mark.slow
def test_results_are_equal_with_it_and_it_helps(repository, tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("JAX_")}
    environment |= {"HOME": str(tmp_path / "home"), "JAX_PLATFORMS": "cpu"}
    environment.pop("XDG_CACHE_HOME", None)
    seconds, arrays = [], []
    for name, flags in {"off": ["--compilation_cache=off"], "cold": [], "warm": []}.items():
        command = [sys.executable, "launch.py", "--config=configs/mnist.py:oe_sdn_fast,smoke"]
        command += [f"--workdir={tmp_path / name}", *flags]
        subprocess.run(command, cwd=repository, env=environment, check=True)
        results = json.loads((tmp_path / name / "results.json").read_text())
        seconds.append(results["throughput"]["compile_seconds"])
        with np.load(tmp_path / name / "scores.npz") as scores:
            arrays.append({key: scores[key].tobytes() for key in scores})
        assert (tmp_path / "home" / ".cache").exists() == (name != "off")
    assert arrays[0] == arrays[1] == arrays[2]
    assert seconds[2] < 0.8 * min(seconds[:2])
