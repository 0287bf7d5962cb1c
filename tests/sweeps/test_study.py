"""What is drawn, who goes on from a rung, and what a killed process leaves."""

import math

import pytest

from adjax import grid
from adjax.errors import UserError
from adjax.sweeps.study import Design, Study

DRAWN = {
    "rate": grid.loguniform(1e-4, 1e-1),
    "weight": grid.uniform(0.25, 0.75),
    "blocks": grid.integers(1, 3),
    "widths": grid.choice([(4, 8), (8, 8), "wide"]),
}
ASHA = Design("tpe", 0, "asha", 3, 2)


def design(**changes):
    return Design(**{**vars(ASHA), **changes})


def drawn(study):
    return [trial.values for trial in study.trials()]


def losses(count, batch):
    """Made-up objectives: all different, in no order."""
    return [((7 * (number + 13 * batch)) % 31) / 31 for number in range(count)]


def search(study, batches, size=8):
    """What `search` does, with made-up objectives; yields after every line of the journal."""
    for batch in range(batches):
        missing = (batch + 1) * size - len(study.trials())
        if missing > 0:
            study.ask(missing)
            yield
        for rung in (1, 2, 3):
            trials = study.trials()[batch * size : (batch + 1) * size]
            here = [t for t in trials if t.state == "running" and len(t.reported) >= rung - 1]
            for trial in here:
                if rung not in trial.reported:
                    study.report(
                        trial.number, rung, losses(size, batch)[trial.number % size] / rung
                    )
                    yield
            due = [t.number for t in here if max(study.trials()[t.number].reported) == rung]
            if rung < 3:
                study.judge(due)
            else:
                for number in due:
                    study.finish(number, study.trials()[number].reported[3])
                    yield


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_values_are_within_what_was_declared(tmp_path, sampler):
    study = Study(tmp_path, DRAWN, design(sampler=sampler))
    for _ in search(study, 3):
        pass
    for values in drawn(study):
        assert values.keys() == DRAWN.keys()
        assert 1e-4 <= values["rate"] <= 1e-1
        assert 0.25 <= values["weight"] <= 0.75
        assert values["blocks"] in (1, 2, 3)
        assert values["widths"] in ((4, 8), (8, 8), "wide")
    assert len({values["rate"] for values in drawn(study)}) == 24
    below = sum(values["rate"] < 3e-3 for values in drawn(study)[:8])
    assert 1 <= below <= 7  # by its logarithm: uniform draws would hardly ever be below


def test_half_of_a_batch_goes_on_and_half_of_that(tmp_path):
    study = Study(tmp_path, DRAWN, ASHA)
    for _ in search(study, 1):
        pass
    ordered = sorted(study.trials(), key=lambda trial: trial.reported[1])
    assert [t.state for t in ordered] == ["finished"] * 2 + ["stopped"] * 6
    assert [len(t.reported) for t in ordered] == [3, 3, 2, 2, 1, 1, 1, 1]


def test_later_trials_are_judged_by_all_that_reached_the_rung(tmp_path):
    study = Study(tmp_path, DRAWN, ASHA)
    study.ask(8)
    for number in range(4):
        study.report(number, 1, 0.1 * number)
    assert study.judge(range(4)) == [0, 1]
    for number in range(4, 8):
        study.report(number, 1, 1.0 + number)
    assert study.judge(range(4, 8)) == []  # four of eight may go on, and none of these is one


def test_high_objectives_are_the_best_where_they_are_to_be_high(tmp_path):
    study = Study(tmp_path, DRAWN, design(maximize=True))
    study.ask(4)
    for number in range(4):
        study.report(number, 1, 0.1 * number)
    assert study.judge(range(4)) == [2, 3]


def test_trial_that_diverged_stops_and_the_sampler_learns_of_it(tmp_path):
    study = Study(tmp_path, DRAWN, ASHA)
    study.ask(4)
    study.explain(0, "the loss is nan")
    for number, value in enumerate((math.nan, 0.3, 0.2, 0.1)):
        study.report(number, 1, value)
    assert study.judge(range(4)) == [2, 3]
    failed = Study(tmp_path, DRAWN, ASHA).trials()[0]
    assert (failed.state, failed.reason) == ("failed", "the loss is nan")
    study.report(3, 3, math.nan)
    study.finish(3, math.nan)
    assert study.trials()[3].state == "stopped"
    study.ask(16)  # with values that are no numbers among those it draws from


@pytest.mark.parametrize("scheduler", ["none", "median"])
def test_other_schedulers_stop_no_trial_of_the_first_batch(tmp_path, scheduler):
    study = Study(tmp_path, DRAWN, design(scheduler=scheduler))
    for _ in search(study, 1):
        pass
    assert {trial.state for trial in study.trials()} == {"finished"}
    for _ in search(study, 3):
        pass
    stopped = [trial for trial in study.trials() if trial.state == "stopped"]
    assert bool(stopped) == (scheduler == "median")


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_search_that_is_killed_anywhere_draws_the_same_trials(tmp_path, sampler):
    """After every report, and in the midst of a line: a killed process leaves no more than that."""
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    whole = Study(tmp_path / "whole", DRAWN, design(sampler=sampler))
    for _ in search(whole, 3):
        pass
    for _ in range(100):
        study = Study(tmp_path / "cut", DRAWN, design(sampler=sampler))
        if next(search(study, 3), "done") == "done":
            break
        with (tmp_path / "cut" / "trials.journal").open("ab") as journal:
            journal.write(b'{"op_code":4,"worker_id"')
    assert study.trials() == whole.trials()


def test_seed_and_number_decide_what_is_drawn(tmp_path):
    values = {}
    for seed in (0, 1):
        (tmp_path / str(seed)).mkdir()
        study = Study(tmp_path / str(seed), DRAWN, design(seed=seed))
        study.ask(3)
        study.ask(2)
        values[seed] = drawn(study)
    (tmp_path / "again").mkdir()
    again = Study(tmp_path / "again", DRAWN, ASHA)
    again.ask(5)
    assert drawn(again) == values[0] != values[1]


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
def test_damaged_journal_is_told_in_a_line(tmp_path, place):
    study = Study(tmp_path, DRAWN, ASHA)
    for _ in search(study, 2):
        pass
    path = tmp_path / "trials.journal"
    content = bytearray(path.read_bytes())
    start = content.index(b"\n", int(place * len(content)))
    content[start + 1 : start + 4] = b"\0\0\0"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"trials\.journal is damaged .*put it back from a copy"):
        Study(tmp_path, DRAWN, ASHA)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: grid.uniform(1, 1), "give a lower and a higher number"),
        (lambda: grid.uniform(0, math.inf), "give a lower and a higher number"),
        (lambda: grid.loguniform(0, 1), "must be positive"),
        (lambda: grid.loguniform(math.nan, 1), "must be positive"),
        (lambda: grid.integers(0.5, 2), "whole numbers"),
        (lambda: grid.choice([1]), "two values or more"),
        (lambda: grid.choice(["a", "b", "a"]), "each once"),
    ],
)
def test_distributions_that_are_none(make, reason):
    with pytest.raises(ValueError, match=reason):
        make()


def test_optuna_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(UserError, match=r"pip install 'adjax\[search\]'"):
        Study(tmp_path, DRAWN, ASHA)
