"""Damaged photographs: refused by name, or read as what they are."""

import csv
import io
import random
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from torture.bench import Bench
from torture.damage import damage
from torture.outcome import CLEAR, RIGHT, WRONG, Outcome, Verdict, judge

NAME, TITLE, SHARE = "images", "images damaged", 4
FOLDER = 10  # damaged images a prediction
_FORMATS = {
    "png": {},
    "jpg": {"quality": 90},
    "tif": {"compression": "tiff_adobe_deflate"},
    "bmp": {},
    "webp": {"lossless": True},
}
_WAYS = ("flip", "flip", "truncate", "truncate", "zeros", "empty", "suffix", "bomb", "words")
# Whoever changes one of their bytes is found out; others decode to some image, and nobody can tell.
_CHECKED = ("png",)


def run(bench: Bench, seed: int) -> Iterator[Outcome]:
    """Damage several images that are predicted together, or one of a data set to train on."""
    draw = random.Random(seed)
    folder = bench.new_folder()
    try:
        if draw.random() < 0.75:
            yield from _predicted(bench, folder, draw, seed)
        else:
            yield _trained(bench, folder, draw, seed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _spoiled(source: Path, target: Path, draw: random.Random) -> tuple[str, str, Path]:
    """Write a damaged copy of an image; return its format, what was done, and its path."""
    kind, way = draw.choice(sorted(_FORMATS)), draw.choice(_WAYS)
    path = target.with_suffix(f".{kind}")
    with Image.open(source) as image:
        image.convert("RGB").save(path, **_FORMATS[kind])
    if way == "suffix":
        other = draw.choice([name for name in sorted(_FORMATS) if name != kind])
        path = path.rename(path.with_suffix(f".{other}"))
        return kind, f"a {kind} called .{other}", path
    if way == "bomb":
        path = path.rename(path.with_suffix(".png"))
        path.write_bytes(_bomb(draw.choice((20_000, 60_000, 2**31 - 1))))
        return "png", "a bomb", path
    if way == "words":
        path.write_bytes(draw.choice((b"not an image\n", b"GIF89a" + bytes(40), b"\xff\xd8\xff")))
        return kind, f"{kind} of other content", path
    return kind, f"{kind}: {damage(path, way, draw)}", path


def _bomb(side: int) -> bytes:
    """Return a small PNG that says it is a huge one."""
    header = struct.pack(">IIBBBBB", side, min(side, 60_000), 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 16))
    parts = [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _predicted(bench: Bench, folder: Path, draw: random.Random, seed: int) -> Iterator[Outcome]:
    """Predict a folder of good and damaged images: a row each, none of them lost."""
    sources = sorted(bench.new_photographs.iterdir())
    images, cases = folder / "images", {}
    images.mkdir()
    for source in sources:
        shutil.copy(source, images / f"good-{source.name}")
    for number in range(FOLDER):
        source = draw.choice(sources)
        kind, what, path = _spoiled(source, images / f"spoiled-{number}", draw)
        cases[path.name] = kind, what, source
    argv = "--mode=predict", f"--workdir={bench.finished('category')}", f"--images={images}"
    done = bench.server.run(*argv, f"--output={folder}/made")
    whole = judge(done)
    if whole.ending == WRONG:
        yield Outcome(NAME, seed, "predict", *whole)
        return
    with (folder / "made" / "predictions.csv").open(newline="") as table:
        rows = {row["path"]: row for row in csv.DictReader(table)}
    scores = _scores(bench)
    for source in sources:
        if rows.get(f"good-{source.name}", {}).get("image_score") != scores[source.name]:
            yield Outcome(NAME, seed, "a good image", WRONG, f"{source.name} has another score")
    for name, (kind, what, source) in cases.items():
        verdict = judge_row(rows.get(name), name, kind, what, scores[source.name])
        yield Outcome(NAME, seed, f"predict {what}", *verdict)


def judge_row(row: dict | None, name: str, kind: str, what: str, score: str) -> Verdict:
    """Judge the row of a damaged image.

    Args:
      row: of the table of predictions, by column; None: there is none.
      name: of the file.
      kind: its format.
      what: was done to it.
      score: image score of the undamaged one.

    """
    if row is None:
        return Verdict(WRONG, f"{name} has no row")
    if row["error"]:
        clear = (
            name in row["error"] and "\n" not in row["error"] and "Traceback" not in row["error"]
        )
        return Verdict(CLEAR if clear else WRONG, row["error"])
    if what == "a bomb" or "content" in what or "emptied" in what:
        return Verdict(WRONG, f"{name} has a score")
    if kind in _CHECKED and "called" not in what and row["image_score"] != score:
        return Verdict(WRONG, f"{name} was read as another image")
    return Verdict(RIGHT)


def _scores(bench: Bench) -> dict[str, str]:
    """Return the image scores of the undamaged photographs by name."""

    def make() -> dict[str, str]:
        folder = bench.new_folder()
        argv = "--mode=predict", f"--workdir={bench.finished('category')}"
        bench.server.run(*argv, f"--images={bench.new_photographs}", f"--output={folder}")
        text = (folder / "predictions.csv").read_text()
        shutil.rmtree(folder)
        return {row["path"]: row["image_score"] for row in csv.DictReader(io.StringIO(text))}

    return bench.once("scores", make)


def _trained(bench: Bench, folder: Path, draw: random.Random, seed: int) -> Outcome:
    """Train on, or check, a data set with a damaged image or mask."""
    data = shutil.copytree(bench.photographs, folder / "data")
    victim = draw.choice(sorted(path for path in data.rglob("*.png")))
    source = victim.rename(folder / "source.png")
    _, what, path = _spoiled(source, victim, draw)
    argv = [a for a in bench.training("category") if not a.startswith("--config.data.dir=")]
    argv.append(f"--config.data.dir={data}")
    checks = draw.random() < 0.5
    extra = ("--mode=check_data",) if checks else (f"--workdir={folder}/run",)
    done = bench.server.run(*argv, *extra)
    what = f"{'check_data' if checks else 'train'} with {what} as {victim.relative_to(data)}"
    if checks and done.code == 1 and not done.stderr:
        named = path.name in done.stdout and "Traceback" not in done.stdout
        verdict = Verdict(CLEAR, done.stdout) if named else Verdict(WRONG, "names no file")
    else:
        verdict = judge(done)
    if verdict.ending == RIGHT and ("bomb" in what or "content" in what or "emptied" in what):
        verdict = Verdict(WRONG, f"{path.name} was taken for an image")
    return Outcome(NAME, seed, what, *verdict)
