"""What is scored: the image files of a folder, each once, and what is left out, in words.

Folders are followed through links, each real folder once, so that cycles end. Pictures that an
earlier prediction wrote are known by the table beside them, and left out.
"""

import collections
import hashlib
import itertools
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from adjax.datasets.images import EXTENSIONS
from adjax.errors import UserError
from adjax.reports import prediction_table
from adjax.reports.words import listing

PICTURES = ("heatmaps", "masks", "thumbnails")  # folders that a prediction writes
_LONGEST = 255  # bytes of a file's name
_MOST_NAMES = 5  # that are listed of files left out


class Photograph(NamedTuple):
    """One file to score.

    Attributes:
      path: of the file.
      shown: its path relative to the folder that was given.
      name: path of the pictures written for it, without extension; no other has it.
      error: why it cannot be read, where that is known already.

    """

    path: Path
    shown: str
    name: str
    error: str = ""


class Found(NamedTuple):
    """Files of a folder.

    Attributes:
      photographs: what is to be scored, by path.
      left_out: number of files that are no images by their extension.
      notes: sentences on other files that are left out.

    """

    photographs: list[Photograph]
    left_out: int = 0
    notes: tuple[str, ...] = ()


def find_photographs(images: Path, output: Path) -> Found:
    """Find the image files in and below a folder, or take one file, to write pictures of them.

    Args:
      images: the folder, or the file.
      output: the folder that the prediction will write.

    Raises:
      UserError: if there are none, or some would be overwritten by pictures of others.

    """
    if os.path.isdir(images) and os.path.realpath(images) == os.path.realpath(output):
        raise UserError(f"--output={output} is the folder of the images: choose another")
    found = list_photographs(images, f"--images={images}")
    pictures = [Path(os.path.realpath(output / name)) for name in PICTURES]
    for photograph in found.photographs:
        if not set(pictures).isdisjoint(Path(os.path.realpath(photograph.path)).parents):
            raise UserError(
                f"--output={output}: {photograph.path} lies where pictures are written, and may be "
                "overwritten: choose another folder"
            )
    return found


def list_photographs(images: Path, called: str) -> Found:
    """List the image files in and below a folder, or take one file; an error says how it is called.

    Raises:
      UserError: if there are none.

    """
    if os.path.isfile(images):
        found = Found([Photograph(images, images.name, _fitting(images.with_suffix("").name))])
    elif not os.path.isdir(images):
        what = "is neither a folder nor a file" if os.path.lexists(images) else "does not exist"
        raise UserError(f"{called} {what}")
    else:
        found = _in_folder(images, called)
    if not found.photographs:
        left_out = "".join(f"; {note}" for note in found.notes)
        raise UserError(f"{called} holds no images ({', '.join(EXTENSIONS)}){left_out}")
    return found


def _in_folder(top: Path, called: str) -> Found:
    tree = _Tree(top)
    if top in tree.closed:
        raise UserError(f"{called}: {tree.closed[top]}")
    reasons = dict.fromkeys(filter(_is_image, tree.files), "") | tree.closed
    paths = sorted(reasons)
    shown = [path.relative_to(top) for path in paths]
    photographs = [
        Photograph(path, relative.as_posix(), name, reasons[path])
        for path, relative, name in zip(paths, shown, unique_names(shown), strict=True)
    ]
    others = sum(not _is_image(path) for path in tree.files)
    notes = (f"{kind}: {_named(tree.left_out[kind], top)}" for kind in tree.left_out)
    return Found(photographs, others, tuple(notes))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS


