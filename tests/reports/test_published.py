import math

import pytest

from adjax.reports import published as module
from adjax.reports.published import (
    auxiliary_average,
    find_table,
    number_of_classes,
    published,
    published_mean,
)

TABLES = {
    "mnist": (module.TABLE_1_MNIST, 3),
    "cifar10": (module.TABLE_1_CIFAR10, 3),
    "mvtec_pixel": (module.TABLE_2, 2),
    "aesc_image": (module.AESC_IMAGE, 2),
    "aesc_pixel": (module.AESC_PIXEL, 2),
}
# Means that do not follow from the rounded entries above them: 0.936 was printed as 0.93.
MISPRINTS = {("mvtec_pixel", "objects", "sdn")}


@pytest.mark.parametrize("name", TABLES)
def test_printed_means_follow_from_the_entries(name):
    table, digits = TABLES[name]
    off = set()
    for group, (classes, printed) in table.means.items():
        for index, column in enumerate(table.columns):
            mean = math.fsum(table.rows[c][index] for c in classes) / len(classes)
            if abs(mean - printed[index]) > 0.5 * 10**-digits + 1e-9:
                off.add((name, group, column))
    assert off == {entry for entry in MISPRINTS if entry[0] == name}


@pytest.mark.parametrize("table", [*(table for table, _ in TABLES.values()), module.TABLE_3])
def test_every_row_has_a_value_for_every_column(table):
    assert table.source
    for row in table.rows.values():
        assert len(row) == len(table.columns)
        assert all(0.4 < value <= 1 for value in row)


def test_auxiliary_sets_end_in_the_averages_of_table_1():
    for column, table in (("mnist", module.TABLE_1_MNIST), ("cifar10", module.TABLE_1_CIFAR10)):
        index = module.TABLE_3.columns.index(column)
        average = dict(zip(table.columns, table.means["average"].values, strict=True))
        assert module.TABLE_3.rows["rotation"][index] == average["oe_sdn"]
        assert module.TABLE_3.rows["none"][index] == average["sdn"]


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (("mnist", "oe_sdn", 3), 0.974),
        (("mnist", "oe_sdn", "3"), 0.974),
        (("cifar10", "ae", 0), 0.790),
        (("cifar10", "deep_svdd", "truck"), 0.731),
        (("mvtec_ad", "oe_sdn", "Metal nut", "pixel_auroc"), 0.93),
        (("mvtec_ad", "aesc_residual", "screw"), 0.74),
        (("mvtec_ad", "aesc_uncertainty", "screw", "pixel_auroc"), 0.95),
        (("mvtec_ad", "oe_sdn", "screw"), None),
        (("mnist", "aesc", 3), None),
        (("mnist", "ae", 10), None),
        (("folder", "ae", "bolt"), None),
    ],
)
def test_lookup(arguments, value):
    assert published(*arguments) == value


def test_other_auxiliary_sets_are_published_as_averages():
    assert published("mnist", "oe_sdn", 3, auxiliary="shearing") is None
    assert find_table("mnist", "oe_sdn", auxiliary="shearing") is module.TABLE_3
    classes = [str(c) for c in range(10)]
    assert published_mean("mnist", "oe_sdn", classes, auxiliary="shearing") == 0.958
    assert published_mean("mnist", "oe_sdn", classes[:9], auxiliary="shearing") is None
    assert (
        published_mean("mnist", "oe_sdn", classes) == 0.975
    )  # as printed; the entries give 0.9748
    assert published_mean("mnist", "oe_sdn", ["3", "8"]) == pytest.approx(0.9475)
    assert published_mean("mnist", "oe_sdn", classes, auxiliary="snow") is None
    assert auxiliary_average("cifar10", "none") == 0.616
    assert auxiliary_average("fashion_mnist", "none") is None


def test_tables_are_found_by_method():
    assert find_table("mvtec_ad", "sdn", "pixel_auroc") is module.TABLE_2
    assert find_table("mvtec_ad", "ae_l2", "pixel_auroc") is module.AESC_PIXEL
    assert find_table("folder", "sdn") is None


def test_number_of_classes():
    assert [number_of_classes(name) for name in ("mnist", "mvtec_ad", "folder")] == [10, 15, None]
