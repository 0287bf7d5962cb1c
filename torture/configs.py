"""Mutated configs and lines of flags through the real entry point."""

import functools
import random
import runpy
import shutil
from pathlib import Path

from adjax.settings import flat
from torture.bench import Bench
from torture.outcome import WRONG, Outcome, Verdict, judge

NAME, TITLE, SHARE = "configs", "configs and flags mutated", 26
MEMORY = 8 << 30  # bytes of a command's data: what asks for more would take the machine with it

# Tables, which --dry_run plans without training, and single runs, which are trained if they may be.
_TABLES = (
    *(
        "mnist.py:demo,smoke",
        "mnist.py:table1,smoke,classes=3",
        "cifar10.py:table1,smoke,classes=3",
    ),
    "mnist.py:table1,smoke,classes=3,methods=ganomaly+vae+deep_svdd",
    "mnist.py:table1,smoke,classes=3,methods=anogan+itae+ocsvm+isolation_forest",
    *("folder.py:corruption_table,smoke", "folder.py:loss_table,smoke"),
    "folder.py:corruption_table,smoke,methods=unet_ae+skip_ganomaly+aesc_mask",
)
_RUNS = (
    *("mnist.py:ae,smoke", "mnist.py:oe_sdn_fast,smoke", "mnist.py:ocsvm,smoke"),
    *("folder.py:aesc_residual,smoke", "folder.py:isolation_forest,smoke", "mvtec_ad.py:ssim_ae"),
)
_VALUES = (
    *("", " ", "abc", "None", "True", "False", "-1", "0", "1", "2", "3.5", "-0.0", "1e-30", "1e9"),
    *("nan", "inf", "-inf", "1e400", str(2**31), str(2**63), "0x10", "1_000", "1,2", "()", "(1,)"),
    *(
        "(0, -1)",
        "(1, 'a')",
        "[]",
        "{}",
        "({},)",
        "'quoted'",
        '"',
        "a" * 300,
        "\N{SNOWMAN}",
        "a\tb",
    ),
    *("../..", "/", "test[:0]", "test[:10]", "train+test", "d", "mse", "none", "auto", "best"),
)
_MEMBERS = (
    *("({'seed': 0}, {'seed': 0})", "({'seed': -1},)", "({'seed': 'x'},)", "({'sed': 1},)", "3"),
    *("({'seed': 1}, {'seed': 2})", "({'data.normal_class': 99},)", "'abc'", "({1: 2},)", "(1, 2)"),
    *(
        "({'data.normal_class': 4}, {'data.normal_class': 'x'})",
        "({'seed': 1.0},)",
        "({'seed': nan},)",
    ),
)
_MODES = (
    *("train", "sweep", "evaluate", "report", "gallery", "predict", "export", "check_data"),
    *("prepare_data", "benchmark"),
)
_FLAGS = {
    "member": ("-1", "7", "x", ""),
    "shard": ("", "0/1", "1/1", "5/2", "a/b", "0/0", "-1/2", "0/2", "999999999999999999999/2"),
    "max_population": ("-1", "x", "1", "2"),
    "engine": ("inline", "ray ", "slurm"),
    "output": ("", " ", "/proc/x", "made", "made.jsonl", "made.md", "made.png", "made\0.png"),
    "images": ("", "nothing", ".", "launch.py", "/dev/null"),
    "workdir": ("", " ", "launch.py", "/proc/x", "/dev/null/x", "made", "a,b", "a" * 300),
    "dataset": ("", "bottle", "No Such", "a/b/c", "mvtec_ad", "../x"),
    "source": ("", "nothing.npz", "launch.py", "."),
    "data_dir": ("", "launch.py", "/proc/x"),
    "repeats": ("0", "x", "-3"),
    "cases": ("nothing", "", ","),
    "precision": ("float16", ""),
    "coordinator": ("x", "localhost", "localhost:1"),
    "process_id": ("-2", "x"),
    "mode": ("", "fly", "TRAIN", "train,sweep"),
    "config": (
        "",
        "nothing.py",
        "configs",
        "launch.py",
        "configs/mnist.py:",
        "configs/mnist.py:a:b",
    ),
    "dry_run": ("true", "maybe"),
    "undefined": ("1",),
}


