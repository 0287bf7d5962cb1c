"""What is installed: pinned, with the hash of every file, and with licences that are looked at."""

import importlib.metadata
import re
import runpy
from email.message import Message
from types import SimpleNamespace

import pytest

FILES = ("requirements.txt", "native/requirements.txt")


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


def test_every_requirement_is_pinned_with_its_hashes(repository):
    ours, native = (blocks_of(repository / name) for name in FILES)
    assert len(ours) > 100
    assert {name: native[name] for name in native if name in ours} == {
        name: ours[name] for name in native if name in ours
    }
    assert set(native) - set(ours) == {"onednn-cpu-gomp", "onednn-devel-cpu-gomp"}
    # Wheels of several platforms, not those of the machine that made the file alone.
    assert len(ours["numpy"][1]) > 20
    for name in ("setuptools", "wheel"):  # what builds has no build requirements of its own
        assert name in ours


def test_what_is_installed_is_what_is_pinned(repository):
    for name, (version, _) in blocks_of(repository / FILES[0]).items():
        assert importlib.metadata.version(name) == version


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


def test_page_of_licences_is_of_what_is_pinned(repository, licences):
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
