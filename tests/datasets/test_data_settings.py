"""The config's section `data`: what it may hold, and splits that share no image."""

import math

import pytest

from adjax.datasets.settings import CategoryData, ClassData, overlap
from adjax.errors import UserError
from adjax.settings import as_dict, read

VALUES = [None, True, -1, 0, 10**12, 0.5, 1.0, math.nan, math.inf, "", "word", (), (1,), {}]
ACCEPTED = {
    ClassData: {
        "name": ["word"],
        "dir": ["word"],
        "train_split": ["word"],
        "test_split": ["word"],
        "normal_class": [0, "word"],
        "protocol": [],
        "validation_fraction": [0, 0.5],
    },
    CategoryData: {
        "name": [],
        "dir": ["", "word"],
        "normal_class": ["", "word"],
        "good": ["", "word"],
        "validation_fraction": [0, 0.5],
        "size": [],
        "channels": [],
        "normalise": [],
        "bits": [0],
        "patch": [0],
        "crops": [""],
        "samples": [0],
    },
}


@pytest.mark.parametrize(
    ("section", "key"), [(section, key) for section, keys in ACCEPTED.items() for key in keys]
)
def test_values_of_every_key(section, key):
    accepted = []
    for value in VALUES:
        try:
            read(section(), {key: value}, "data")
        except UserError as error:
            line = str(error)
        else:
            accepted.append(value)
            continue
        if (key, value) != ("crops", "word"):  # needs a patch
            assert line.startswith(f"config.data.{key}={value!r}: ")
        assert "\n" not in line
    assert accepted == ACCEPTED[section][key]
    assert set(ACCEPTED[section]) == set(as_dict(section()))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"channels": 2}, r"channels=2: use 1 \(grey\) or 3 \(colour\)"),
        ({"size": 8193}, "size=8193: must be at least 1 and at most 8192"),
        ({"bits": 4}, "bits=4: use 0, or 8 to 16 as the camera has"),
        ({"bits": 17}, "bits=17: use 0, or 8 to 16 as the camera has"),
        ({"patch": 300}, "patch=300: must not be above data.size=256"),
        ({"crops": "rotated_crops"}, "patch=0: give the size of the rotated_crops"),
        ({"patch": 64}, "crops='': say how patches to train on are cut, or set no patch"),
        ({"name": "mnist"}, "name='mnist': choose one of mvtec_ad, "),
        ({"protocol": "leave_one_out"}, "protocol: the config has no such key"),
    ],
)
def test_relations_of_a_category(values, says):
    with pytest.raises(UserError, match=rf"^config\.data\.{says}"):
        read(CategoryData(), values, "data")


def test_stages_keep_their_names_unless_bits_are_told():
    assert "bits" in CategoryData().untrained
    assert "bits" not in CategoryData(bits=12).untrained


@pytest.mark.parametrize("protocol", ["one_class", "leave_one_out"])
def test_no_image_is_trained_on_and_tested(protocol):
    advice = r"^config\.data\.train_split='test': holds images of config\.data\.test_split='test'"
    with pytest.raises(UserError, match=advice):
        read(ClassData(), {"protocol": protocol, "train_split": "test"}, "data")
    values = {"train_split": "train[:90%]", "test_split": "train[90%:]", "normal_class": "ship"}
    assert read(ClassData(), values, "data").normal_class == "ship"


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("train", "test", False),
        ("train[:100]", "test[:100]", False),
        ("train", "train", True),
        ("train", "train[:100]", True),
        ("train[:100]", "train[100:]", False),
        ("train[:101]", "train[100:200]", True),
        ("train[200:300]", "train[100:200]", False),
        ("train[:80%]", "train[80%:]", False),
        ("train[:80%]", "train[80:]", True),
        ("train[:-100]", "train[-100:]", True),
        ("train+test", "test", True),
        ("train[:10] + test[5:10]", "test[10:20]+validation", False),
        ("train[1shard:]", "train[:1shard]", True),
        ("all", "test[:5]", True),
        ("all", "all", True),
        ("not a split!", "test", False),
    ],
)
def test_overlap_of_splits(one, other, shared):
    assert overlap(one, other) == overlap(other, one) == shared
