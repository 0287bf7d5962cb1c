"""Images are told apart by their bytes, then by their names; files are read once."""

import json
import os
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from industrial_helpers import picture, write, write_mvtec, write_rsdds

from adjax.datasets import digests
from adjax.datasets.contents import Record, compare, contents_of_files
from adjax.datasets.layouts import read_index
from adjax.datasets.settings import CategoryData, ClassData
from adjax.datasets.tasks import create_task
from adjax.errors import UserError

ANYTHING = st.characters(codec=None)  # lone surrogates too: names are bytes
NAMES = st.text(ANYTHING, min_size=1, max_size=3)
FILES = st.dictionaries(NAMES, st.sampled_from("abcdef"), min_size=1, max_size=8)


def contents(files):
    """Contents of files, given what stands in each."""
    return contents_of_files("set", {name: (len(text), text) for name, text in files.items()})


@settings(deadline=None)
@given(FILES, FILES)
def test_every_image_has_one_fate(earlier, now):
    changes = compare(contents(earlier), contents(now))
    assert {*changes.kept, *changes.removed} == set(earlier)
    assert {*changes.kept.values(), *changes.added} == set(now)
    assert len(set(changes.kept.values())) == len(changes.kept)
    assert not {*changes.kept} & {*changes.removed}
    for name, today in changes.kept.items():
        assert (name == today) if today in changes.changed else earlier[name] == now[today]
    assert set(changes.renamed) == {t for n, t in changes.kept.items() if n != t}
    same = sorted(earlier.values()) == sorted(now.values())
    assert changes.matter == (not same)
    assert (changes.in_words() == "") == (earlier == now)
    assert list(changes.kept) == [name for name in earlier if name in changes.kept]
    assert len(changes.in_words().splitlines()) <= 1
    changes.in_words().encode()


@settings(deadline=None)
@given(FILES, st.randoms(use_true_random=False))
def test_the_order_of_a_listing_does_not_matter(files, random):
    names = list(files)
    random.shuffle(names)
    assert contents({name: files[name] for name in names}).digest == contents(files).digest


@pytest.mark.parametrize(
    ("now", "words"),
    [
        ("b:x c:y", "1 image was removed (a)"),
        ("a:w b:x c:y d:z e:q", "2 images were added (d, e)"),
        ("a:v b:x c:y", "1 image was changed (a)"),
        ("a:w b:x d:y", "1 image was renamed (d)"),
        # All files of a folder are numbered anew when one is gone: nothing is changed but that.
        ("a:x b:y", "1 image was removed (c), 2 renamed (a, b)"),
        ("a:x b:w c:y", "2 images were renamed (b, a)"),
        ("a:w b:x c:y é:v", "1 image was added (é)"),
        ("a:w b:x c:y \udcff:v", r"1 image was added ('\udcff')"),
        (
            " ".join(f"n{i}:{i}" for i in range(5)),
            "5 images were added (n0, n1, n2 and 2 more), 3 removed (a, b, c)",
        ),
    ],
)
def test_changes_in_words(now, words):
    earlier, now = (dict(p.split(":") for p in text.split()) for text in ("a:w b:x c:y", now))
    changes = compare(contents(earlier), contents(now))
    if "renamed" in words and "removed" in words:
        assert sorted(changes.renamed) == ["a", "b"]
        assert len(changes.removed) == 1
        assert changes.added == changes.changed == ()
    else:
        assert changes.in_words() == words


NAMES_OF = st.lists(NAMES).map(tuple)


@settings(deadline=None)
@given(FILES, st.lists(NAMES_OF).map(tuple), NAMES_OF)
def test_records_are_read_as_they_were_written(files, held_out, changes):
    record = Record(contents(files), held_out, {"reference_median": 0.1}, changes)
    stored = json.dumps(record.as_json())
    assert Record.from_json(json.loads(stored)) == record


@pytest.mark.parametrize("key", ["source", "images", "content", "files", "held_out", "kept"])
def test_records_that_lack_a_key_are_refused(key):
    stored = Record(contents({"a": "x"}), (("a",),)).as_json()
    with pytest.raises(ValueError, match="it is of another version of adjax"):
        Record.from_json({k: v for k, v in stored.items() if k != key})


