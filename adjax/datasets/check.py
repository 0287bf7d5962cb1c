"""Check of a data set, file by file, before anything is trained on it."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from adjax.datasets import memory
from adjax.datasets.audit import Separation, audit, describe
from adjax.datasets.digests import digests_of
from adjax.datasets.doubts import check_held_out, doubts, split_of
from adjax.datasets.images import EXTENSIONS, ImageFacts, inspect_image
from adjax.datasets.industrial import item_mask
from adjax.datasets.layouts import SPLITS, Index, Item
from adjax.datasets.settings import CategoryData
from adjax.errors import UserError
from adjax.paths import on_one_line

_GROUND_TRUTH = ("ground_truth", "groundtruth", "gt", "label")  # names of folders, lower case
_OTHER_IMAGES = (
    *(".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".ppm", ".pgm", ".npy", ".svg"),
    *(".dng", ".raw", ".nef", ".cr2", ".cr3", ".arw"),
)
_NAMES_IN_A_NOTE = 5


class Problem(NamedTuple):
    """One thing that is wrong with a file."""

    kind: str
    text: str  # names the file


class Report(NamedTuple):
    """Content of a data set and what is wrong with it."""

    index: Index
    images: dict[tuple[str, str], int]  # (split, defect) -> number of images (RSDDs: crops)
    masks: dict[tuple[str, str], int]  # of these, with ground truth
    sizes: dict[tuple[int, int], int]  # (height, width) -> number of files
    channels: dict[int, int]  # 1 or 3 -> number of files
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]  # worth knowing but not wrong
    audit: tuple[Separation, ...]  # what plain statistics of the readable images tell

    @property
    def has_problems(self) -> bool:
        """True if anything is wrong."""
        return bool(self.problems)


def check_data(index: Index, data: CategoryData | None = None) -> Report:
    """Read every file of a set and say what it holds and what is wrong with it.

    Problems are files that cannot be read; ground truth that is missing where others have it, does
    not fit its image, marks nothing or everything, or has no image; byte-identical files in two
    splits or under two defects; files that only look as if they were read (HEIC and the like); and
    a training set that training refuses.

    Args:
      index: the files.
      data: the config's section, to say what training would; None: of the files alone.

    """
    bits = data.bits if data else 0
    files = {item.path: item for item in index.items}
    masks = {item.mask: item for item in index.items if item.mask}
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        inspected = threads.map(lambda path: _inspect(path, bits), files)
        facts = dict(zip(files, inspected, strict=True))
        wrong = threads.map(_check_mask, masks.values())
        problems = [problem for problem in wrong if problem]
    problems += [Problem("unreadable", fact) for fact in facts.values() if isinstance(fact, str)]
    facts = {path: fact for path, fact in facts.items() if not isinstance(fact, str)}
    digests = dict(zip(facts, digests_of(facts), strict=True))
    notes = list(_notes_of(index, facts))
    entries = (*_missing_masks(index), *_duplicates(index, digests), *_unused(index))
    for entry in (*entries, *(_of_training(index, data) if data else ())):
        (problems if isinstance(entry, Problem) else notes).append(entry)
    readable = tuple(item for item in index.items if _fits(item, facts.get(item.path)))
    return Report(
        index,
        dict(Counter((item.split, item.defect) for item in index.items)),
        dict(Counter((item.split, item.defect) for item in index.items if item.mask)),
        dict(Counter((fact.height, fact.width) for fact in facts.values())),
        dict(Counter(fact.channels for fact in facts.values())),
        tuple(sorted(problems)),
        tuple(notes),
        audit(index._replace(items=readable), bits),
    )


def format_report(report: Report) -> str:
    """Return the report as text for a terminal."""
    index = report.index
    rows = [("split", "defect", "images", "ground truth")]
    order = sorted(report.images, key=lambda key: (SPLITS.index(key[0]), key[1] != "good", key[1]))
    for split, defect in order:
        known = "" if defect == "good" else str(report.masks.get((split, defect), 0))
        rows.append((split, on_one_line(defect), str(report.images[split, defect]), known))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{index.name} {index.category} in {index.directory}", ""]
    for row in rows:
        cells = [cell.ljust(w) for cell, w in zip(row[:2], widths[:2], strict=True)]
        cells += [cell.rjust(w) for cell, w in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    sizes = sorted(report.sizes.items(), key=lambda entry: -entry[1])
    lines += ["", "height x width: " + _listed((f"{h} x {w} ({n})" for (h, w), n in sizes), 10)]
    lines.append("channels: " + ", ".join(f"{c} ({n})" for c, n in report.channels.items()))
    if report.notes:
        lines += ["", "notes:", *(f"  {note}" for note in report.notes)]
    if report.audit:
        lines += ["", *_audited(report.audit)]
    count = len(report.problems)
    lines += ["", f"problems: {count}" if count else "no problems"]
    lines += [f"  {kind}: {text}" for kind, text in report.problems]
    return "\n".join(map(on_one_line, lines))


def _audited(audited: tuple[Separation, ...]) -> list[str]:
    """Return the AUROC of plain statistics as lines, and what it means where it is high."""
    lines = ["AUROC of plain statistics:"]
    for kinds in dict.fromkeys(separation.kinds for separation in audited):
        values = (f"{s.statistic} {s.auroc:.3f}" for s in audited if s.kinds == kinds)
        lines.append(f"  {kinds}: {', '.join(values)}")
    return lines + [f"confounded: {sentence}" for sentence in describe(audited)]


def _inspect(path: Path, bits: int) -> ImageFacts | str:
    with memory.room_for(path):
        return _try(lambda path: inspect_image(path, bits))(path)


def _fits(item: Item, facts: ImageFacts | None) -> bool:
    """Return whether an item's image can be read, and holds the crop that the item is."""
    if not facts or not item.box:
        return facts is not None
    top, left, height, width = item.box
    return top + height <= facts.height and left + width <= facts.width


