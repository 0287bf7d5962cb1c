"""Configs and results of runs that earlier versions wrote, in today's form.

Before 2026-11-28 every config held the sections of all methods, and `results.json` did not say what
the run is called.
"""

import functools
import marshal
from collections.abc import Mapping
from typing import Any

from adjax import settings
from adjax.config.layout import Settings, kind_of, layout
from adjax.datasets.catalog import title
from adjax.errors import UserError
from adjax.methods import lookup

# What older configs hold in the sections of methods that never read it.
_RETIRED = (
    "uncertainty.aesc",
    "uncertainty.ae_d6",
    "distance.ssim_weight",
    "distance.squared_weight",
)


# What runs did before there was a setting for it, where that is not its default.
_BEFORE = {"maps.sigma": 0.0}


def adopt_config(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored config with the sections of its own method and task alone.

    A setting that is younger than the run has its default, or what the run did without it.
    Sections may be those of other configs too, and are not to be changed.

    Raises:
      UserError: for a method, or a setting of its own, that this version does not have.

    """
    data = stored.get("data", {})
    kind = kind_of(data.get("name", ""))
    sections = layout(lookup(stored.get("method")), kind)
    adopted = {key: value for key, value in stored.items() if not isinstance(value, Mapping)}
    for name in ("ops", "mesh"):
        adopted[name] = stored.get(name, {})
    for name, defaults in sections.items():
        before = {k.partition(".")[2]: v for k, v in _BEFORE.items() if k.startswith(f"{name}.")}
        adopted[name] = _adopted(name, defaults, marshal.dumps(stored.get(name, before), 2))
    return adopted


@functools.lru_cache(maxsize=4096)
def _adopted(name: str, defaults: settings.Section, stored: bytes) -> dict[str, Any]:
    """Return a section with what was stored of it, once for all runs that have the same."""
    values = dict(defaults.leaves())
    for key, value in settings.flat(marshal.loads(stored)).items():
        if key in values:
            values[key] = value
        elif f"{name}.{key}" not in _RETIRED:
            raise UserError(f"config.{name}.{key}: another version of adjax wrote it")
    return _nested(values)


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested dicts of leaves by dotted keys; sections without leaves are not there."""
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *path, last = key.split(".")
        inner = nested
        for name in path:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return nested


def about(config: Settings) -> dict[str, Any]:
    """Return the names of a run for `results.json`, so that reports know no method by name."""
    info = config.info
    variant = "none" if info.variants_of else ""
    if info.variant:
        variant = config.leaves()[info.variant]
    return {
        "title": info.title,
        "published_as": info.published_as or info.name,
        "variant": variant,
        "usual_variant": info.usual_variant,
        "variants_of": info.variants_of,
        "noun": config.data.noun,
        "protocol": config.data.protocol,
        "decides": config.data.decides,
        "dataset": title(config.data.name),
    }
