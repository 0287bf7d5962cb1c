"""Identity of runs, stages and members: hashes, signatures, keys in which members differ.

The names of stages in the cache are made of the stage's own settings, so a run keeps its name
whatever other methods there are and whatever their settings.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ml_collections import ConfigDict

import adjax
from adjax import settings
from adjax.config.common import EXECUTION
from adjax.config.layout import Settings, check
from adjax.errors import UserError
from adjax.settings import wrong


def as_json(config: ConfigDict) -> dict:
    """Return a config as it is written to `config.json`: tuples become lists."""
    return json.loads(json.dumps(config.to_dict()))


def essential(config: Settings | Mapping[str, Any]) -> dict[str, Any]:
    """Return all that decides a run's numbers, by dotted keys, as JSON has it.

    Args:
      config: of the run: typed, a `ConfigDict` or its JSON.

    """
    typed = config if isinstance(config, Settings) else check(config)
    execution = set(EXECUTION)
    if typed.data.name == "folder":  # else nothing says whose images
        execution.remove("data.dir")
    leaves = typed.leaves()
    left_out = _within(leaves, execution)
    return {key: _in_json(value) for key, value in leaves.items() if key not in left_out}


def _in_json(value: Any) -> Any:
    """Return a setting's value as JSON gives it back."""
    return json.loads(json.dumps(value)) if isinstance(value, tuple | list) else value


def config_hash(config: Settings) -> str:
    """Return twelve hexadecimal digits that name what decides a run's numbers."""
    text = json.dumps(essential(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def members_of(config: Settings, dynamic: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the members of a run's population, one dict a member.

    Args:
      config: of the run; its `members` hold one dict of dotted keys a member, or nothing for a
        population of one.
      dynamic: keys besides `seed` and those of the task in which members may differ.

    Returns:
      For each member its seed, normal class and dynamic settings.

    """
    allowed = varying(config, dynamic)
    given = config.members or ({},)
    if not isinstance(given, tuple | list) or not all(isinstance(m, Mapping) for m in given):
        raise wrong("members", given, "give a tuple of dicts, ({'seed': 0}, {'seed': 1})")
    fields = _fields(config) if any(given) else {}
    own = config.leaves()
    members = []
    for number, overrides in enumerate(given):
        for key, value in overrides.items():
            if key not in allowed:
                raise UserError(
                    f"config.members[{number}]: {key!r} cannot differ within a population; "
                    f"these can: {', '.join(allowed)}"
                )
            settings.read_value(fields[key], value, f"members[{number}][{key!r}]")
        keys = ("seed", "data.normal_class", *dynamic)
        members.append({key: overrides.get(key, own[key]) for key in keys})
    if len({tuple(member.items()) for member in members}) < len(members):
        raise UserError("config.members: two members are equal; give each its own seed")
    return members


def _fields(config: Settings) -> dict[str, Any]:
    """The fields of all settings by dotted keys."""
    fields = dict(settings.fields_of(config.common))
    for name in config.all_sections:
        fields |= settings.fields_of(getattr(config, name), f"{name}.")
    return fields


def varying(config: Settings, dynamic: tuple[str, ...]) -> tuple[str, ...]:
    """Return the keys in which members of a population may differ."""
    return ("seed", *config.data.varying, *dynamic)


def stage_hash(config: Settings, stage: Any, member: dict[str, Any], content: str = "") -> str:
    """Return a name for the result of training a stage for a member: equal only if that is.

    Execution (devices, population axis, versions of libraries) is left out: it changes rounding.

    Args:
      config: of the run.
      stage: of its method.
      member: its settings.
      content: a digest of the images trained on, where a name goes by it; empty: those of runs of
        earlier versions, which did not know it.

    """
    keys = _stage_keys(config, stage) | ({"data.content": content} if content else {})
    keys |= _within(member, ("seed", *stage.depends_on))
    text = json.dumps([adjax.__version__, stage.name, stage.depends_on, keys], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def stage_signature(config: Settings, stage: Any, dynamic: tuple[str, ...]) -> str:
    """Return what members have in common that can train a stage together, whatever the method."""
    keys = _stage_keys(config, stage) | _execution(config)
    static = {k: v for k, v in keys.items() if k not in varying(config, dynamic)}
    return json.dumps([stage.name, stage.depends_on, static], sort_keys=True)


def run_signature(config: Settings, dynamic: tuple[str, ...]) -> str:
    """Return what runs have in common that share all their programs."""
    free = ("members", *varying(config, dynamic))
    keys = essential(config) | _execution(config)
    return json.dumps({k: v for k, v in keys.items() if k not in free}, sort_keys=True)


def _stage_keys(config: Settings, stage) -> dict[str, Any]:
    """All that a stage's result depends on but for the seed, by dotted keys."""
    sections = (*stage.depends_on, *(["crops"] if config.chosen.get("crops") else []))
    keys = _within(essential(config), sections)
    for name in config.data.untrained:
        keys.pop(f"data.{name}", None)
    common = ("precision", "select", "log_every", "checkpoint_every")
    return keys | {key: getattr(config.common, key) for key in common}


def _execution(config: Settings) -> dict[str, Any]:
    return _within(config.leaves(), EXECUTION)


def _within(leaves: Mapping[str, Any], sections: Iterable[str]) -> dict[str, Any]:
    """Return those of the settings, by dotted keys, that are named or lie in sections so named."""
    names = frozenset(sections)
    starts = tuple(f"{name}." for name in names)
    return {k: v for k, v in leaves.items() if k in names or k.startswith(starts)}
