"""Every file of a folder is scored once, or left out in words; no two have pictures of one name."""

import os
import re
import unicodedata
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from adjax.datasets.images import EXTENSIONS
from adjax.detect.photographs import find_photographs, unique_names
from adjax.errors import UserError
from adjax.reports.prediction_table import NAME, TableWriter


@pytest.fixture
def top(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(top, output=None):
    """What is scored, by path, and the notes."""
    result = find_photographs(top, output or top.parent / "found")
    return [one.shown for one in result.photographs], list(result.notes)


def output_of_a_prediction(folder):
    touch(*(folder / kind / "a.png" for kind in ("heatmaps", "masks", "thumbnails")))
    touch(folder / "index.html", folder / "index-2.html")
    TableWriter(folder / NAME).__exit__()


def test_linked_folders_are_followed_and_each_is_looked_at_once(top):
    touch(top / "a/1.png", top.parent / "elsewhere/2.png", top.parent / "elsewhere/deep/3.png")
    (top / "A link").symlink_to(top / "a")
    (top / "other").symlink_to(top.parent / "elsewhere")
    (top / "other again").symlink_to(top.parent / "elsewhere" / "deep")
    scored, notes = found(top)
    assert scored == ["a/1.png", "other/2.png", "other/deep/3.png"]
    assert notes == ["links to folders that are looked at anyway: A link and other again"]


def test_cycles_end(top):
    touch(top / "a/b/1.png")
    (top / "a/b/up").symlink_to(top)
    (top / "a/self").symlink_to(".", target_is_directory=True)
    (top / "loop.png").symlink_to("loop.png")
    (top.parent / "back").symlink_to(top)
    (top / "out").symlink_to(top.parent, target_is_directory=True)
    scored, notes = found(top)
    assert scored == ["a/b/1.png", "loop.png"]  # the loop is scored, which says why it cannot be
    (note,) = notes
    assert note.startswith("links to folders that are looked at anyway: ")
    assert all(name in note for name in ("a/b/up", "a/self", "out/back"))


def test_linked_files_are_scored_once_and_dangling_ones_have_a_row(top):
    touch(top / "b.png", top.parent / "outside.png", top / "c.txt")
    for name, target in {
        "a.png": "b.png",
        "gone.png": "nowhere.png",
        "gone too.png": "nowhere.png",
        "here.png": "../outside.png",
        "here too.jpg": "../outside.png",
        "no extension": "../outside.png",
        "text.png": "c.txt",
    }.items():
        (top / name).symlink_to(target)
    scored, notes = found(top)
    assert scored == ["b.png", "gone too.png", "gone.png", "here too.jpg", "text.png"]
    assert notes == ["links to images that are scored anyway: a.png and here.png"]
    assert find_photographs(top, top / "found").left_out == 2


def test_hard_links_are_files_of_their_own(top):
    touch(top / "a.png")
    os.link(top / "a.png", top / "b.png")
    assert found(top) == (["a.png", "b.png"], [])


def test_own_pictures_are_known_by_their_table(top):
    touch(top / "1.png", top / "heatmaps/mine.png", top / "new/photo.png", top / "new/notes.txt")
    for name in ("new", "earlier"):
        output_of_a_prediction(top / name)
    touch(top / "earlier/heatmaps of mine/a.png")
    scored, notes = found(top, top / "new")
    assert scored == [
        "1.png",
        "earlier/heatmaps of mine/a.png",
        "heatmaps/mine.png",
        "new/photo.png",
    ]
    assert notes == [
        "pictures of earlier predictions: earlier/heatmaps, earlier/masks, earlier/thumbnails, "
        "new/heatmaps, new/masks and 1 more"
    ]
    assert find_photographs(top, top / "new").left_out == 1


def test_a_table_of_someone_else_hides_nothing(top):
    touch(top / "x/heatmaps/a.png")
    (top / "x" / NAME).write_text("path,score\n")
    assert found(top) == (["x/heatmaps/a.png"], [])
    (top / "x" / NAME).write_bytes(b"\xff\x00" * 9)
    assert found(top) == (["x/heatmaps/a.png"], [])


@pytest.mark.parametrize("images", ["", "heatmaps", "heatmaps/a.png", "link/a.png"])
def test_no_image_is_overwritten_by_pictures_of_another(top, images):
    touch(top / "b.png", top / "heatmaps/a.png")
    (top / "link").symlink_to(top / "heatmaps")
    output = top if images else top.parent / "found"
    if not images:
        output.mkdir()
        (output / "masks").symlink_to(top)
    with pytest.raises(UserError, match=r"--output=.*lies where pictures are written"):
        find_photographs(top / images, output)


def test_hidden_images_are_told(top):
    touch(top / "a.png", top / ".b.png", top / ".git/c.png", top / ".DS_Store")
    assert found(top) == (["a.png"], ["hidden: .b.png and .git"])
    (top / "a.png").unlink()
    with pytest.raises(UserError, match=r"holds no images \(.*\); hidden: \.b\.png and \.git"):
        find_photographs(top, top / "found")


def test_names_in_notes_are_one_line(top):
    touch(top / "a.png", top / ".x\n\x1b[31m\udcff.png")
    (note,) = found(top)[1]
    assert note == r"hidden: .x\n\x1b[31m\udcff.png"


def test_folders_that_cannot_be_listed_have_a_row(top, monkeypatch):
    touch(top / "a.png", top / "closed/b.png")
    whole = os.listdir

    def refuse(folder):
        if Path(folder) in closed:
            raise PermissionError(13, "Permission denied")
        return whole(folder)

    monkeypatch.setattr(os, "listdir", refuse)
    closed = [top / "closed"]
    _, row = find_photographs(top, top / "found").photographs
    assert (row.shown, row.error) == ("closed", f"cannot list {top / 'closed'}: Permission denied")
    closed = [top]
    with pytest.raises(UserError, match=r"--images=.*: cannot list .*: Permission denied"):
        find_photographs(top, top / "found")


def test_what_is_no_folder_and_no_file_is_refused(top):
    os.mkfifo(top / "pipe.png")
    with pytest.raises(UserError, match="is neither a folder nor a file"):
        find_photographs(top / "pipe.png", top / "found")
    assert found(top)[0] == ["pipe.png"]  # its row says what it is


@pytest.mark.parametrize("seed", range(25))
def test_of_any_tree_every_image_is_scored_once(tmp_path, seed):
    random = np.random.default_rng(seed)
    folders, entries = [tmp_path / "images", tmp_path / "outside"], []
    for folder in folders:
        folder.mkdir()
    for number in range(random.integers(5, 30)):
        path = folders[random.integers(len(folders))] / f"{number}.png"
        kind = random.integers(4)
        if kind == 0:
            folders.append(path.with_suffix(""))
            folders[-1].mkdir()
        elif kind == 1:
            path.touch()
        else:
            targets = [*folders, *entries, path.with_name("nowhere.png"), path]
            path.symlink_to(targets[random.integers(len(targets))])
        entries += [path] if kind else []
    (tmp_path / "images" / "first.png").touch()
    scored = find_photographs(tmp_path / "images", tmp_path / "found").photographs
    files = [os.path.realpath(one.path) for one in scored if os.path.exists(one.path)]
    dangling = [one.path for one in scored if not os.path.exists(one.path)]
    dangling = [os.path.join(os.path.realpath(path.parent), path.name) for path in dangling]
    assert (sorted(files), sorted(dangling)) == reachable(tmp_path / "images")
    assert len({one.name for one in scored}) == len(scored)


def reachable(folder):
    """The real files in and below a folder, through all links, and the links that lead nowhere."""
    files, dangling, seen, left = set(), set(), set(), [os.path.realpath(folder)]
    while left:
        path = left.pop()
        real = os.path.realpath(path)
        if os.path.isfile(real):
            files.add(real)
        elif not os.path.isdir(real):
            dangling.add(path)
        elif real not in seen:
            seen.add(real)
            left += [os.path.join(real, name) for name in os.listdir(real)]
    return sorted(files), sorted(dangling)


parts = st.sampled_from(["a", "A", "b", "é", "e\u0301", "a.png", "a.jpg", "a.png-2", "x" * 251])
files = st.builds(
    lambda folders, name, extension: Path(*folders, name + extension),
    st.lists(parts, max_size=2),
    parts,
    st.sampled_from([*EXTENSIONS, ".PNG"]),
)


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(st.sets(files, min_size=1, max_size=8))
def test_no_two_pictures_share_a_path(paths):
    files = sorted(path for path in paths if not any(path in other.parents for other in paths))
    names = unique_names(files)
    pictures = [Path(f"{name}{suffix}") for name in names for suffix in (".png", ".jpg")]
    keys = {unicodedata.normalize("NFC", str(path)).casefold() for path in pictures}
    assert len(keys) == len(pictures)
    above = {parent for path in pictures for parent in path.parents}
    assert above.isdisjoint(pictures)
    for path, name in zip(files, names, strict=True):
        assert Path(name).parent == path.parent
        assert len(os.fsencode(Path(name).name)) + 4 <= 255
        if len(path.name) < 250:
            assert Path(name).name.startswith(path.stem)


def test_usual_names():
    paths = [
        Path(name) for name in ("a.jpg", "a.png", "a.png.bmp", "b.png", "c.png", "c.png.png/d.bmp")
    ]
    names = unique_names(paths)
    assert names == ["a.jpg", "a.png", "a.png.bmp", "b", "c", "c.png.png/d"]
    assert unique_names([Path("c.bmp"), Path("c.png/d.bmp")]) == ["c.bmp", "c.png/d"]
    (long,) = unique_names([Path("x" * 251 + ".png")])
    assert long == "x" * 251
    long = unique_names([Path("ä" * 125 + extension) for extension in (".png", ".bmp")])
    assert all(re.fullmatch(r"ä+-[0-9a-f]{12}", name) for name in long)
