"""A sweep, read back from the folders of its runs, and facts on how its numbers came about."""

import os
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from adjax.config.identity import essential
from adjax.datasets.catalog import CATEGORIES
from adjax.errors import UserError
from adjax.reports.columns import NAMED
from adjax.reports.finished_run import About, Run, open_run
from adjax.reports.finished_search import Search, find_search
from adjax.reports.published import ORDER
from adjax.reports.sources import Source, read_index, read_source
from adjax.reports.words import count, duration, listing, normal_name, setting_text
from adjax.settings import flat
from adjax.workdir import read_about, read_config, read_failures, read_refusal

MOST_OPENED = 500  # runs whose files are opened sooner than their table

# The config of a method, as JSON, that a reader would compare with.
Defaults = Callable[[str], dict]


class Refused(NamedTuple):
    """A run that could not be done, mostly for its data.

    Attributes:
      name: its folder, below the sweep's.
      dataset: the data set's key.
      class_name: its category or class, as tables name it.
      reason: why, in one line.

    """

    name: str
    dataset: str
    class_name: str
    reason: str


class Sweep(NamedTuple):
    """Runs below one folder.

    Attributes:
      directory: their common folder.
      runs: those with results.
      failures: a sentence for each member that diverged; it is in no run's results.
      unfinished: names of the runs that have neither.
      refused: the runs that could not be done.
      sources: what each run with results was read from, by the name of its folder.
      search: if they are the trials of a search: all of them. `runs` is the best one alone, as the
        others were not done for their numbers.

    """

    directory: Path
    runs: list[Run]
    failures: list[str]
    unfinished: list[str]
    refused: Sequence[Refused] = ()
    sources: Mapping[str, Source] = types.MappingProxyType({})
    search: Search | None = None


def read_sweep(directory: str | Path) -> Sweep:
    """Read all runs below a folder, which may be that of a single run.

    The files of many runs are not opened again if `results.parquet` was made of just these.

    Raises:
      UserError: if none of them is finished.

    """
    directory = Path(directory)
    runs, failures, unfinished, refused, sources = [], [], [], [], {}
    folders = list(_run_folders(directory))
    known = read_index(directory) if len(folders) > MOST_OPENED else {}
    for name, files in folders:
        folder = directory / name
        if "results.json" in files:
            source = sources[name] = read_source(folder, known.get(name))
            runs.append(open_run(folder, source.results, source.config))
            failed = read_failures(folder, runs[-1].results)
        else:
            failed = read_failures(folder)
            if reason := read_refusal(folder):
                refused.append(_refused(folder, name, reason))
            elif not failed:
                unfinished.append(name)
        failures += [(folder, failure) for failure in failed]
    search = find_search(directory, runs)
    if search is not None:
        runs = [search.best_run]
    if not runs:
        raise UserError(f"{directory} has no finished run to report: let one finish first")
    names = {m["normal_class"]: m["class_name"] for run in runs for m in run.members}
    sentences = [_failure_in_words(folder, failure, names) for folder, failure in failures]
    runs = sorted(runs, key=place)
    return Sweep(directory, runs, sentences, unfinished, refused, sources, search)


