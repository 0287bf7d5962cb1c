"""No name of a file becomes a formula in a spreadsheet, and every name can be had back."""

import csv

import hypothesis
import hypothesis.strategies as st
import pytest

from adjax.reports import prediction_table
from adjax.reports.prediction_table import COLUMNS, TableWriter, escaped, original, read_rows

texts = st.text(st.sampled_from("=+-@\t\r\n'\"\uff1d,;ab \udcff"), max_size=6) | st.text(
    st.characters(exclude_categories=()), max_size=6
)


@hypothesis.given(texts)
def test_texts_come_back_and_begin_no_formula(text):
    assert original(escaped(text)) == text
    assert not escaped(text).startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"))
    if text[:1].isalnum():
        assert escaped(text) == text


@hypothesis.settings(deadline=None)
@hypothesis.given(st.lists(st.tuples(texts, texts), max_size=5))
def test_a_table_comes_back(tmp_path_factory, names):
    # Half of a pair of surrogates is no name of a file: only those of undecodable bytes are.
    names = [[name.encode("utf-8", "ignore").decode() for name in pair] for pair in names]
    path = tmp_path_factory.mktemp("table") / "predictions.csv"
    with TableWriter(path) as table:
        table.write({"path": name, "error": error, "image_score": -0.5} for name, error in names)
    assert prediction_table.is_table(path)
    rows = list(read_rows(path))
    assert [[row["path"], row["error"]] for _, row in rows] == names
    last = [place for place, _ in rows][::-1]
    assert [row for _, row in read_rows(path, last)] == [row for _, row in rows][::-1]


def test_texts_are_quoted_and_numbers_are_numbers(tmp_path):
    with TableWriter(tmp_path / "t.csv") as table:
        table.write([{"path": "=HYPERLINK(1)", "image_score": -0.25, "defect_pixels": 3}])
        table.write([{"path": "a;=1", "error": "@b", "image_score": 1e-7}])
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines[0] == ",".join(f'"{name}"' for name in COLUMNS)
    assert lines[1].startswith('"\'=HYPERLINK(1)",-0.25,"","","","","",3,')
    assert lines[2].startswith('"a;=1",1e-07,')
    assert lines[2].endswith(',"\'@b"')
    with (tmp_path / "t.csv").open(newline="") as file:  # as the documentation tells a program to
        paths = [row["path"].removeprefix("'") for row in csv.DictReader(file)]
    assert paths == ["=HYPERLINK(1)", "a;=1"]


@pytest.mark.parametrize(
    "content",
    [b"", b"path\n", b"\xff\xfe\x00", b'"path,', b"x" * 10**5, ",".join(COLUMNS).encode()[:-1]],
)
def test_other_files_are_no_tables(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    assert not prediction_table.is_table(tmp_path / "t.csv")
    assert not prediction_table.is_table(tmp_path)
    assert not prediction_table.is_table(tmp_path / "absent.csv")


def test_tables_of_earlier_versions_are_known(tmp_path):
    unquoted = ",".join(COLUMNS)
    without_rules = (
        '"path","image_score","threshold","decision","defect_pixels","defect_area_percent",'
        '"number_of_regions","largest_region_pixels","heatmap","mask","error"'
    )
    for header in (unquoted, without_rules):
        (tmp_path / "t.csv").write_text(header + "\r\na.png,0.5\r\n")
        assert prediction_table.is_table(tmp_path / "t.csv")