# Files.


def test_a_file_is_read_again_only_after_it_was_written(tmp_path, monkeypatch):
    path = write(tmp_path / "a.png", picture(0))
    first = digests.digest_of(path)
    monkeypatch.setattr("builtins.open", None)  # nothing may be read
    assert digests.digests_of([path, path]) == [first, first]
    monkeypatch.undo()
    content, times = bytearray(path.read_bytes()), path.stat()
    content[-20] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # as a copying program would
    assert path.stat().st_size == times.st_size
    assert digests.digest_of(path) != first
    assert digests.stamp(tmp_path / "none") == ()
    with pytest.raises(UserError, match=r"cannot read .*none"):
        digests.digest_of(tmp_path / "none")


def test_written_files_are_read_anew(tmp_path):
    task = category(write_mvtec(tmp_path / "part").parent)
    before = task.training_table().image[0].copy()
    write(tmp_path / "part/train/good/000.png", picture(77))
    assert (task.training_table().image[0] != before).any()
    assert read_index("folder", str(tmp_path), "part").stamps


def category(directory, name="mvtec_ad", category="part"):
    data = CategoryData(
        name, str(directory), category, validation_fraction=0.4, size=12, channels=1
    )
    return create_task(data)


def test_decoded_files_are_not_read_again_for_their_digests(tmp_path, monkeypatch):
    task = category(write_mvtec(tmp_path / "part").parent)
    task.training_table()
    tested = task.tested([{"seed": 0, "data.normal_class": "part"}]).table
    monkeypatch.setattr(digests.hashlib, "file_digest", None)
    contents = task.contents()
    assert list(contents.files) == [f"train/good/00{number}.png" for number in range(3)]
    for name, (size, _) in contents.files.items():
        assert size == (tmp_path / "part" / name).stat().st_size
    assert len(task.tested_digest(tested)) == len(contents.digest)


def test_test_images_are_told_by_names_bytes_and_masks(tmp_path):
    root = write_mvtec(tmp_path / "part")
    task, member = category(tmp_path), [{"seed": 0, "data.normal_class": "part"}]
    known = [task.tested_digest(task.tested(member).table)]
    trained = task.contents()
    mask, image = root / "ground_truth/cut/000_mask.png", root / "test/cut/000.png"
    for change in (
        lambda: write(image, picture(99)),
        lambda: mask.write_bytes((root / "ground_truth/cut/001_mask.png").read_bytes() + b"\0"),
        mask.unlink,
        lambda: image.rename(image.with_name("777.png")),
        lambda: write(root / "test/good/9.png", picture(98)),
        (root / "test/good/000.png").unlink,
    ):
        change()
        known.append(task.tested_digest(task.tested(member).table))
        assert known[-1] not in known[:-1]
    assert task.contents() == trained


def test_crops_are_images_of_one_file(tmp_path):
    write_rsdds(pathlib.Path(tmp_path) / "Type-I RSDDs dataset")
    found = category(tmp_path, "rsdds", "type_i").contents()
    assert len({name.partition("@")[0] for name in found.files}) < len(found.files) == found.images


def test_tables_of_classes_are_told_by_version_and_content():
    one, other, pool = (
        create_task(ClassData(train_split="train[:200]", test_split=test, protocol=protocol))
        for test, protocol in (
            ("test[:50]", "one_class"),
            ("test[:60]", "one_class"),
            ("test[:50]", "leave_one_out"),
        )
    )
    assert one.contents()._replace(digest="") == ("mnist 3.0.1, train[:200]", 200, "", {})
    assert one.contents() == other.contents()
    assert one.tested_digest(None) != other.tested_digest(None)
    assert pool.contents().images == 250
    changes = compare(one.contents(), pool.contents())
    assert changes.matter
    assert changes.in_words().startswith("mnist 3.0.1, train[:200] (200 images) became mnist")
    edited = compare(one.contents(), one.contents()._replace(digest="0" * 32))
    assert edited.in_words() == "mnist 3.0.1, train[:200] (200 images) has other images now"
