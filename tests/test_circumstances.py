"""What a run says of its making is what is installed, whatever package it came in."""

import importlib.metadata

import pytest

from adjax import circumstances


@pytest.mark.parametrize("package", ["tensorflow-cpu", "tensorflow", "tf-nightly", None])
def test_a_library_goes_by_the_package_that_it_came_in(monkeypatch, package):
    def version(name):
        if name in ("jax", package):
            return "1.2"
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(circumstances, "_version", version)
    found = {"jax": "1.2"} | ({package: "1.2"} if package else {})
    assert circumstances.versions(("jax", "tensorflow")) == found
    told = circumstances.circumstances()["versions"]
    assert {"adjax", "python", *found} == told.keys()


def test_all_that_is_asked_for_is_here():
    names = circumstances.circumstances()["versions"].keys()
    assert {*circumstances.LIBRARIES, "orbax-checkpoint", "numpy"} < names
    assert any("tensorflow" in name for name in names)
