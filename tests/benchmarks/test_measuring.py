"""Repeats and their ratios, the order of blocks, and processes that hold a side."""

import multiprocessing
import os

import pytest

from adjax.errors import UserError
from benchmarks.cases import Program
from benchmarks.measuring import WARM_UP_STEPS, Repeats, Worker, alternate, competition

TRAIN, SCORE = Program("train"), Program("score")


def test_median_and_spread():
    repeats = Repeats((3.0, 1.0, 2.0))
    assert repeats.median == 2.0
    assert repeats.spread == 1.0


def test_ratios_are_taken_within_a_repeat():
    """The machine was three times slower in the second repeat, for both sides."""
    theirs, ours = Repeats((2.0, 6.0, 2.2)), Repeats((1.0, 3.0, 1.0))
    assert theirs.over(ours).values == (2.0, 2.0, 2.2)
    assert theirs.over(ours).median == 2.0
    assert theirs.over(ours).spread == pytest.approx(0.1)


def test_repeats_of_different_numbers_have_no_ratio():
    with pytest.raises(ValueError, match="shorter"):
        Repeats((1.0, 2.0)).over(Repeats((1.0,)))


class Recorded:
    """A worker whose steps take a given time and are written down."""

    def __init__(self, name, step_seconds, blocks):
        self.name, self.step_seconds, self.blocks = name, step_seconds, blocks

    def seconds(self, program, steps):
        self.blocks.append((self.name, steps))
        return steps * self.step_seconds


def test_blocks_come_in_turns_and_last_as_long():
    blocks = []
    slow, fast = Recorded("slow", 4.0, blocks), Recorded("fast", 0.5, blocks)
    times = alternate([(slow, TRAIN), (fast, TRAIN)], repeats=3, seconds=2.0)
    # A block of the slow one is a step, though that takes longer than a block should.
    assert blocks[4:] == 3 * [("slow", 1), ("fast", 4)]
    assert [repeats.values for repeats in times] == [(4.0,) * 3, (0.5,) * 3]


def test_without_a_length_a_block_is_a_step():
    blocks = []
    (times,) = alternate([(Recorded("one", 0.5, blocks), TRAIN)], repeats=2, seconds=0)
    assert blocks == 2 * [("one", 1)]
    assert times.values == (0.5, 0.5)


def test_a_worker_times_a_side_in_its_own_process():
    with Worker("fake_side:Side", 0.01) as worker:
        assert worker.prepare(TRAIN) == {"images": 7}
        assert 0.03 <= worker.seconds(TRAIN, 3) < 3
        assert worker.peak_bytes() > 1e6
        assert worker.call("greet") == "hello"
        (pid,) = worker._pool._processes
        assert pid != os.getpid()


def test_preparing_warms_up_once():
    with Worker("fake_side:Side", 0.2) as worker:
        worker.prepare(TRAIN)
        elapsed = os.times().elapsed
        worker.prepare(TRAIN)
        assert os.times().elapsed - elapsed < WARM_UP_STEPS * 0.2


def test_competition_ends_with_its_context():
    with competition():
        (process,) = multiprocessing.active_children()
        assert process.is_alive()
    assert not process.is_alive()


def test_errors_of_the_process_are_raised_here():
    with pytest.raises(UserError, match="--time=backwards: not here"):
        Worker("fake_side:Side", -1)
    with Worker("fake_side:Side", 0.0) as worker, pytest.raises(RuntimeError, match="cannot score"):
        worker.prepare(SCORE)
