"""A run keeps its own split, whatever becomes of the images that it was trained on."""

import itertools
import json
import random
import shutil
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from adjax import provenance, workdir
from adjax.config.identity import members_of
from adjax.config.layout import check
from adjax.errors import UserError
from adjax.run import build_method, make_population
from configs import folder as folder_config
from configs import mnist

SIZE, TRAIN = 16, 10


def picture(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 256, (SIZE, SIZE), np.uint8)
    Image.fromarray(image).save(path)


class Begun(NamedTuple):
    """A run of two members on ten images, of which a stage has a checkpoint."""

    images: object  # the folder of its training images
    folder: object
    settings: object
    method: object
    members: list

    def load(self, **values):
        return provenance.load(self.settings, self.method, self.members, self.folder, **values)

    def bytes_of(self, found):
        """For each member, the contents of what it trains on and of what it holds out."""

        def of(rows):
            root = self.images.parent.parent
            return [(root / found.table.path[row]).read_bytes() for row in rows]

        return [(of(split.train), of(split.validation)) for split in found.splits]


def begin(root, steps=4, **values):
    config = folder_config.get_config("aesc_residual,smoke")
    config.data.update(dir=str(root / "data"), size=SIZE, channels=1)
    config.members = ({"seed": 0}, {"seed": 1})
    config.autoencoder.depth = 2
    config.update_from_flattened_dict(values)
    settings = check(config)
    method = build_method(settings)
    run = Begun(root / "data/train/good", root / "run", settings, method, members_of(settings, ()))
    found = run.load()
    run.folder.mkdir()
    workdir.write_data(run.folder, found.record)
    (run.folder / f"checkpoints/{method.stages[0].name}/{steps}").mkdir(parents=True)
    return run, found


@pytest.fixture
def written(tmp_path):
    for number in range(TRAIN):
        picture(tmp_path / f"data/train/good/{number:02d}.png", number)
    picture(tmp_path / "data/test/good/0.png", 100)
    picture(tmp_path / "data/test/dent/0.png", 101)
    return tmp_path


@pytest.fixture
def begun(written):
    return begin(written)


def test_what_is_recorded_is_read_again(begun):
    run, first = begun
    again = run.load()
    assert again.record == first.record == workdir.read_data(run.folder)
    assert (again.remark, again.changes, again.is_mixed) == ("", "", False)
    assert first.record.contents.images == TRAIN
    for one, other in zip(first.splits, again.splits, strict=True):
        for rows, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(rows, same, strict=True)
    held_out = [[first.table.path[row] for row in split.validation] for split in first.splits]
    assert [*map(list, first.record.held_out)] == held_out
    assert held_out[0] != held_out[1]
    for name in held_out[0]:
        assert name.startswith("train/good/")


def change(images, kind, rng, numbers):
    """Do one thing to a folder of images."""
    path = rng.choice(sorted(images.iterdir()))
    number = next(numbers)
    if kind == "add":
        picture(images / f"{rng.choice('az')}{number}.png", number)
    elif kind == "copy":
        shutil.copy(path, images / f"{rng.choice('az')}{number}.png")
    elif kind == "remove":
        path.unlink()
    elif kind == "change":
        picture(path, number)
    elif kind == "rename":
        path.rename(images / f"{rng.choice('az')}{number}.png")
    elif kind == "swap":
        other = rng.choice(sorted(images.iterdir()))
        one, two = path.read_bytes(), other.read_bytes()
        path.write_bytes(two)
        other.write_bytes(one)
    elif kind == "overwrite":
        path.write_bytes(rng.choice(sorted(images.iterdir())).read_bytes())
    elif kind == "number":  # anew
        for place, own in enumerate(sorted(images.iterdir())):
            own.rename(images / f"{place:04d}.new")
        for own in sorted(images.iterdir()):
            own.rename(own.with_suffix(".png"))


KINDS = ("add", "copy", "remove", "change", "rename", "swap", "overwrite", "number")


@pytest.mark.parametrize("seed", range(12))
def test_no_image_is_trained_on_and_held_out(begun, seed):
    run, first = begun
    rng, numbers = random.Random(seed), itertools.count(1000)
    started = run.bytes_of(first)
    trained = [set(train) for train, _ in started]
    message = "no image is left"
    for _ in range(3):
        kinds = rng.choices(KINDS, k=rng.randint(1, 3))
        for kind in kinds:
            change(run.images, kind, rng, numbers)
        try:
            evaluated = run.load(train=False, accept=True)
            resumed = run.load(accept=True)
        except UserError as error:
            message = str(error)
            break
        for found, goes_on in ((evaluated, False), (resumed, True)):
            now = run.bytes_of(found)
            for member, (train, held_out) in enumerate(now):
                assert not trained[member] & set(held_out), kinds
                assert not set(found.splits[member].train) & set(found.splits[member].validation)
                if not goes_on:
                    assert len(held_out) <= len(workdir.read_data(run.folder).held_out[member])
                    assert set(train) | set(held_out) <= {p.read_bytes() for p in _all(run)}
                elif found.changes:
                    assert len(train) + len(held_out) == len(_all(run))
                if goes_on:
                    trained[member] |= set(train)
        workdir.write_data(run.folder, resumed.record)
        # The same again is no change, and the same rows in the same order.
        again = run.load()
        for one, other in zip(resumed.splits, again.splits, strict=True):
            assert [*map(list, one)] == [*map(list, other)]
        assert again.changes == ""
    assert "no image is left" in message