def _run_folders(directory: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield name and files of the runs' folders in the order of names; hidden ones are not read."""
    above = len(os.path.join(directory, ""))
    for root, folders, files in os.walk(directory):
        if "config.json" in files:
            yield root[above:].replace(os.sep, "/") or ".", files
            folders.clear()
        folders[:] = sorted(name for name in folders if not name.startswith("."))


def place(run: Run) -> tuple:
    """Key that sorts runs: methods as papers list them, then by variant, class and seed."""
    place = ORDER.index(run.method) if run.method in ORDER else len(ORDER)
    first = run.members[0]
    return place, run.method, run.about.variant, first["normal_class"], first["seed"]


def _failure_in_words(folder: Path, failure: dict, class_names: dict[int, str]) -> str:
    """Return `SDN, class 3, seed 0, in its student at step 120: the loss is not finite`."""
    about, dataset = About.read(read_about(folder)), read_config(folder).data.name
    label = failure["data.normal_class"]
    name = str(class_names.get(label, label) or dataset)
    return (
        f"{about.name}, {normal_name([name], about.noun, {dataset: about.dataset})}, "
        f"seed {failure['seed']}, in its {failure['stage']} at step {failure['step']:,}: "
        f"{failure['reason']}"
    )


def _refused(folder: Path, name: str, reason: str) -> Refused:
    data = read_config(folder).data
    class_name = str(data.normal_class) or data.name
    return Refused(name, data.name, class_name, reason)


def title(runs: Sequence[Run]) -> str:
    """Return `AE, SDN and OE-SDN on MNIST`."""
    methods = _distinct(run.about.title for run in runs)
    return f"{listing(methods)} on {listing(_distinct(run.about.dataset for run in runs))}"


def commands(sweep: Sweep) -> list[str]:
    """Return the commands that made the runs: several if it was done in shards or bit by bit."""
    return _distinct(run.results.get("command") for run in sweep.runs)


def remarks(sweep: Sweep) -> list[str]:
    """Return what is missing from the tables of a sweep, a sentence each."""
    missing = [f"Diverged and in no number here: {failure}." for failure in sweep.failures]
    if sweep.unfinished:
        runs = count(len(sweep.unfinished), "run")
        missing.append(f"{runs} not finished: {listing(sweep.unfinished, 4)}.")
    for reason in _distinct(run.reason for run in sweep.refused):
        names = [run.name for run in sweep.refused if run.reason == reason]
        missing.append(f"{count(len(names), 'run')} not done, {listing(names, 4)}: {reason}.")
    return [*missing, *_missing_categories(sweep.runs)]


def _missing_categories(runs: Sequence[Run]) -> Iterator[str]:
    """Yield which official categories no run is of; a single run is no sweep over categories."""
    for dataset in _distinct(run.dataset for run in runs if len(runs) > 1):
        known = CATEGORIES.get(dataset, ())
        own = [run for run in runs if run.dataset == dataset]
        measured = {member["class_name"] for run in own for member in run.members}
        missing = [name for name in known if name not in measured]
        if missing:
            yield (
                f"Not measured: {listing(missing, len(known))} ({len(missing)} of the "
                f"{len(known)} categories of {own[0].about.dataset})."
            )


def provenance(sweep: Sweep, defaults: Defaults | None = None) -> dict[str, str]:
    """Return facts on how the numbers of a sweep came about.

    Without `defaults` the settings that differ from them are left out.
    """
    runs = sweep.runs if sweep.search is None else list(sweep.search.runs.values())
    results = [run.results for run in runs]
    days = sorted({result["date"][:10] for result in results if "date" in result})
    facts = {
        "runs": f"{len(runs):,} finished",
        "date": " to ".join(_distinct([*days[:1], *days[-1:]])),
        "hardware": listing(_distinct(_hardware(r.get("hardware", {})) for r in results) or [""]),
        "versions": "; ".join(_distinct(_versions(r.get("versions", {})) for r in results)),
        "settings": "" if defaults is None else changed_settings(sweep.runs, defaults),
        "parameters": _parameters(sweep.runs),
        "time": _time(runs),
    }
    return {name: text for name, text in facts.items() if text}


def changed_settings(runs: Sequence[Run], defaults: Defaults) -> str:
    """Return the settings that differ from each method's defaults, or `the defaults`.

    Such as `student.steps 700 instead of 2,000`. A change of some methods only stands after their
    titles: `...; U-Net: data.size 512 instead of 256`.
    """
    methods: dict[str, list[Run]] = {}
    for run in runs:
        methods.setdefault(run.method, []).append(run)
    changes = {method: _changes(own, defaults(method)) for method, own in methods.items()}
    first, *others = changes.values()
    everywhere = [change for change in first if all(change in other for other in others)]
    parts: dict[str, list[str]] = {}
    for method, own in changes.items():
        words = ", ".join(change for change in own if change not in everywhere)
        parts.setdefault(words, []).append(methods[method][0].about.title)
    parts.pop("", None)
    special = [f"{listing(titles)}: {words}" for words, titles in parts.items()]
    return "; ".join([*filter(None, [", ".join(everywhere)]), *special]) or "the defaults"


def _changes(runs: Sequence[Run], defaults: dict) -> list[str]:
    """Changes of one method's settings; those of alternatives that no run chose have no say."""
    usual = flat(defaults) | essential(defaults)
    changes = []
    for key in sorted({key for run in runs for key in run.settings}):
        if key in NAMED or all(_names_variant(run, key) for run in runs):
            continue  # headings say it
        values = _distinct(setting_text(run.settings[key]) for run in runs if key in run.settings)
        default = setting_text(usual.get(key))
        if values != [default]:
            changes.append(f"{key} {listing(values)} instead of {default}")
    return changes


def _names_variant(run: Run, key: str) -> bool:
    return run.about.usual_variant != "" and run.settings.get(key) == run.about.variant


def _distinct(words: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(word for word in words if word))


def _hardware(hardware: dict) -> str:
    if not hardware:
        return ""
    devices, cores = count(hardware["devices"], "device"), count(hardware["cores"], "core")
    return f"{devices} ({hardware['device_kind']}), {cores}"


def _versions(versions: dict) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _parameters(runs: Sequence[Run]) -> str:
    """Return `teacher 284,161, student 459,233`."""
    by_stage: dict[str, list[str]] = {}
    for run in runs:
        for stage in run.results.get("stages", []):
            if "parameters" in stage:
                by_stage.setdefault(stage["name"], []).append(f"{stage['parameters']:,}")
    return ", ".join(f"{name} {listing(_distinct(n))}" for name, n in by_stage.items())


def _time(runs: Sequence[Run]) -> str:
    """Return the time of training and compiling; what several runs share is counted once."""
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