def run(bench: Bench, seed: int) -> Outcome:
    """Mutate a line of flags, sometimes twice, and run it: it is refused, plans or trains."""
    draw = random.Random(seed)
    folder = bench.new_folder()
    try:
        argv = _line(bench, folder, draw)
        done = bench.server.run(*argv, memory=MEMORY, folder=folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    what = " ".join(part.replace(str(folder), "FOLDER") for part in argv)
    return Outcome(NAME, seed, what, *_judge(done))


def _judge(done) -> Verdict:
    if done.code == 1 and "problem" in done.stdout and not done.stderr:  # check_data's answer
        return Verdict("clear error", "check_data")
    verdict = judge(done)
    if done.code is None and "step " in done.stderr:
        return Verdict("right", "it trains for long")
    if verdict.ending == WRONG and "MemoryError" in done.stderr:
        return Verdict(WRONG, f"asks for more memory than there is: {verdict.reason}")
    return verdict


def _line(bench: Bench, folder: Path, draw: random.Random) -> list[str]:
    if draw.random() < 0.3:
        return _mutated_flags(bench, folder, draw)
    return _mutated_config(bench, folder, draw)


def _mutated_config(bench: Bench, folder: Path, draw: random.Random) -> list[str]:
    """Return a command that plans, or rarely trains or checks data, with some values changed."""
    planned = draw.random() < 0.8
    name = draw.choice(_TABLES if planned else _RUNS)
    leaves = _leaves(bench.repository, name)
    argv = [f"--config={bench.repository}/configs/{_mutated_argument(name, draw)}"]
    argv += [f"--config.{key}={value}" for key, value in _small(bench, leaves).items()]
    for _ in range(draw.choice((1, 1, 1, 2))):
        key = _mutated_key(leaves, draw)
        argv.append(f"--config.{key}={_value(leaves, key, draw)}")
    if draw.random() < 0.1:
        argv.append(f"--config.members={draw.choice(_MEMBERS)}")
    if planned:
        return ["--mode=sweep", "--dry_run", *argv, f"--workdir={folder}/run"]
    if name.startswith("folder") and draw.random() < 0.5:
        return ["--mode=check_data", *argv]
    return [*argv, f"--workdir={folder}/run"]


def _small(bench: Bench, leaves: dict) -> dict[str, str]:
    """Return the changes that make a config that is trained tiny, and find its data."""
    changes = {"data.train_split": "train[:300]", "data.test_split": "test[:60]"}
    changes |= {"data.dir": str(bench.repository / "data")}
    if "data.size" in leaves:
        changes = {"data.dir": str(bench.photographs)}
        changes |= {"data.size": "32"} if leaves["data.patch"] <= 32 else {}
    changes |= {key: "4" for key in leaves if key.endswith(".steps")}
    return {key: value for key, value in changes.items() if key in leaves}


def _mutated_argument(name: str, draw: random.Random) -> str:
    if draw.random() > 0.1:
        return name
    file, _, argument = name.partition(":")
    words = argument.split(",")
    change = draw.randrange(4)
    if change == 0:
        words.insert(
            draw.randrange(len(words) + 1), draw.choice(("", "nothing", "steps=abc", "seeds="))
        )
    elif change == 1:
        words.append(
            draw.choice(("steps=5", "classes=0+1", "classes=99", "methods=ae+x", "seeds=0+0"))
        )
    elif change == 2:
        words = words[: draw.randrange(len(words))]
    else:
        place = draw.randrange(len(words))
        words[place] = words[place].swapcase() if draw.random() < 0.5 else words[place] + "x"
    return f"{file}:{','.join(words)}"


def _mutated_key(leaves: dict, draw: random.Random) -> str:
    key = draw.choice(sorted(leaves))
    change = draw.random()
    if change < 0.85:
        return key
    if change < 0.9:
        return key.rpartition(".")[0] or key  # a whole section
    if change < 0.95:
        return f"{key}.more"
    place = draw.randrange(len(key))
    return key[:place] + key[place + 1 :]


def _value(leaves: dict, key: str, draw: random.Random) -> str:
    """Return a value: one that the key might have, an odd one, or that of another key."""
    own, choice = leaves.get(key), draw.random()
    if choice < 0.4 and own is not None:
        return str(_likely(own, leaves, draw))
    if choice < 0.8:
        return draw.choice(_VALUES)
    return str(draw.choice(list(leaves.values())))


def _likely(own: object, leaves: dict, draw: random.Random) -> object:
    """Return a value like a setting's own."""
    if isinstance(own, bool):
        return not own
    if isinstance(own, int):
        return own + draw.choice((-2, -1, 0, 1, 2)) * draw.choice((1, 1, 8))
    if isinstance(own, float):
        return own * draw.choice((0.0, 0.5, 0.9, 1.1, 2.0))
    if isinstance(own, tuple):
        return own[: draw.randrange(len(own) + 1)] + own[:1]
    return draw.choice([value for value in leaves.values() if isinstance(value, str)])


def _mutated_flags(bench: Bench, folder: Path, draw: random.Random) -> list[str]:
    """Return a command with flags that are wrong, missing or of other modes."""
    mode = draw.choice(_MODES)
    argv = [f"--mode={mode}"]
    if draw.random() < (0.9 if mode in ("train", "sweep", "check_data") else 0.1):
        name = draw.choice(_TABLES if mode == "sweep" else _RUNS)
        leaves = _leaves(bench.repository, name)
        argv.append(f"--config={bench.repository}/configs/{name}")
        argv += [f"--config.{key}={value}" for key, value in _small(bench, leaves).items()]
    if mode == "sweep":
        argv.append("--dry_run")
    if mode in ("predict", "export", "gallery", "report", "evaluate") and draw.random() < 0.7:
        run = shutil.copytree(bench.finished("category"), folder / "run")
        argv.append(f"--workdir={run}")
    elif draw.random() < 0.7:
        argv.append(f"--workdir={folder}/new")
    if mode == "predict":
        argv += [f"--images={bench.new_photographs}", f"--output={folder}/made"]
    for _ in range(draw.choice((1, 1, 2))):
        flag = draw.choice(sorted(_FLAGS))
        argv.append(f"--{flag}={draw.choice(_FLAGS[flag])}")
    if draw.random() < 0.1:
        argv.append(
            draw.choice(("surprise", "-", "--", "---x", "--=", "--mode", "--config", "-h=1"))
        )
    if draw.random() < 0.1:
        argv.remove(draw.choice(argv))
    if "--mode=benchmark" in argv:
        argv.append("--repeats=0")  # refused: it would measure for minutes
    return [argument.replace("\0", "?") for argument in argv]


@functools.cache
def _leaves(repository: Path, name: str) -> dict:
    """Return the values of a config by dotted keys."""
    file, _, argument = name.partition(":")
    config = runpy.run_path(str(repository / "configs" / file))["get_config"](argument)
    return flat(config.to_dict())