def _all(run):
    return sorted(run.images.iterdir())


def held_out_of(first, member=0):
    return first.record.held_out[member]


@pytest.mark.parametrize("which", ["held out", "trained"])
@pytest.mark.parametrize("kind", ["removed", "changed", "added"])
def test_changed_images_are_told_and_refused(begun, kind, which):
    run, first = begun
    out = set(itertools.chain(*first.record.held_out))
    name = next(n for n in first.record.contents.files if (n in out) == (which == "held out"))
    path = run.images.parent.parent / name
    if kind == "removed":
        path.unlink()
    elif kind == "changed":
        picture(path, 500)
    else:
        picture(path := path.with_name("aa.png"), 500)
    says = rf"1 image was {kind} \(train/good/{path.name}\) since this run was trained: undo"
    for train in (True, False):
        with pytest.raises(UserError, match=says) as error:
            run.load(train=train)
        assert "\n" not in str(error.value)
        assert "--accept_changed_data" in str(error.value)
    with pytest.raises(UserError, match=says):
        provenance.check(run.settings, run.method, run.folder)
    found = run.load(train=False, accept=True)
    assert kind in found.changes
    assert kind in found.remark
    assert found.record == first.record  # it was trained on nothing else


def test_what_is_accepted_while_training_is_recorded(begun):
    run, first = begun
    picture(run.images / "new.png", 500)
    found = run.load(accept=True)
    assert found.is_mixed
    (said,) = found.record.changes
    assert said == "1 image was added (train/good/new.png)"
    row = found.table.path.index("train/good/new.png")
    for split, earlier in zip(found.splits, first.splits, strict=True):
        assert split.train[-1] == row
        assert len(split.validation) == len(earlier.validation)
    workdir.write_data(run.folder, found.record)
    (run.images / "new.png").unlink()
    again = run.load(accept=True)
    assert again.record.changes == (said, "1 image was removed (train/good/new.png)")
    # What it was trained on is mixed: no other run may take it for trained on either.
    run.settings.stage_cache = str(run.folder / "stages")
    assert make_population(run.settings, run.method, run.folder, again).cache is None
    assert make_population(run.settings, run.method, run.folder, first).cache is not None


def test_renamed_images_are_the_same_images_in_the_same_order(begun):
    run, first = begun
    for number, path in enumerate(_all(run)):
        path.rename(run.images / f"{100 - number}.png")
    found = run.load()
    assert found.changes == ""
    assert found.remark.startswith(f"{run.folder}: 10 images were renamed (")
    by_digest = {file: name for name, file in first.record.contents.files.items()}
    now = provenance.create_task(run.settings.data).contents().files
    for split, earlier in zip(found.splits, first.splits, strict=True):
        for rows, same in zip(split, earlier, strict=True):
            names = [by_digest[now[found.table.path[row]]] for row in rows]
            assert names == [first.table.path[row] for row in same]
            for row, place in zip(rows, same, strict=True):
                np.testing.assert_array_equal(found.table.image[row], first.table.image[place])


def test_a_copy_of_a_trained_image_is_not_held_out(begun):
    run, first = begun
    held, trained = (
        [first.table.path[row] for row in rows]
        for rows in (first.splits[0].validation, first.splits[0].train)
    )
    root = run.images.parent.parent
    shutil.copy(root / trained[0], root / held[0])
    found = run.load(train=False, accept=True)
    assert held[0] not in [found.table.path[row] for row in found.splits[0].validation]


def test_nothing_left_is_one_line(begun):
    run, first = begun
    for name in held_out_of(first):
        (run.images.parent.parent / name).unlink()
    with pytest.raises(UserError, match="no image is left of those that this run held out"):
        run.load(train=False, accept=True)
    with pytest.raises(UserError, match=r"2 images were removed"):
        run.load()


def test_test_images_and_masks_are_not_trained_on(begun):
    run, first = begun
    picture(run.images.parent.parent / "test/dent/1.png", 7)
    (run.images.parent.parent / "test/good/0.png").unlink()
    assert run.load().record == first.record


