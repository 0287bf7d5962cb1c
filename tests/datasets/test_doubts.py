"""What is doubtful about images is said by training and by the check of data in the same words."""

import numpy as np
import pytest
from industrial_helpers import picture, write, write_rsdds

from adjax import cli
from adjax.config.layout import check, new_config
from adjax.datasets.check import check_data
from adjax.datasets.doubts import doubts
from adjax.datasets.layouts import read_index
from adjax.datasets.settings import CategoryData
from adjax.datasets.tasks import create_task
from adjax.errors import UserError

FEW = "thresholds chosen on so few depend on chance"
UNLIKE = "proportions differ"
DARK = "use only the lowest"


def photographs(folder, sizes=((12, 12),) * 30, top=None):
    for number, size in enumerate(sizes):
        array = picture(number, size)
        if top:
            array = np.random.default_rng(number).integers(0, top, size).astype(np.uint16)
            array[0, 0] = top - 1
        write(folder / f"{number:02}.png", array)
    return folder


def task_of(folder, **values):
    config = new_config("folder", "aesc_residual")
    config.data.update(dir=str(folder), normal_class="", size=16, **values)
    return create_task(check(config).data)


CASES = {
    "sound": ({}, {}, []),
    "two": ({"sizes": [(12, 12)] * 2}, {}, [FEW]),
    "a larger part": ({"sizes": [(12, 12)] * 12}, {"validation_fraction": 0.5}, []),
    "two orientations": ({"sizes": [(200, 400), (400, 200)] * 15}, {}, [UNLIKE]),
    "nearly alike": ({"sizes": [(100, 110), (110, 100)] * 15}, {}, []),
    "12 of 16 bits": ({"top": 4096}, {}, [DARK]),
    "told so": ({"top": 4096}, {"bits": 12}, []),
    "all bits": ({"top": 65536}, {}, []),
    "one bit less": ({"top": 32768}, {}, []),
    "everything": ({"sizes": [(9, 30), (30, 9)], "top": 1024}, {}, [FEW, UNLIKE, DARK]),
}


@pytest.mark.parametrize("case", CASES)
def test_training_and_check_say_the_same(tmp_path, case):
    files, values, expected = CASES[case]
    task = task_of(photographs(tmp_path, **files), **values)
    said = task.doubts()
    assert len(said) == len(expected)
    assert all(part in sentence for part, sentence in zip(expected, said, strict=True))
    report = check_data(task.index(), task.data)
    assert not report.problems
    assert set(said) <= set(report.notes)
    assert len(report.notes) - len(said) == 1 + bool(files.get("top"))  # no defects; how it is read
    assert task.facts().get("doubts", []) == said


def test_one_photograph_is_refused_by_both(tmp_path):
    task = task_of(photographs(tmp_path, [(12, 12)]))
    with pytest.raises(UserError, match="of 1 none is held out") as caught:
        task.tested([{"seed": 0}])
    report = check_data(task.index(), task.data)
    assert report.problems == (("held out", str(caught.value)),)


def test_verb_says_them_before_training(tmp_path, monkeypatch, capsys):
    from adjax import experiment

    said = []
    monkeypatch.setattr(
        experiment, "train_and_evaluate", lambda *_, **__: said.append(capsys.readouterr().out)
    )
    monkeypatch.setattr(cli, "show_run", lambda _: 0)
    config = new_config("folder", "aesc_residual")
    config.data.update(dir=str(photographs(tmp_path / "two", [(12, 12)] * 2)), normal_class="")
    given = {"mode": "train", "config": config, "workdir": str(tmp_path / "run")}
    flags = type("Flags", (), given | {"accept_changed_data": False})
    assert cli.train(flags) == 0
    (printed,) = said
    assert printed.startswith("note: of 2 normal images 1 is held out, and ")
    assert printed.count("\n") == 1


def test_crops_have_the_proportions_of_crops(tmp_path):
    write_rsdds(tmp_path / "Type-II RSDDs dataset")
    index = read_index("rsdds", str(tmp_path), "type_ii")
    assert not any(UNLIKE in sentence for sentence in doubts(index, CategoryData()))


def test_classes_have_none():
    config = new_config("mnist", "ae")
    assert create_task(check(config).data).doubts() == []


def test_a_crop_beyond_its_image_does_not_end_the_check(tmp_path):
    write_rsdds(tmp_path / "Type-II RSDDs dataset")
    index = read_index("rsdds", str(tmp_path), "type_ii")
    image = tmp_path / "Type-II RSDDs dataset" / "Rail surface images" / "rail_1.jpg"
    write(image, picture(1, (12, 10)), quality=95)
    report = check_data(index)
    assert [kind for kind, _ in report.problems] == ["ground truth"]
    assert "35 high and 10 wide but its image rail_1.jpg is 12 high" in report.problems[0].text
