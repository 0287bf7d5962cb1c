from adjax.reports.places import fill, has_place, place


def test_a_place_is_filled_and_nothing_else_changes():
    page = f"by hand\n\n{place('table', 'a.b', 'old')}\n\n{place('table', 'axb', 'stays')}\nend\n"
    assert has_place(page, "table", "a.b")
    assert not has_place(page, "table", "a")
    assert not has_place(page, "results", "a.b")
    filled = fill(page, "table", "a.b", r"new \1")
    assert filled == page.replace("old", r"new \1")
    assert fill(filled, "table", "a.b", "old") == page