class _Tree:
    """The files in and below a folder.

    Attributes:
      files: all that are looked at, each once.
      closed: folders that cannot be listed, and why.
      left_out: paths that are not looked at, by the reason in words.

    """

    def __init__(self, top: Path):
        self.files: list[Path] = []
        self.closed: dict[Path, str] = {}
        self.left_out: dict[str, list[Path]] = {}
        self._seen: set[str] = set()
        self._linked_folders: list[Path] = []
        self._linked_files: list[Path] = []
        self._walk(top)
        while self._linked_folders:  # last: what lies in the folder itself goes by its own path
            link = min(self._linked_folders)
            self._linked_folders.remove(link)
            if os.path.realpath(link) in self._seen:
                self._leave_out("links to folders that are looked at anyway", link)
            else:
                self._walk(link)
        known = set()
        if self._linked_files:
            known = {os.path.realpath(path) for path in filter(_is_image, self.files)}
        for link in sorted(self._linked_files):
            real = os.path.realpath(link)
            if _is_image(link) and real in known:
                self._leave_out("links to images that are scored anyway", link)
                continue
            self.files.append(link)
            if _is_image(link) and os.path.exists(real):
                known.add(real)

    def _walk(self, top: Path) -> None:
        folders = [top]
        while folders:
            folder = folders.pop()
            real = os.path.realpath(folder)
            if real in self._seen:
                continue
            self._seen.add(real)
            try:
                paths = [folder / name for name in os.listdir(folder)]
            except OSError as error:
                self.closed[folder] = f"cannot list {folder}: {error.strerror}"
                continue
            folders += self._folders_among(paths, prediction_table.is_table(_table_in(folder)))

    def _folders_among(self, paths: list[Path], is_output: bool) -> Iterator[Path]:
        """Sort out the files and links of a folder; yield the folders that are none."""
        for path in paths:
            is_folder = os.path.isdir(path)  # no error where it is not known
            if path.name.startswith("."):
                if is_folder or _is_image(path):
                    self._leave_out("hidden", path)
            elif is_output and is_folder and path.name in PICTURES:
                self._leave_out("pictures of earlier predictions", path)
            elif is_output and (path.suffix == ".html" or path == _table_in(path.parent)):
                continue  # pages and table, which are no images anyway
            elif path.is_symlink():
                (self._linked_folders if is_folder else self._linked_files).append(path)
            elif is_folder:
                yield path
            else:
                self.files.append(path)

    def _leave_out(self, why: str, path: Path) -> None:
        self.left_out.setdefault(why, []).append(path)


def _table_in(folder: Path) -> Path:
    return folder / prediction_table.NAME


def _named(paths: list[Path], top: Path) -> str:
    return listing([printable(p.relative_to(top).as_posix()) for p in sorted(paths)], _MOST_NAMES)


def printable(name: str) -> str:
    """Return a name for one line of a terminal: what cannot be printed is written as in Python."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in name)


def unique_names(paths: list[Path]) -> list[str]:
    """Return a path for the pictures of each file, no two alike, without extension.

    It is the file's own path without its extension where no other file has that, else with it,
    else with a number behind it. Names that differ only in case are alike on some disks. No picture
    has the name of a folder that others need.

    Args:
      paths: of the files, relative to one folder.

    """
    stems = collections.Counter(_key(path.with_suffix("")) for path in paths)
    folders = {_key(parent) for path in paths for parent in path.parents}
    taken: set[str] = set()

    def is_free(name: Path) -> bool:
        pictures = (_key(Path(f"{name}{suffix}")) for suffix in (".png", ".jpg"))
        return _key(name) not in taken and folders.isdisjoint(pictures)

    names = []
    for path in paths:
        stem = path.with_suffix("")
        numbered = (path.with_name(f"{path.name}-{number}") for number in itertools.count(2))
        own = [stem] if stems[_key(stem)] == 1 else []
        candidates = (c.with_name(_fitting(c.name)) for c in itertools.chain(own, [path], numbered))
        name = next(filter(is_free, candidates))
        taken.add(_key(name))
        names.append(name.as_posix())
    return names


def _key(path: Path) -> str:
    """Return what two paths have in common that are one on a disk that ignores case."""
    return unicodedata.normalize("NFC", path.as_posix()).casefold()


def _fitting(name: str) -> str:
    """Return a name that leaves room for an extension: one that is too long ends in a digest."""
    content = os.fsencode(name)
    if len(content) + len(".png") <= _LONGEST:
        return name
    digest = hashlib.sha256(content).hexdigest()[:12]
    kept = content[: _LONGEST - len(f"-{digest}.png")]
    return f"{kept.decode(errors='ignore')}-{digest}"
