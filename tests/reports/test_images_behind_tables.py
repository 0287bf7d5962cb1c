"""What is to be known of the images behind tables stands beside them, wherever they are shown."""

import pytest
from markupsafe import escape

from adjax import reports
from adjax.reports.notes import on_images

CHANGES = ["2 images were added (a, b)", "1 image was removed (c)"]
OTHER = "Not all numbers are of the same test images and masks, so they do not compare: "


def on(digest):
    return {"tested_on": {"images": 60, "digest": digest}}


def sentences(*folders):
    return list(on_images([reports.read_run(folder) for folder in folders]))


def test_runs_of_the_same_images_need_no_words(write_workdir, write_industrial):
    folders = [write_workdir(f"seed{s}", members=((3, s),), **on("a")) for s in range(2)]
    folders += [write_workdir("earlier", members=((3, 2),))]  # which does not say
    folders += [write_industrial("one", members=(("screw", 0),), **on("b"))]
    assert sentences(*folders) == []


def test_other_test_images_are_told_by_set_and_by_category(write_workdir, write_industrial):
    folders = [write_workdir(f"seed{s}", members=((3, s),), **on(str(s))) for s in range(2)]
    assert sentences(*folders) == [f"{OTHER}MNIST."]
    folders = [
        write_industrial(f"{name}{seed}", members=((name, seed),), **on(digest))
        for name, seed, digest in (
            ("screw", 0, "a"),
            ("screw", 1, "b"),
            ("bottle", 0, "c"),
            ("bottle", 1, "c"),
        )
    ]
    assert sentences(*folders) == [f"{OTHER}category screw."]


def test_accepted_changes_are_told_wherever_tables_are(write_industrial):
    folder = write_industrial("run", members=(("screw", 0),), changed_data=CHANGES)
    says = "its training images changed after training had begun, which was accepted: "
    (sentence,) = sentences(folder)
    assert (
        sentence == f"MVTec AD, AESc (residual), category screw: {says}{'; then '.join(CHANGES)}."
    )
    run = reports.read_run(folder)
    assert "which was accepted" in " ".join(reports.console_table([run]).split())
    assert says in reports.write_report(folder).read_text()


@pytest.mark.parametrize("image", ["a<b", "c'd"])
def test_names_of_images_are_text_on_a_page(write_industrial, image):
    folder = write_industrial("run", changed_data=[f"1 image was added ({image})"])
    assert escape(image) in reports.write_report(folder).read_text()
