"""What is installed: pinned, with the hash of every file, and with licences that are looked at."""

import importlib.metadata
import re
import runpy
import shutil
import subprocess
import sys
from email.message import Message
from types import SimpleNamespace

import pytest

PINNED, NEWEST, NATIVE = "requirements.txt", "requirements-newest.txt", "native/requirements.txt"


@pytest.fixture(scope="session")
def licences(repository):
    return SimpleNamespace(**runpy.run_path(str(repository / "tools/licences.py")))


def blocks_of(path):
    """Each requirement of a file with its hashes: name -> (version, hashes)."""
    text = re.sub(r"#.*", "", path.read_text()).replace("\\\n", " ")
    found = {}
    for line in filter(str.strip, text.splitlines()):
        match = re.fullmatch(r"([a-z0-9-]+)==(\S+)((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*", line)
        assert match, line
        found[match[1]] = (match[2], set(match[3].split()))
    return found


@pytest.fixture(scope="session")
def installed(repository):
    """The file of what is installed here: the newest releases have an environment of their own."""
    has = importlib.metadata.version("jax")
    return next(name for name in (PINNED, NEWEST) if blocks_of(repository / name)["jax"][0] == has)


@pytest.mark.parametrize("file", [PINNED, NEWEST])
def test_every_requirement_is_pinned_with_its_hashes(repository, file):
    ours = blocks_of(repository / file)
    assert len(ours) > 100
    # Wheels of several platforms, not those of the machine that made the file alone.
    assert len(ours["numpy"][1]) > 20
    for name in ("setuptools", "wheel"):  # what builds has no build requirements of its own
        assert name in ours


def test_native_requirements_are_those_of_the_package(repository):
    ours, native = (blocks_of(repository / name) for name in (PINNED, NATIVE))
    assert {name: native[name] for name in native if name in ours} == {
        name: ours[name] for name in native if name in ours
    }
    assert set(native) - set(ours) == {"onednn-cpu-gomp", "onednn-devel-cpu-gomp"}


def test_what_is_installed_is_what_is_pinned(repository, installed):
    for name, (version, _) in blocks_of(repository / installed).items():
        assert importlib.metadata.version(name) == version


def test_newest_releases_are_of_what_is_pinned(repository):
    pinned, newest = (blocks_of(repository / name) for name in (PINNED, NEWEST))
    direct = {"jax", "flax", "numpy", "optax", "orbax-checkpoint", "tensorboard", "pytest"}
    assert direct <= {*pinned} & {*newest}
    assert newest["jax"][0] != pinned["jax"][0]


def test_makefile_takes_nothing_without_a_hash(repository):
    text = (repository / "Makefile").read_text()
    before, _, optional = text.partition("# What is compared with comes without hashes")
    installs = re.findall(r"\$\(PIP\) (.*)", before)
    assert len(installs) == 6
    for arguments in installs:
        assert "--no-deps" in arguments
        local = re.search(r"(-e \.|\./native)$", arguments)
        assert ("--no-build-isolation" if local else "--require-hashes") in arguments
    assert optional


@pytest.fixture
def make(repository, tmp_path):
    """`(pythons, *arguments) -> the finished make`, which finds these names of Python alone."""
    for name in ("Makefile", "pyproject.toml", PINNED, NEWEST):
        shutil.copy(repository / name, tmp_path)
    program = shutil.which("make") or pytest.skip("make is not installed")

    def run(pythons, *arguments):
        (tmp_path / "bin").mkdir()
        for name, code in pythons.items():
            (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{code}\n")
            (tmp_path / "bin" / name).chmod(0o755)
        command = [program, *arguments]
        environment = {"PATH": str(tmp_path / "bin")}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


GOOD, BROKEN = f'exec {sys.executable} "$@"', "exit 1"


@pytest.mark.parametrize(
    ("pythons", "chosen"),
    [
        ({"python3.11": GOOD, "python3.12": GOOD}, "python3.11"),
        ({"python3.11": BROKEN, "python3.12": GOOD, "python3": GOOD}, "python3.12"),
        ({"python3": GOOD}, "python3"),
    ],
)
def test_makefile_finds_a_python(make, pythons, chosen):
    done = make(pythons, "-n", ".venv/installed")
    assert done.returncode == 0, done.stderr
    assert f"\n{chosen} -m venv .venv\n" in done.stdout


def test_makefile_says_what_is_missing_in_one_line(make):
    done = make({"python3": BROKEN}, ".venv/installed")
    assert done.returncode
    first, *others = done.stderr.splitlines()
    assert first.startswith("adjax needs Python 3.11, 3.12 or 3.13 with its module venv: install")
    assert all(line.startswith("make: ***") for line in others)


def test_versions_of_python_are_the_same_everywhere(repository):
    """In the Makefile, for pip and for readers."""
    text = (repository / "pyproject.toml").read_text()
    (bounds,) = re.findall(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', text)
    versions = [f"3.{minor}" for minor in range(*map(int, bounds))]
    makefile = (repository / "Makefile").read_text()
    assert f"first-python,{versions[0]},{' '.join(versions)})" in makefile
    assert f"sys.version_info < (3, {bounds[1]})" in makefile
    said = f"Python {', '.join(versions[:-1])} or {versions[-1]}"
    for page in ("README.md", "Makefile"):
        assert said in (repository / page).read_text(), page


def test_page_of_licences_is_of_what_is_pinned(repository, licences, installed):
    if installed != PINNED:
        pytest.skip("the page is of the pinned releases")
    lines = (repository / "docs/licences.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines if line[:1] == "|"]
    stated = {name: (version, licence) for name, version, licence, _ in rows[2:]}
    assert {name: version for name, (version, _) in stated.items()} == licences.pinned()
    for row in licences.table()[0]:  # the native package's may not be installed
        assert stated[row.distribution] == (row.version, row.licence)
        assert not licences.unknown_parts(row.licence)
    assert {*licences.NOTES} <= {*stated}


@pytest.mark.parametrize(
    ("said", "licence", "unknown"),
    [
        ({"License-Expression": "MIT"}, "MIT", []),
        ({"License-Expression": "BSD-3-Clause AND 0BSD"}, "BSD-3-Clause AND 0BSD", []),
        ({"License-Expression": "GPL-3.0-only OR MIT"}, "GPL-3.0-only OR MIT", []),
        ({"License-Expression": "GPL-3.0-only AND MIT"}, None, ["GPL-3.0-only"]),
        ({"License": "LGPL-2.1-or-later"}, None, ["LGPL-2.1-or-later"]),
        ({"License": "Apache 2.0"}, "Apache-2.0", []),
        ({"License": "3-Clause BSD License"}, "BSD-3-Clause", []),
        (
            {
                "License": "MIT",
                "Classifier": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
            },
            "GNU General Public License v3 (GPLv3)",
            ["GNU General Public License v3 (GPLv3)"],
        ),
        ({"Classifier": "License :: OSI Approved :: MIT License"}, "MIT", []),
        ({"License": "as you like"}, "unknown", ["unknown"]),
        ({}, "unknown", ["unknown"]),
    ],
)
def test_licence_that_nobody_has_looked_at_is_told(licences, said, licence, unknown):
    metadata = Message()
    for key, value in said.items():
        metadata[key] = value
    found = licences.licence_of(SimpleNamespace(metadata=metadata, files=[]))
    assert found == (licence or next(iter(said.values())))
    assert licences.unknown_parts(found) == unknown
