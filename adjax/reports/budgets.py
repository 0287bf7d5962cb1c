"""What models of categories cost, and what their own thresholds make of test images."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from adjax.reports.columns import Column
from adjax.reports.finished_run import Run
from adjax.reports.rendering import ABSENT
from adjax.reports.words import spread

NOTES = (
    "Time is that of training, by the clock, times the cores or devices of the machine: other work "
    "beside it counts too.",
    "The threshold of the image score is chosen on held-out normal images alone.",
)
_ON_CPU, _ELSEWHERE = "core-min", "device-min"
_RATES = ("false_positive_rate", "true_positive_rate")


def groups(columns: Sequence[Column]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the headings above `cells`."""
    runs = [run for column in columns for run in column.runs]
    minutes = _ON_CPU if all(map(_on_cpu, runs)) else _ELSEWHERE
    return (
        ("one model", ("steps", "pixels", minutes)),
        ("by its own threshold", ("normal flagged", "anomalies found")),
    )


def cells(column: Column, classes: Sequence[str]) -> Iterator[str]:
    """Yield the cells of a row: what is the same for all of its categories, and means over them."""
    runs = [run for run in column.runs if any(m["class_name"] in classes for m in run.members)]
    yield _only(_steps(run) for run in runs)
    yield _only(_pixels(run) for run in runs)
    minutes = [_minutes(run) for run in runs]
    yield f"{np.mean(minutes):.1f}" if minutes and None not in minutes else ABSENT
    for rate in _RATES:
        yield _mean_rate(column, classes, rate)


def is_known(columns: Sequence[Column]) -> bool:
    """Return whether there is more than one model, and something to say of it."""
    runs = [run for column in columns for run in column.runs]
    return len(runs) > 1 and any("stages" in run.results for run in runs)


def _only(words: Iterable[str]) -> str:
    """Return the word that all are; what differs among categories stands in their own rows."""
    found = set(words)
    return found.pop() if len(found) == 1 else ABSENT


def _steps(run: Run) -> str:
    """Return `2,000`, or `1,200 + 800` of several stages; a fit of one step is no training."""
    steps = [stage["steps"] for stage in run.results.get("stages", ()) if stage["steps"] > 1]
    return " + ".join(f"{number:,}" for number in steps) or ABSENT


def _pixels(run: Run) -> str:
    """Return `128`, or `64 of 256` where a model is trained on patches."""
    data = run.config["data"]
    return f"{data['patch']} of {data['size']}" if data["patch"] else f"{data['size']}"


def _minutes(run: Run) -> float | None:
    """Return what training a member took; None where an earlier version did not tell."""
    stages, hardware = run.results.get("stages", ()), run.results.get("hardware")
    if not hardware or not all("train_seconds" in stage for stage in stages):
        return None
    width = hardware["cores"] if _on_cpu(run) else hardware["devices"]
    members = len((run.whole or run).members)
    return sum(stage["train_seconds"] for stage in stages) * width / members / 60


def _on_cpu(run: Run) -> bool:
    return run.results.get("hardware", {}).get("platform", "cpu") == "cpu"


def _mean_rate(column: Column, classes: Sequence[str], rate: str) -> str:
    """Return the mean of a rate over categories, with its spread over seeds that all have."""
    by_seed: dict[int, list[float]] = {}
    for run in column.runs:
        for member in run.members:
            value = member.get("image_threshold", {}).get(rate)
            if member["class_name"] in classes and value is not None:
                by_seed.setdefault(member["seed"], []).append(value)
    if not by_seed or any(len(values) < len(classes) for values in by_seed.values()):
        return ABSENT
    return spread({seed: float(np.mean(values)) for seed, values in by_seed.items()})
