"""What images a run has, and what has become of them since: by their bytes, then by their names.

An image that has another name is the same image. A TFDS set has no files of its own for its images,
so one digest stands for its whole table.
"""

import collections
import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from adjax.datasets.digests import new_digest

_NAMED = 3  # names of each kind that a sentence gives


class Contents(NamedTuple):
    """The training images of a run.

    Attributes:
      source: what they are of: `mnist 3.0.1, train`, `mvtec_ad, bottle`.
      images: how many.
      digest: of all.
      files: bytes and digest of the file of each image, by its name relative to the data folder;
        nothing for a TFDS set.

    """

    source: str
    images: int
    digest: str
    files: dict[str, tuple[int, str]]


def contents_of_files(source: str, files: Mapping[str, tuple[int, str]]) -> Contents:
    """Return the contents of images that are files; see `Contents`."""
    files = dict(files)
    digest = digest_of_texts(f"{name} {files[name][1]}" for name in sorted(files))
    return Contents(source, len(files), digest, files)


def digest_of_texts(texts: Iterable[str]) -> str:
    """Return one digest of several texts in their order."""
    found = new_digest()
    found.update(json.dumps(list(texts)).encode())  # ASCII, whatever a file is called
    return found.hexdigest()


class Changes(NamedTuple):
    """What has become of images.

    Attributes:
      kept: today's name of each image that is still there, by its earlier name.
      added: names of new ones.
      removed: earlier names of those that are gone.
      changed: names of those that have another content.
      renamed: today's names of those that had another one.
      replaced: of a TFDS set, what it was and what it is; else empty.

    """

    kept: dict[str, str]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    replaced: str = ""

    @property
    def matter(self) -> bool:
        """True unless the images are the same, under whatever names."""
        return bool(self.added or self.removed or self.changed or self.replaced)

    def in_words(self) -> str:
        """Return `2 images were added (a.png, b.png), 1 removed (c.png)`; empty without any."""
        if self.replaced:
            return self.replaced
        parts = []
        for verb in ("added", "removed", "changed", "renamed"):
            if names := getattr(self, verb):
                noun = "" if parts else f" image{'s were' if len(names) > 1 else ' was'}"
                more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
                # A name may hold anything, the sentence stays one line that can be written.
                shown = [n if n.isprintable() else ascii(n) for n in names[:_NAMED]]
                parts.append(f"{len(names):,}{noun} {verb} ({', '.join(shown)}{more})")
        return ", ".join(parts)


def compare(earlier: Contents, now: Contents) -> Changes:
    """Return what became of images: equal bytes are one image, then equal names are."""
    if not earlier.files or not now.files:
        was, is_now = (f"{c.source} ({c.images:,} images)" for c in (earlier, now))
        same = earlier.digest == now.digest
        where = f"{was} has other images now" if was == is_now else f"{was} became {is_now}"
        return Changes({}, replaced="" if same else where)
    kept = {name: name for name, file in earlier.files.items() if now.files.get(name) == file}
    free = collections.defaultdict(list)  # names of new contents, by content
    for name, file in now.files.items():
        if name not in kept:
            free[file].append(name)
    renamed = []
    for name, file in earlier.files.items():
        if name not in kept and free[file]:
            kept[name] = free[file].pop(0)
            renamed.append(kept[name])
    taken = set(kept.values())
    changed = [n for n in earlier.files if n not in kept and n in now.files and n not in taken]
    kept |= {name: name for name in changed}
    taken |= set(changed)
    return Changes(
        kept={name: kept[name] for name in earlier.files if name in kept},
        added=tuple(name for name in now.files if name not in taken),
        removed=tuple(name for name in earlier.files if name not in kept),
        changed=tuple(changed),
        renamed=tuple(renamed),
    )


@dataclasses.dataclass(frozen=True)
class Record:
    """What a run was trained on, as its folder keeps it in `data.json`.

    Attributes:
      contents: the images, held-out ones among them.
      held_out: names of those held out, of each member; none of a TFDS set, which is split anew.
      kept: what else the run goes by, see `Task.kept`.
      changes: those that were accepted in the middle of training, in words.

    """

    contents: Contents
    held_out: tuple[tuple[str, ...], ...] = ()
    kept: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    changes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the record for a JSON file."""
        source, images, digest, files = self.contents
        return {
            "source": source,
            "images": images,
            "content": digest,
            "files": {name: list(file) for name, file in files.items()},
            "held_out": [list(names) for names in self.held_out],
            "kept": dict(self.kept),
            "changes": list(self.changes),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Record":
        """Read a record; raises `ValueError` if it is none."""
        try:
            files = {name: (size, digest) for name, (size, digest) in values["files"].items()}
            contents = Contents(values["source"], values["images"], values["content"], files)
            held_out = tuple(map(tuple, values["held_out"]))
            return cls(contents, held_out, values["kept"], tuple(values["changes"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it is of another version of adjax: {error!r}") from error
