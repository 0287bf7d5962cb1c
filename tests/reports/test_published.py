import math

import pytest

from adjax.reports.published import (
    RECORDED,
    TABLES,
    VARIANTS,
    find_table,
    number_of_classes,
    published,
    published_mean,
    recorded,
    variant_average,
)

# Means that do not follow from the rounded entries above them: 0.936 was printed as 0.93.
MISPRINTS = {("mvtec_ad", "pixel_auroc", "objects", "sdn")}


def test_printed_means_follow_from_the_entries():
    off = set()
    for table in TABLES:
        digits = 3 if table.dataset in ("mnist", "cifar10") else 2
        for group, printed in table.means.items():
            classes = table.classes(group)
            for index, column in enumerate(table.columns):
                mean = math.fsum(table.rows[c][index] for c in classes) / len(classes)
                if abs(mean - printed[index]) > 0.5 * 10**-digits + 1e-9:
                    off.add((table.dataset, table.metric, group, column))
    assert off == MISPRINTS
    assert sum(len(table.means) for table in TABLES) == 10


@pytest.mark.parametrize("table", [*TABLES, *VARIANTS])
def test_every_row_has_a_value_for_every_column(table):
    assert table.source
    for row in [*table.rows.values(), *table.means.values()]:
        assert len(row) == len(table.columns)
        assert all(0.4 < value <= 1 for value in row)


@pytest.mark.parametrize("dataset", ["mnist", "cifar10"])
def test_auxiliary_sets_end_in_the_averages_of_table_1(dataset):
    table = find_table(dataset, "oe_sdn")
    average = dict(zip(table.columns, table.means["all"], strict=True))
    assert variant_average(dataset, "oe_sdn", "rotation") == average["oe_sdn"]
    assert variant_average(dataset, "oe_sdn", "none") == average["sdn"]


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (("mnist", "oe_sdn", "3"), 0.974),
        (("cifar10", "ae", "airplane"), 0.790),
        (("cifar10", "deep_svdd", "truck"), 0.731),
        (("mvtec_ad", "oe_sdn", "Metal nut", "pixel_auroc"), 0.93),
        (("mvtec_ad", "aesc_residual", "screw"), 0.74),
        (("mvtec_ad", "aesc_uncertainty", "screw", "pixel_auroc"), 0.95),
        (("mvtec_ad", "oe_sdn", "screw"), None),
        (("mnist", "aesc", "3"), None),
        (("mnist", "ae", "10"), None),
        (("folder", "ae", "bolt"), None),
    ],
)
def test_lookup(arguments, value):
    assert published(*arguments) == value


def test_unusual_variants_are_published_as_averages():
    assert published("mnist", "oe_sdn", "3", variant="shearing") is None
    assert find_table("mnist", "oe_sdn", variant="shearing") is VARIANTS[0]
    classes = [str(c) for c in range(10)]
    assert published_mean("mnist", "oe_sdn", classes, variant="shearing") == 0.958
    assert published_mean("mnist", "oe_sdn", classes[:9], variant="shearing") is None
    assert published_mean("mnist", "oe_sdn", classes, variant="snow") is None
    assert variant_average("fashion_mnist", "oe_sdn", "none") is None
    assert variant_average("mnist", "ae", "rotation") is None


def test_means_are_as_printed_or_of_the_values():
    classes = [str(c) for c in range(10)]
    assert published_mean("mnist", "oe_sdn", classes) == 0.975  # the entries give 0.9748
    assert published_mean("mnist", "oe_sdn", ["3", "8"]) == pytest.approx(0.9475)
    assert published_mean("mnist", "oe_sdn", ["3", "10"]) is None


def test_tables_are_found_by_method():
    of_sdn, of_ae_l2 = (find_table("mvtec_ad", m, "pixel_auroc") for m in ("sdn", "ae_l2"))
    assert ("Table 2" in of_sdn.source, "ICPR" in of_ae_l2.source) == (True, True)
    assert find_table("folder", "sdn") is None


def test_number_of_classes():
    assert [number_of_classes(name) for name in ("mnist", "mvtec_ad", "folder")] == [10, 15, None]


def test_recorded_numbers_are_those_of_the_page_of_results(repository):
    page = (repository / "docs" / "results.md").read_text()
    section = page.split("<!-- results: runs/mnist/default -->")[1]
    (table,) = RECORDED
    for name, values in table.rows.items():
        line = next(line for line in section.splitlines() if line.startswith(f"| {name} |"))
        cells = [float(cell) for cell in line.split("|")[2:-1]]
        assert (cells[2], cells[4]) == tuple(values)  # AE, paper, SDN, paper, OE-SDN, paper
    assert recorded("mnist", "oe_sdn", ["3"])[0] == 0.983
    assert recorded("mnist", "oe_sdn", ["3", "10"]) is None
    assert recorded("cifar10", "oe_sdn", ["3"]) is None
