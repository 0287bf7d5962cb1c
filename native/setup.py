"""Builds the handlers against the headers and the library that the build requirements bring."""

import importlib.metadata
from pathlib import Path

import jaxlib
from setuptools import Extension, setup


def _installed(package: str, name: str) -> Path:
    """Where a file of an installed package lies."""
    files = importlib.metadata.files(package)
    return Path(next(f for f in files if f.name == name).locate()).resolve()


library = _installed("onednn-cpu-gomp", "libdnnl.so.3")
header = _installed("onednn-devel-cpu-gomp", "dnnl.hpp")
setup(
    ext_modules=[
        Extension(
            "adjax_native._handlers",
            ["adjax_native/convolution.cc"],
            depends=["adjax_native/parallel.h"],
            include_dirs=[
                str(header.parents[0 if header.parent.name == "include" else 2]),
                str(Path(jaxlib.__file__).parent / "include"),
            ],
            extra_compile_args=["-std=gnu++20", "-O3", "-march=native", "-fopenmp"],
            extra_link_args=["-fopenmp", str(library)],
            language="c++",
        )
    ]
)
