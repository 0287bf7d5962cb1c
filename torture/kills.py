"""Commands killed at random moments; the same command must then end as if nothing had happened."""

import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from torture import state
from torture.bench import Bench
from torture.outcome import RIGHT, WRONG, Outcome, Verdict, judge, judge_stopped
from torture.process import Running

NAME, TITLE, SHARE = "kills", "commands killed, then repeated", 28
# SIGKILL takes half: it alone gives no warning.
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)


class Way(NamedTuple):
    """A command to kill.

    Attributes:
      prepare: makes a folder ready for it and returns its arguments.
      made: below that folder, what the command makes.
      like: the training whose state that must have; empty: that of an undisturbed command.

    """

    prepare: Callable[[Bench, Path], tuple[str, ...]]
    made: str
    like: str = ""


def _training(name: str) -> Way:
    return Way(
        lambda bench, folder: (*bench.training(name), f"--workdir={folder}/run"), "run", name
    )


def _on_finished(mode: str, name: str) -> Way:
    def prepare(bench, folder):
        shutil.copytree(bench.finished(name), folder / "run")
        return f"--mode={mode}", f"--workdir={folder}/run"

    return Way(prepare, "run", name)


def _predict(bench: Bench, folder: Path) -> tuple[str, ...]:
    run, images = bench.finished("category"), bench.new_photographs
    return "--mode=predict", f"--workdir={run}", f"--images={images}", f"--output={folder}/made"


def _export(bench: Bench, folder: Path) -> tuple[str, ...]:
    return "--mode=export", f"--workdir={bench.finished('category')}", f"--output={folder}/made"


def _record(bench: Bench, folder: Path) -> tuple[str, ...]:
    sweep = bench.finished("sweep")
    return "--mode=report", f"--workdir={sweep}", f"--output={folder}/made/sweep.jsonl"


def _prepare_data(bench: Bench, folder: Path) -> tuple[str, ...]:
    source = f"--source={bench.source}"
    return "--mode=prepare_data", "--dataset=tiny", source, f"--data_dir={folder}/made"


WAYS = {
    "train": _training("classes"),
    "train a detector": _training("category"),
    "evaluate": _on_finished("evaluate", "classes"),
    "evaluate a detector": _on_finished("evaluate", "category"),
    "report": _on_finished("report", "sweep"),
    "predict": Way(_predict, "made"),
    "export": Way(_export, "made"),
    "record": Way(_record, "made"),
    "prepare_data": Way(_prepare_data, "made"),
    "sweep": _training("sweep"),
}
_MADE = ("is already prepared", "an export goes into a new folder")
_WORKER = "one of two workers of a sweep"


def run(bench: Bench, seed: int) -> Outcome:
    """Kill one command once, twice or three times, then let it end."""
    draw = random.Random(seed)
    name = draw.choice([*WAYS, "train", "train a detector", "sweep", _WORKER])
    signals = [draw.choice(_SIGNALS) for _ in range(draw.choice((1, 1, 2, 3)))]
    sent: list[signal.Signals] = []
    folder = bench.new_folder()
    try:
        if name == _WORKER:
            verdict = _kill_worker(bench, folder, draw, signals[0], sent)
        else:
            verdict = _kill(bench, folder, draw, name, signals, sent)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    what = ", ".join(number.name for number in sent) or "too late"
    return Outcome(NAME, seed, f"{name}: {what}", *verdict)


def _kill(
    bench: Bench, folder: Path, draw: random.Random, name: str, signals, sent: list
) -> Verdict:
    way = WAYS[name]
    seconds = _seconds(bench, name)
    argv = way.prepare(bench, folder)
    for number in signals:
        running = bench.server.start(*argv)
        _wait_for_moment(running, folder / way.made, draw, seconds)
        came = running.send(number)
        sent += [number] * came
        stopped = judge_stopped(running.wait(), number)
        if not came or _had_ended(stopped):
            break
        if stopped.ending == WRONG:
            return Verdict(WRONG, f"{number.name}: {stopped.reason}")
    verdict = judge(bench.server.run(*argv))
    if verdict.ending != RIGHT and not _had_ended(verdict):
        return Verdict(WRONG, f"the repeated command: {verdict.reason}")
    return _compare(bench, folder / way.made, name)


def _had_ended(verdict: Verdict) -> bool:
    """Return whether a command was refused because an earlier one had made all before its end."""
    return any(words in verdict.reason for words in _MADE)


def _compare(bench: Bench, made: Path, name: str) -> Verdict:
    like = WAYS[name].like
    reference = bench.reference(like) if like else undisturbed(bench, name)["state"]
    difference = state.difference(bench.state_of(made), reference)
    return Verdict(WRONG, difference) if difference else Verdict(RIGHT)


def _wait_for_moment(running: Running, made: Path, draw: random.Random, seconds: float) -> None:
    """Wait for a random moment: of the whole command, or of what follows its first record."""
    log, after_log = made / "metrics.jsonl", draw.random() < 0.5
    moment = draw.uniform(0.02, 0.9)
    start = time.monotonic()
    if after_log and not log.exists():
        while running.poll() is None and time.monotonic() < start + 2 * seconds:
            if log.exists() and log.stat().st_size:
                time.sleep(moment * seconds / 3)
                return
            time.sleep(0.005)
        return
    while running.poll() is None and time.monotonic() < start + moment * seconds:
        time.sleep(0.005)


def undisturbed(bench: Bench, name: str) -> dict:
    """Return how long a command takes and, where nothing else says it, the state it leaves."""

    def make() -> dict:
        way = WAYS[name]
        if way.like:
            bench.finished(way.like)  # has compiled what it needs
        for compiles in (True, False):  # the second one takes as long as those to be killed
            folder = bench.new_folder()
            done = bench.server.run(*way.prepare(bench, folder), compiles=compiles, timeout=600)
            if done.code != 0:
                raise RuntimeError(f"an undisturbed command failed: {done}")
            made = {} if way.like else bench.state_of(folder / way.made)
            shutil.rmtree(folder)
        return {"seconds": done.seconds, "state": made}

    return bench.once(f"undisturbed {name}", make)


def _seconds(bench: Bench, name: str) -> float:
    return undisturbed(bench, name)["seconds"]


def _kill_worker(bench: Bench, folder: Path, draw: random.Random, number, sent: list) -> Verdict:
    """Kill one of two drivers that share a sweep; the other one ends, and so does its successor."""
    seconds = _seconds(bench, "sweep")
    argv = *bench.training("sweep"), f"--workdir={folder}/run"
    workers = [bench.server.start(*argv, f"--shard={part}/2") for part in range(2)]
    time.sleep(draw.uniform(0.05, 1.5) * seconds)
    killed = draw.randrange(2)
    sent += [number] * workers[killed].send(number)
    ended = [worker.wait() for worker in workers]
    stopped, other = judge_stopped(ended[killed], number), judge(ended[1 - killed])
    if stopped.ending == WRONG:
        return Verdict(WRONG, f"{number.name}: {stopped.reason}")
    if other.ending != RIGHT:
        return Verdict(WRONG, f"the other worker: {other.reason}")
    for end in (f"--shard={killed}/2", "--shard="):  # the report of the whole is the last one's
        verdict = judge(bench.server.run(*argv, end))
        if verdict.ending != RIGHT:
            return Verdict(WRONG, f"the repeated command: {verdict.reason}")
    difference = bench.compare(folder / "run", "sweep")
    return Verdict(WRONG, difference) if difference else Verdict(RIGHT)
