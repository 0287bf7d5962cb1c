"""Stored files damaged: what relies on them tells so, or does without."""

import hashlib
import json
import random
import re
import shutil
import signal
import time
from pathlib import Path

from torture import kills, state
from torture.bench import Bench
from torture.damage import DAMAGES, damage
from torture.outcome import CLEAR, LOG, RIGHT, WRONG, Outcome, Verdict, judge
from torture.process import Done

NAME, TITLE, SHARE = "stored", "stored files damaged", 34

# The files of a run, by what they are; a case chooses a kind of file first.
_OF_RUNS = {
    "config": "config.json",
    "results": "results.json",
    "failures": "failed.json",
    "log": "metrics.jsonl",
    "scores": "scores.npz",
    "examples": "examples.npz",
    "checkpoint": "checkpoints/*/*/**/*",
    "board": "tensorboard/*",
    "page": "report.html",
}
_COMMANDS = {  # on a finished run
    "classes": ("train", "evaluate", "report", "gallery"),
    "category": ("train", "evaluate", "report", "predict", "export"),
    "diverging": ("train", "evaluate", "report"),
}


def run(bench: Bench, seed: int) -> Outcome:
    """Damage one file and run a command that may rely on it."""
    draw = random.Random(seed)
    cases = [*[_run] * 6, *[_resumed] * 2, *[_cache] * 2, _interrupted]
    case = draw.choice([*cases, _record, _exported, _prepared])
    folder = bench.new_folder()
    try:
        what, verdict = case(bench, folder, draw)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Outcome(NAME, seed, what, *verdict)


def _spoil(folder: Path, patterns: dict[str, str], draw: random.Random) -> tuple[str, str]:
    """Damage a file below a folder; return its path there and what was done, in words."""
    files = {
        name: found
        for name, pattern in patterns.items()
        if (found := sorted(path for path in folder.glob(pattern) if path.is_file()))
    }
    path = draw.choice(files[draw.choice(sorted(files))])
    name = path.relative_to(folder).as_posix()
    return name, f"{name}: {damage(path, draw.choice(DAMAGES), draw)}"


def _run(bench: Bench, folder: Path, draw: random.Random) -> tuple[str, Verdict]:
    """A finished run: a command shows or makes what it would have of the undamaged run."""
    name = draw.choice(sorted(_COMMANDS))
    mode = draw.choice(_COMMANDS[name])
    run = shutil.copytree(bench.finished(name), folder / "run")
    spoiled, what = _spoil(run, _OF_RUNS, draw)
    done = bench.server.run(*_argv(bench, name, mode, run, folder / "made"))
    what = f"{mode} of {name}, {what}"
    if done.code not in (0, 3):
        return what, judge(done)
    if mode in ("predict", "export"):
        return what, judge(done, _made_differs(bench, folder / "made", mode))
    shown = _shown(done, run)
    reference = bench.once(f"shown {name} {mode}", lambda: _show(bench, name, mode))
    difference = "" if shown == reference else f"it shows other numbers: {shown[:300]}"
    if mode == "evaluate" and not difference:
        without = ("checkpoints/",) if spoiled.startswith("checkpoints/") else ()
        difference = _differs(bench, run, name, done, without)
    return what, _with_notice(done, judge(done, difference))


def _argv(bench: Bench, name: str, mode: str, run: Path, made: Path) -> tuple[str, ...]:
    if mode == "train":
        return *bench.training(name), f"--workdir={run}"
    given = {
        "predict": (f"--images={bench.new_photographs}", f"--output={made}"),
        "export": (f"--output={made}",),
        "gallery": (f"--output={made}/gallery.png",),
    }
    return f"--mode={mode}", f"--workdir={run}", *given.get(mode, ())


def _show(bench: Bench, name: str, mode: str) -> str:
    folder = bench.new_folder()
    run = shutil.copytree(bench.finished(name), folder / "run")
    shown = _shown(bench.server.run(*_argv(bench, name, mode, run, folder / "made")), run)
    shutil.rmtree(folder)
    return shown


