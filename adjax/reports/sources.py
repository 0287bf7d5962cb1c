"""What the tables of a sweep were read from, kept in its `results.parquet`.

Beside its rows the file holds the texts of the runs' `results.json` and `config.json`, each with
the size, times and number of its file. A run whose files are still those is read from there, so
that the report of ten thousand runs opens one file; any other is read from its folder.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from adjax.datasets.digests import stamp

TABLE = "results.parquet"
ROWS = "results.csv"  # its rows, for a spreadsheet
_KEY = b"adjax"  # of the file's metadata
_FORM = 1  # of what stands there; another one is not read


class Source(NamedTuple):
    """The files of a run that tables rest on.

    Attributes:
      stamp: size, times and number of each.
      results: text of `results.json`; None if it cannot be read.
      config: text of `config.json`.

    """

    stamp: list[list[int]]
    results: str | None
    config: str | None


def as_metadata(sources: Mapping[str, Source]) -> dict[bytes, bytes]:
    """Return sources, by the names of their runs' folders, as metadata of `results.parquet`."""
    import pyarrow

    text = json.dumps({"form": _FORM, "runs": sources}).encode()
    digest = hashlib.sha256(text).hexdigest()
    small = base64.b64encode(pyarrow.compress(text, codec="zstd", asbytes=True))
    return {_KEY: f"{digest} {len(text)} ".encode() + small}


def read_index(directory: Path) -> dict[str, Source]:
    """Return what the runs of `results.parquet` were read from, by name.

    Nothing if that is of no use: the table is made of the folders, so one that is missing, damaged
    or of another version is no loss.
    """
    path = directory / TABLE
    if not path.is_file():
        return {}
    import pyarrow
    import pyarrow.parquet

    try:
        with path.open("rb") as file:  # of a path, pyarrow takes text only
            schema = pyarrow.parquet.read_schema(file)
        digest, size, small = schema.metadata[_KEY].split(b" ")
        text = pyarrow.decompress(base64.b64decode(small), int(size), codec="zstd", asbytes=True)
    except (OSError, ValueError, KeyError, TypeError, pyarrow.ArrowException):
        return {}
    if hashlib.sha256(text).hexdigest().encode() != digest:
        return {}
    index = json.loads(text)
    if index["form"] != _FORM:
        return {}
    return {name: Source(*source) for name, source in index["runs"].items()}


def read_source(folder: Path, known: Source | None) -> Source:
    """Read the files of a run that tables rest on, unless they are those that are known."""
    paths = [folder / "results.json", folder / "config.json"]
    try:
        # Before reading: what comes later is another.
        stamps = [list(stamp(path)) for path in paths]
        if known is not None and known.stamp == stamps:
            return known
        return Source(stamps, *(path.read_text() for path in paths))
    except (OSError, ValueError):
        return Source([], None, None)  # who reads them says what is wrong
