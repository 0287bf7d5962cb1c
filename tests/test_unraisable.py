"""Exceptions in finalisers and callbacks."""

import asyncio
import gc
import signal
import sys
import time

import pytest
import tensorstore

from adjax import unraisable


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)  # to be put back
    unraisable.install()


class _Finalised:
    def __init__(self, function):
        self._function = function

    def __del__(self):
        self._function()


def _interrupt():
    signal.raise_signal(signal.SIGINT)


def _in_a_finaliser():
    _Finalised(_interrupt)


def _in_a_callback_of_the_collector():
    def callback(phase, info):
        gc.callbacks.remove(callback)
        _interrupt()

    gc.callbacks.append(callback)
    gc.collect()


@pytest.mark.parametrize("interrupt", [_in_a_finaliser, _in_a_callback_of_the_collector])
def test_an_interrupt_that_python_ignores_comes_again(interrupt, capsys):
    def work():
        interrupt()
        time.sleep(60)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert capsys.readouterr().err == ""


def test_a_read_that_ends_after_its_event_loop_says_nothing(capsys):
    promise, future = tensorstore.Promise.new()

    async def give_up():
        waiting = asyncio.ensure_future(future)
        await asyncio.sleep(0)
        del waiting

    asyncio.run(give_up())
    promise.set_result(1)
    time.sleep(0.1)
    assert capsys.readouterr().err == ""


READING = """
import types

@types.coroutine
def wait():
    yield

async def read():
    try:
        await wait()
    except GeneratorExit:
        raise ValueError("cannot read") from None
"""


@pytest.mark.parametrize(("library", "said"), [("orbax", False), ("other", True)])
def test_a_coroutine_that_ends_after_its_event_loop_says_nothing(library, said, capsys):
    names = {}
    exec(compile(READING, f"/lib/{library}/reading.py", "exec"), names)
    coroutine = names["read"]()
    coroutine.send(None)
    del coroutine
    gc.collect()
    assert ("cannot read" in capsys.readouterr().err) == said


def test_what_else_is_raised_is_told_as_ever(capsys):
    def fail():
        raise RuntimeError("the finaliser is broken")

    _Finalised(fail)
    assert "the finaliser is broken" in capsys.readouterr().err
