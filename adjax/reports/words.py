"""Words for readers: how keys and values of result files are written in tables and on pages."""

from collections.abc import Mapping, Sequence

import numpy as np

from adjax.reports.rendering import ABSENT

_RULES = {
    "k_sigma": "k sigma",
    "minimum_area": "minimum area",
    "oracle_best_f1": "best F1 (oracle)",
}


def rule_name(rule: str) -> str:
    """Return the name of a rule of thresholds: `k_sigma` -> `k sigma`."""
    return _RULES.get(rule, rule)


def spelled(name: str) -> str:
    """Return the name of a set of images: `svd_blurring` -> `SVD blurring`."""
    return name.replace("_", " ").replace("svd", "SVD").replace("gaussian", "Gaussian")


def count(number: int, noun: str) -> str:
    """Return a number of things: `3 seeds`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listing(words: Sequence[str], most: int = 12) -> str:
    """Return `0, 3 and 7`; a list of more than `most` words is cut short."""
    if len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join([*filter(None, [", ".join(words[:-1])]), words[-1]])


def normal_name(names: Sequence[str], noun: str, titles: Mapping[str, str]) -> str:
    """Return `class 3`, `categories bottle and screw`, `10 classes`.

    Args:
      names: of classes or categories, each once.
      noun: what one is called.
      titles: of data sets; one that is a single category goes by its title, without the noun.

    """
    if len(names) == 1 and names[0] in titles:
        return titles[names[0]]
    if len(names) == 1:
        return f"{noun} {names[0]}"
    nouns = noun.replace("class", "classes").replace("category", "categories")
    return f"{len(names)} {nouns}" if len(names) > 5 else f"{nouns} {listing(names)}"


def setting_text(value: object) -> str:
    """Return `2,000`, `0.003`, `bfloat16`, `(32, 64)`, or `''` for no word."""
    if isinstance(value, list | tuple):
        return f"({', '.join(map(setting_text, value))})"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "absent" if value is None else str(value) or "''"
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def duration(seconds: float) -> str:
    """Return `45 s`, `12 min`, `5.4 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def number(value: float | None) -> str:
    """Return a value with three digits, as most tables are printed."""
    return ABSENT if value is None else f"{value:.3f}"


def spread(by_seed: Mapping[int, float]) -> str:
    """Return the mean over seeds and, from two on, the sample standard deviation."""
    values = list(by_seed.values())
    if len(values) < 2:
        return number(values[0] if values else None)
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"
