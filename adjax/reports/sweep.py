"""A sweep, read back from the folders of its runs."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from adjax import settings
from adjax.errors import UserError
from adjax.reports.columns import NAMED, auxiliary_of, setting_text, system_name
from adjax.reports.names import count, dataset_name, listing, method_name, normal_name
from adjax.reports.published import CATEGORIES
from adjax.reports.run import Run, noun, read_config, read_failures, read_run

# The config of a method, as JSON, that a reader would compare with.
Defaults = Callable[[str], dict]


class Sweep(NamedTuple):
    """What the runs below one folder came to.

    directory: their common folder.
    runs: those with results.
    failures: a sentence for each member that diverged; it is in no run's results.
    unfinished: names of the runs that have neither.
    """

    directory: Path
    runs: list[Run]
    failures: list[str]
    unfinished: list[str]


def read_sweep(directory: str | Path) -> Sweep:
    """Reads all runs below a folder; raises `UserError` if none of them is finished.

    The folder of one run is a sweep of that run.
    """
    directory = Path(directory)
    runs, failures, unfinished = [], [], []
    for folder in _run_folders(directory):
        failed = read_failures(folder)
        if (folder / "results.json").is_file():
            runs.append(read_run(folder))
        elif not failed:
            unfinished.append(folder.relative_to(directory).as_posix())
        failures += [(folder, failure) for failure in failed]
    if not runs:
        raise UserError(f"{directory} has no finished run to report: let one finish first")
    names = {m["normal_class"]: m["class_name"] for run in runs for m in run.members}
    sentences = [_sentence(read_config(folder), failure, names) for folder, failure in failures]
    return Sweep(directory, sorted(runs, key=_order), sentences, unfinished)


def remarks(sweep: Sweep) -> list[str]:
    """What is missing from the tables of a sweep, a sentence each."""
    found = [f"Diverged and in no number here: {failure}." for failure in sweep.failures]
    if sweep.unfinished:
        found.append(
            f"{count(len(sweep.unfinished), 'run')} not finished: {listing(sweep.unfinished, 4)}."
        )
    return [*found, *_missing_categories(sweep.runs)]


def _missing_categories(runs: Sequence[Run]) -> Iterator[str]:
    """The official categories of industrial sets that no run is of, where there is more than one.

    The folder of a single run is no sweep over categories.
    """
    for dataset in _distinct(run.results["dataset"] for run in runs):
        known = CATEGORIES.get(dataset, ())
        measured = {
            m["class_name"] for r in runs if r.results["dataset"] == dataset for m in r.members
        }
        missing = [name for name in known if name not in measured]
        if missing and len(runs) > 1:
            yield (
                f"Not measured: {listing(missing, len(known))} "
                f"({len(missing)} of the {len(known)} categories of {dataset_name(dataset)})."
            )


def commands(sweep: Sweep) -> list[str]:
    """What made the runs; several if the sweep was done in shards or bit by bit."""
    return _distinct(run.results.get("command") for run in sweep.runs)


def provenance(sweep: Sweep, defaults: Defaults | None = None) -> dict[str, str]:
    """Facts on how the numbers of a sweep came about.

    Without `defaults` the settings that differ from them are left out.
    """
    results = [run.results for run in sweep.runs]
    days = sorted({result["date"][:10] for result in results if "date" in result})
    facts = {
        "runs": f"{len(sweep.runs):,} finished",
        "date": " to ".join(_distinct([*days[:1], *days[-1:]])),
        "hardware": listing(_distinct(_hardware(r.get("hardware", {})) for r in results)),
        "versions": "; ".join(_distinct(_versions(r.get("versions", {})) for r in results)),
        "settings": "" if defaults is None else changed_settings(sweep.runs, defaults),
        "parameters": _parameters(sweep.runs),
        "time": _time(sweep.runs),
    }
    return {name: text for name, text in facts.items() if text}


def changed_settings(runs: Sequence[Run], defaults: Defaults) -> str:
    """`student.steps 700 instead of 2,000, precision bfloat16 instead of float32`, or as usual.

    What changes for some methods only stands after their names: `...; U-Net: data.size 512 ...`.
    """
    methods = _distinct(run.results["method"] for run in runs)
    found = {
        method: _changes([r for r in runs if r.results["method"] == method], defaults(method))
        for method in methods
    }
    everywhere = [c for c in found[methods[0]] if all(c in own for own in found.values())]
    parts: dict[str, list[str]] = {}
    for method, own in found.items():
        special = ", ".join(change for change in own if change not in everywhere)
        parts.setdefault(special, []).append(method_name(method))
    parts.pop("", None)
    special = [f"{listing(names)}: {changes}" for changes, names in parts.items()]
    return "; ".join([*filter(None, [", ".join(everywhere)]), *special]) or "the defaults"


def _changes(runs: Sequence[Run], defaults: dict) -> list[str]:
    found = [settings.essential(run.config) for run in runs]
    usual = settings.essential(defaults)
    told = _sections_of(runs)
    changes = []
    for key in dict.fromkeys(key for config in (*found, usual) for key in config):
        if key in NAMED or ("." in key and key.partition(".")[0] not in told):
            continue
        values = _distinct(setting_text(config.get(key)) for config in found)
        default = setting_text(usual.get(key))
        if values != [default]:
            changes.append(f"{key} {listing(values)} instead of {default}")
    return changes


def _sections_of(runs: Sequence[Run]) -> set[str]:
    """The sections that have a say in these runs: not those of stages that none of them has.

    What has steps is of a stage, whose name it begins with (`anogan_search` is of `anogan`). A
    section that no run's config has is younger than they are.
    """
    stages = tuple({stage["name"] for run in runs for stage in run.results.get("stages", [])})
    return {
        name
        for run in runs
        for name, section in run.config.items()
        if not (isinstance(section, dict) and "steps" in section) or name.startswith(stages)
    }


def _run_folders(directory: Path) -> Iterator[Path]:
    """The folders of runs below one, in the order of their names; hidden folders are not read."""
    for root, folders, files in os.walk(directory):
        if "config.json" in files:
            yield Path(root)
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))


def _order(run: Run) -> tuple:
    """AE, SDN, OE-SDN, then others; in a method by set, class and seed."""
    method = run.results["method"]
    known = ("ae", "sdn", "oe_sdn")
    first = run.members[0]
    return (
        known.index(method) if method in known else len(known),
        method,
        auxiliary_of(method, run.config),
        first["normal_class"],
        first["seed"],
    )


def _sentence(config: dict, failure: dict, class_names: dict[int, str]) -> str:
    """`SDN, class 3, seed 0, in its student at step 120: the loss is not finite`."""
    method, label = config["method"], failure["data.normal_class"]
    name = str(class_names.get(label, label) or config["data"]["name"])
    return (
        f"{system_name(method, auxiliary_of(method, config))}, "
        f"{normal_name([name], noun(config))}, seed {failure['seed']}, "
        f"in its {failure['stage']} at step {failure['step']:,}: {failure['reason']}"
    )


def _distinct(words) -> list[str]:
    return list(dict.fromkeys(word for word in words if word))


def _hardware(hardware: dict) -> str:
    if not hardware:
        return ""
    return (
        f"{count(hardware['devices'], 'device')} ({hardware['device_kind']}), "
        f"{count(hardware['cores'], 'core')}"
    )


def _versions(versions: dict) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _parameters(runs: Sequence[Run]) -> str:
    """`teacher 284,161, student 459,233`."""
    by_stage: dict[str, list[str]] = {}
    for run in runs:
        for stage in run.results.get("stages", []):
            if "parameters" in stage:
                by_stage.setdefault(stage["name"], []).append(f"{stage['parameters']:,}")
    return ", ".join(f"{name} {listing(_distinct(n))}" for name, n in by_stage.items())


def _time(runs: Sequence[Run]) -> str:
    """What training and compiling took; what several runs share is counted once."""
    train: dict[str, float] = {}
    compiling = 0.0
    for run in runs:
        for stage in run.results.get("stages", []):
            if not stage.get("cached"):
                train[stage["name"]] = train.get(stage["name"], 0.0) + stage["train_seconds"]
                compiling += stage["compile_seconds"]
    if not train:
        return ""
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in train.items())
    return (
        f"training {duration(sum(train.values()))} ({parts}), "
        f"compilation {duration(compiling)}; a stage that runs share is counted once"
    )


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `5.4 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