def _shown(done: Done, run: Path) -> str:
    """Return what a command printed, but for the folder and what a clock measured."""
    text = done.stdout.replace(str(run.parent), "FOLDER")
    return re.sub(r".*this run is finished\n|.*\bimages/s.*\n|\d+\.?\d* s\b", "", text)


def _differs(bench: Bench, run: Path, name: str, done: Done, without: tuple[str, ...] = ()) -> str:
    """Return how a run differs from the undisturbed one, apart from files that begin so.

    A log that was told to be damaged is not compared either, nor the curves that it had.
    """
    of_log = ("metrics.jsonl", "losses.png") if re.search(LOG, done.stderr) else ()

    def left(content: dict[str, str]) -> dict[str, str]:
        return {
            name: held
            for name, held in content.items()
            if not name.startswith(without) and not name.endswith(of_log)
        }

    return state.difference(left(bench.state_of(run)), left(bench.reference(name)))


def _with_notice(done: Done, verdict: Verdict) -> Verdict:
    """Return the verdict; what is right but for a damaged log that was told is a clear error."""
    found = re.search(f".*{LOG}.*", done.stderr)
    return Verdict(CLEAR, found[0]) if found and verdict.ending == RIGHT else verdict


def _made_differs(bench: Bench, made: Path, mode: str) -> str:
    return state.difference(bench.state_of(made), kills.undisturbed(bench, mode)["state"])


def _resumed(bench: Bench, folder: Path, draw: random.Random) -> tuple[str, Verdict]:
    """An unfinished run: training goes on to the undisturbed end, or tells what is damaged."""
    name = draw.choice(("classes", "category"))
    run = shutil.copytree(bench.finished(name), folder / "run")
    for made in ("results.json", "report.html", "scores.npz", "examples.npz", "figures"):
        shutil.rmtree(run / made) if (run / made).is_dir() else (run / made).unlink(True)
    for stage in (run / "checkpoints").iterdir():  # as if its last checkpoint had not come yet
        if draw.random() < 0.7:
            shutil.rmtree(max(stage.iterdir(), key=lambda path: int(path.name)))
    only = {key: _OF_RUNS[key] for key in ("config", "log", "checkpoint", "board")}
    _, what = _spoil(run, only, draw)
    done = bench.server.run(*bench.training(name), f"--workdir={run}")
    difference = _differs(bench, run, name, done) if done.code == 0 else ""
    return f"resumed {name}, {what}", _with_notice(done, judge(done, difference))


def _cache(bench: Bench, folder: Path, draw: random.Random) -> tuple[str, Verdict]:
    """A sweep whose runs must be made again from the cache of stages, or with an entry less."""
    sweep = shutil.copytree(bench.finished("sweep"), folder / "run")
    entries = [path for path in sorted((sweep / ".stages").iterdir()) if path.name[0] != "."]
    spoiled, *others = draw.sample(entries, len(entries))
    _, what = _spoil(sweep, {"cached stage": f".stages/{spoiled.name}/*"}, draw)
    if draw.random() < 0.5:
        shutil.rmtree(others[0])
        what += ", another one missing"
    for run in sorted(path for path in sweep.iterdir() if (path / "config.json").exists()):
        shutil.rmtree(run)
    argv = *bench.training("sweep"), f"--workdir={sweep}"
    done = bench.server.run(*argv)
    first = bench.judge_training(done, sweep, "sweep")
    if first.ending == CLEAR and first.reason.endswith("repeat the command"):
        again = bench.judge_training(bench.server.run(*argv), sweep, "sweep")
        if again.ending != RIGHT:
            return f"sweep, {what}", Verdict(WRONG, f"the repeated command: {again.reason}")
    return f"sweep, {what}", first