def _of_training(index: Index, data: CategoryData) -> Iterator[Problem | str]:
    """Yield what training says of the set, and why it would refuse it."""
    count, left = split_of(index, data.validation_fraction)
    try:
        check_held_out(count, left, data.validation_fraction)
    except UserError as error:
        yield Problem("held out", str(error))
    yield from doubts(index, data)


def _check_mask(item: Item) -> Problem | None:
    """Return what is wrong with the ground truth of an item, as a whole file."""
    with memory.room_for(item.mask, memory.MASK):
        mask = _try(item_mask)(item._replace(box=None))
    if isinstance(mask, str):
        if not isinstance(_try(inspect_image)(item.path), str):
            return Problem("ground truth", mask)
        return None  # it is the image that cannot be read, which is said once
    if not mask.any():
        return Problem("ground truth", f"{item.mask}: marks nothing, but its image is defective")
    if mask.all():
        return Problem("ground truth", f"{item.mask}: marks the whole image; is it inverted?")
    return None


def _missing_masks(index: Index) -> Iterator[Problem | str]:
    defective = [item for item in index.items if not item.is_good]
    missing = [item for item in defective if item.mask is None]
    if not defective:
        yield "no defective images: nothing can be evaluated"
    elif len(missing) == len(defective):
        yield "no ground truth: nothing can be evaluated pixel by pixel"
    else:
        for item in missing:
            yield Problem("ground truth", f"{item.path}: has none, other images do")


def _duplicates(index: Index, digests: dict[Path, bytes]) -> Iterator[Problem | str]:
    """Yield byte-identical files; crops of one file are not."""
    groups = defaultdict(set)
    for item in index.items:
        if item.path in digests:  # it could be read
            groups[digests[item.path]].add((item.path, item.split, item.defect))
    for group in groups.values():
        paths = sorted({path for path, _, _ in group})
        if len(paths) < 2:
            continue
        names = " = ".join(path.relative_to(index.directory).as_posix() for path in paths)
        if len({split for _, split, _ in group}) > 1:
            yield Problem("duplicate in two splits", names)
        elif len({defect for _, _, defect in group}) > 1:
            yield Problem("duplicate under two defects", names)
        else:
            yield f"duplicate within a split: {names}"


def _unused(index: Index) -> Iterator[Problem | str]:
    """Yield files below the directory that are neither image nor ground truth of the index."""
    used = {item.path for item in index.items} | {item.mask for item in index.items}
    image_folders = {item.path.parent for item in index.items}
    others = defaultdict(list)
    for path in sorted(index.directory.rglob("*")):
        name = path.relative_to(index.directory)
        if path in used or path.is_dir() or any(part.startswith(".") for part in name.parts):
            continue
        beside = path.parent in image_folders
        if path.name == "Labels.txt" or (beside and path.stem.endswith("_label")):
            continue  # the index read it; KolektorSDD has empty ground truth of good images
        suffix, above = path.suffix.lower(), [part.lower() for part in name.parts[:-1]]
        is_truth = "good" not in above and not {*above}.isdisjoint(_GROUND_TRUTH)
        if suffix in EXTENSIONS and is_truth:
            yield Problem("ground truth", f"{path}: has no defective image")
        elif suffix in _OTHER_IMAGES and beside:
            yield Problem("not read", f"{path}: convert it to PNG")
        else:
            others[name.parent.as_posix()].append(path.name)
    for folder, names in others.items():
        yield f"not used in {folder}: {_listed(names, _NAMES_IN_A_NOTE)}"


def _notes_of(index: Index, facts: dict[Path, ImageFacts]) -> Iterator[str]:
    """Yield the files that needed more than decoding, and those unlike most in channels."""
    remarks = defaultdict(list)
    usual = Counter(fact.channels for fact in facts.values()).most_common(1)
    for path, fact in facts.items():
        name = path.relative_to(index.directory).as_posix()
        for remark in fact.remarks:
            remarks[remark].append(name)
        if fact.channels != usual[0][0]:
            remarks[f"{'grey' if fact.channels == 1 else 'colour'}, unlike most"].append(name)
    for remark, names in remarks.items():
        yield f"{remark}: {_listed(names, _NAMES_IN_A_NOTE)}"


def _listed(names: Iterable[str], most: int) -> str:
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _try(function: Callable) -> Callable:
    """Return the function made to return the message of a UserError that it raises."""

    def call(argument):
        try:
            return function(argument)
        except UserError as error:
            return str(error)

    return call