def test_a_run_that_has_not_begun_takes_the_images_of_today(begun):
    run, first = begun
    shutil.rmtree(run.folder / "checkpoints")
    picture(run.images / "new.png", 500)
    found = run.load()
    assert found.record.contents.images == TRAIN + 1
    assert found.record != first.record


def test_a_run_of_an_earlier_version_goes_on(begun):
    run, _ = begun
    (run.folder / "data.json").unlink()
    picture(run.images / "new.png", 500)
    found = run.load(train=False)
    assert found.record is None
    assert "nothing is known of the images that this run was trained on" in found.remark
    assert (found.content, found.changes) == ("", "")
    assert provenance.content_of(run.settings, run.method, run.folder) == ""
    assert sum(map(len, found.splits[0])) == TRAIN + 1
    provenance.check(run.settings, run.method, run.folder)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest": "0"}', "\x00"])
def test_a_damaged_record_is_told(begun, text):
    run, _ = begun
    path = run.folder / "data.json"
    damaged = [text] if text else [path.read_text()[:-40], path.read_text().replace("01.", "02.")]
    for content in damaged:
        path.write_text(content)
        with pytest.raises(UserError, match=r"cannot read .*data\.json \(.*\): delete it, and"):
            run.load()


def test_a_validation_split_of_the_set_stays_held_out(written):
    for number in range(2):
        picture(written / f"data/validation/good/{number}.png", 50 + number)
    run, first = begin(written)
    assert [*held_out_of(first)] == ["validation/good/0.png", "validation/good/1.png"]
    root = written / "data"
    (root / "validation/good/0.png").rename(root / "train/good/moved.png")
    picture(root / "validation/good/2.png", 60)
    found = run.load(accept=True)
    names = [found.table.path[row] for row in found.splits[0].validation]
    assert names == ["train/good/moved.png", "validation/good/1.png", "validation/good/2.png"]
    assert len(found.splits[0].train) == TRAIN


def test_images_keep_the_brightness_that_the_run_is_used_to(written):
    run, first = begin(written, **{"data.normalise": "median"})
    median = first.record.kept["reference_median"]
    for path in _all(run)[:8]:
        Image.fromarray(np.full((SIZE, SIZE), 250, np.uint8)).save(path)
    found = run.load(train=False, accept=True)
    assert found.task.facts()["reference_median"] == median
    fresh = provenance.load(run.settings, run.method, run.members)
    assert fresh.task.facts()["reference_median"] != median


def test_without_test_images_those_held_out_are_tested(written):
    shutil.rmtree(written / "data/test")
    run, first = begin(written)
    picture(run.images / "a.png", 500)
    found = run.load(train=False, accept=True)
    rows = found.splits[0].validation
    tested = found.task.tested(run.members, rows).table
    assert tested.path == held_out_of(first)


def test_names_of_stages_go_by_content(begun):
    run, first = begun

    def names(found):
        return make_population(run.settings, run.method, run.folder, found).hashes["autoencoder"]

    today = provenance.load(run.settings, run.method, run.members)
    assert names(today) == names(first)
    assert provenance.content_of(run.settings, run.method, run.folder) == first.content
    picture(_all(run)[0], 500)
    today = provenance.load(run.settings, run.method, run.members)
    assert not set(names(today)) & set(names(first))
    assert names(run.load(train=False, accept=True)) == names(first)
    assert provenance.content_of(run.settings, run.method, run.folder) == first.content
    unbegun = run.folder.with_name("other")
    assert provenance.content_of(run.settings, run.method, unbegun) == today.content


@pytest.mark.parametrize("protocol", ["one_class", "leave_one_out"])
def test_a_set_of_classes_is_known_by_its_table(tmp_path, protocol):
    config = mnist.get_config("ae,smoke")
    config.data.update(train_split="train[:300]", test_split="test[:90]", protocol=protocol)
    settings = check(config)
    method, members = build_method(settings), members_of(settings, ())

    def load(**values):
        return provenance.load(settings, method, members, tmp_path, **values)

    first = load()
    workdir.write_data(tmp_path, first.record)
    (tmp_path / "checkpoints/teacher/4").mkdir(parents=True)
    assert load().record == first.record
    assert provenance.content_of(settings, method, tmp_path) == ""
    stored = json.loads((tmp_path / "data.json").read_text())
    assert (stored["files"], stored["held_out"]) == ({}, [[]])
    other = first.record.contents._replace(digest="0" * 32)
    workdir.write_data(tmp_path, provenance.Record(other, ((),)))
    with pytest.raises(UserError, match=r"mnist 3\.0\.1, train.* has other images now since"):
        load()
    found = load(train=False, accept=True)
    assert found.changes.endswith("and its split was drawn anew")
    for rows, same in zip(found.splits[0], first.splits[0], strict=True):
        np.testing.assert_array_equal(rows, same)