def _interrupted(bench: Bench, folder: Path, draw: random.Random) -> tuple[str, Verdict]:
    """A sweep that was killed while members trained together, and what they had left."""
    argv = *bench.training("sweep"), f"--workdir={folder}/run"
    training = folder / "run" / ".stages" / ".training"
    running = bench.server.start(*argv)
    while running.poll() is None and not any(training.glob("*/checkpoints/*/*")):
        time.sleep(0.01)
    running.send(signal.SIGKILL)
    running.wait()
    kinds = {"members": "*/members.json", "log": "*/metrics.jsonl", "rest": "*/checkpoints/**/*"}
    what = "it had ended before"
    if any(path.is_file() for path in training.rglob("*")):
        _, what = _spoil(training, kinds, draw)
    done = bench.server.run(*argv)
    difference = _differs(bench, folder / "run", "sweep", done) if done.code == 0 else ""
    return f"interrupted sweep, {what}", _with_notice(done, judge(done, difference))


def _record(bench: Bench, folder: Path, draw: random.Random) -> tuple[str, Verdict]:
    """A record of a sweep: its tables are those of the undamaged one."""
    bench.server.run(*kills.WAYS["record"].prepare(bench, folder))
    path = folder / "made" / "sweep.jsonl"
    show = "--mode=report", f"--workdir={path}"
    whole = bench.once("shown record", lambda: bench.server.run(*show).stdout)
    what = damage(path, draw.choice(DAMAGES), draw)
    done = bench.server.run(*show)
    difference = "" if done.stdout == whole else "it shows other numbers"
    return f"record: {what}", judge(done, difference)


def _exported(bench: Bench, folder: Path, draw: random.Random) -> tuple[str, Verdict]:
    """An exported detector: the digests that go with it tell that a file is another."""
    argv = kills.WAYS["export"].prepare(bench, folder)
    bench.server.run(*argv)
    made = folder / "made"
    facts = json.loads((made / "detector.json").read_text())
    networks = {"network": "detector.stablehlo", "ONNX": "detector.onnx"}
    files = networks | {"saved model": "saved_model/**/*", "words": "*.md"}
    spoiled, what = _spoil(made, files, draw)
    path = made / spoiled
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None
    if found == facts["sha256"].get(spoiled):
        return f"export, {what}", Verdict(WRONG, f"detector.json does not tell: {spoiled}")
    return f"export, {what}", Verdict(CLEAR, f"detector.json: sha256 of {spoiled}")


def _prepared(bench: Bench, folder: Path, draw: random.Random) -> tuple[str, Verdict]:
    """A prepared data set: training reads what was stored, or says what is damaged."""
    prepared = bench.once("prepared", lambda: _prepare(bench))
    data = shutil.copytree(prepared, folder / "data")
    _, what = _spoil(data, {"images": "**/*.tfrecord*", "facts": "**/*.json"}, draw)
    argv = (
        *("--config=configs/mnist.py:ae,smoke", "--config.data.name=tiny"),
        *("--config.data.normal_class=1", "--config.data.test_split=test"),
        *("--config.teacher.widths=(4, 4)", "--config.distance.window=3"),
        *("--config.teacher.steps=4", "--config.log_every=2", "--config.checkpoint_every=2"),
    )
    reference = bench.once("state tiny", lambda: _train_on(bench, prepared, argv))
    done = bench.server.run(*argv, f"--config.data.dir={data}", f"--workdir={folder}/run")
    difference = ""
    if done.code == 0:
        difference = state.difference(_without_config(bench.state_of(folder / "run")), reference)
    return f"prepared data, {what}", judge(done, difference)


def _prepare(bench: Bench) -> Path:
    folder = bench.new_folder()
    bench.server.run(*kills.WAYS["prepare_data"].prepare(bench, folder), compiles=True)
    return folder / "made"


def _train_on(bench: Bench, data: Path, argv: tuple[str, ...]) -> dict[str, str]:
    folder = bench.new_folder()
    where = f"--config.data.dir={data}", f"--workdir={folder}/run"
    done = bench.server.run(*argv, *where, compiles=True)
    if done.code != 0:
        raise RuntimeError(f"an undisturbed training failed: {done}")
    found = _without_config(bench.state_of(folder / "run"))
    shutil.rmtree(folder)
    return found


def _without_config(found: dict[str, str]) -> dict[str, str]:
    """Return a state without the config, which says where the data lie."""
    return {name: value for name, value in found.items() if name != "config.json"}
