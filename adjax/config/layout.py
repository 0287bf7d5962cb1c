"""The sections of a run's config: made with their defaults, checked, and read back typed."""

import dataclasses
import types
from collections.abc import Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict

from adjax import settings
from adjax.config.common import Common
from adjax.corruptions.settings import Crops
from adjax.datasets.catalog import INDUSTRIAL
from adjax.datasets.settings import CategoryData, ClassData
from adjax.errors import UserError
from adjax.evaluation.settings import CategoryEvaluation, Evaluation, Maps, Threshold, Windows
from adjax.methods import MethodInfo, Sections, lookup
from adjax.settings import Section, wrong

_TASKS: dict[str, dict[str, Section]] = {
    "classes": {"data": ClassData(), "evaluation": Evaluation()},
    "industrial": {
        "data": CategoryData(),
        "crops": Crops(),
        "windows": Windows(),
        "maps": Maps(),
        "threshold": Threshold(),
        "evaluation": CategoryEvaluation(),
    },
}
_COMMON = {
    "classes": Common(),
    "industrial": Common(select="best", log_every=25, checkpoint_every=250),
}
# What cuts a run down to seconds, beside what its method says.
_SMOKE: dict[str, dict[str, Any]] = {
    "classes": {"data.test_split": "test[:400]", "log_every": 5, "checkpoint_every": 10},
    "industrial": {
        "data.size": 64,
        "evaluation.batch_size": 4,
        "log_every": 2,
        "checkpoint_every": 4,
    },
}
_SMOKE_PATCH = 32  # px


class Settings(types.SimpleNamespace):
    """The typed settings of a run: common ones and sections, by their names in the config.

    Attributes:
      info: of the method, a `MethodInfo`.
      method: its name.
      image_score: which image score is reported.
      members: one dict of dotted keys a member, or nothing for one member.
      own: names of the method's own sections.

    """

    @property
    def sections(self) -> Sections:
        """The sections that the method's builder is given."""
        own = {name: getattr(self, name) for name in self.own}
        return Sections(precision=self.precision, **own)

    def leaves(self) -> dict[str, Any]:
        """Return all settings by dotted keys, but for the alternatives that are not in use."""
        flat = {"method": self.method, "image_score": self.image_score, "members": self.members}
        flat |= self.common.leaves()
        for name in self.all_sections:
            leaves = getattr(self, name).leaves(f"{name}.")
            if name in self.chosen:
                own = f"{name}.{self.chosen[name]}."
                leaves = {key: value for key, value in leaves.items() if key.startswith(own)}
            flat |= leaves
        return flat


def kind_of(dataset: str) -> str:
    """Return "industrial" for a set of folders of images, else "classes"."""
    return "industrial" if dataset in INDUSTRIAL else "classes"


def layout(info: MethodInfo, kind: str) -> dict[str, Section]:
    """Return the sections of a config of this method and kind of data, with their defaults."""
    return _TASKS[kind] | dict(info.sections)


def new_config(
    dataset: str,
    method: str,
    *,
    smoke: bool = False,
    texture: int = 0,
    changes: Mapping[str, Any] = types.MappingProxyType({}),
) -> ConfigDict:
    """Make the config of a run.

    Args:
      dataset: `config.data.name`.
      method: `config.method`.
      smoke: cut it down to seconds; its numbers mean nothing.
      texture: train on crops of so many px instead of whole images; 0: as the method does.
      changes: of values, by dotted keys; they come after the method's own for this data set and
        before what smoke cuts down.

    """
    info, kind = lookup(method), kind_of(dataset)
    if kind not in info.tasks:
        raise UserError(f"config.method={method!r} is not for {dataset}: it is for {info.tasks[0]}")
    values = {"method": method, "members": (), "image_score": info.image_score}
    values |= settings.as_dict(_COMMON[kind])
    values |= {name: settings.as_dict(own) for name, own in layout(info, kind).items()}
    config = ConfigDict(values)
    config.data.name = dataset
    config.update_from_flattened_dict(info.changes(dataset, kind))
    if texture:
        config.update_from_flattened_dict(on_texture(info, texture))
    config.update_from_flattened_dict(changes)
    if smoke:
        config.update_from_flattened_dict(_smoke(info, kind, config))
    return config


def on_texture(info: MethodInfo, size: int) -> dict[str, Any]:
    """Return the changes for training on random crops, scored by sliding windows."""
    crops = {"data.crops": "rotated_crops", "data.patch": size, "data.samples": 10000}
    return crops | dict(info.on.get("texture", {}))


def _smoke(info: MethodInfo, kind: str, config: ConfigDict) -> dict[str, Any]:
    values = dict(_SMOKE[kind])
    patched = kind == "industrial" and config.data.patch
    if patched:
        values["data.patch"] = _SMOKE_PATCH
    values |= info.smoke
    if kind == "industrial":
        values |= info.industrial_smoke
        if not patched:
            values["data.patch"] = 0
    return values


def for_method(config: ConfigDict, method: str) -> ConfigDict:
    """Return a config with the sections of another method, and its own values where it has them."""
    if config.method == method:
        return config

    def take(into: ConfigDict, source: ConfigDict) -> None:
        for key in set(into) & set(source):
            if isinstance(into[key], ConfigDict):
                take(into[key], source[key])
            elif key not in ("method", "image_score"):
                into[key] = source[key]

    other = new_config(config.data.name, method)
    take(other, config)
    return other


def union(configs: list[ConfigDict]) -> ConfigDict:
    """Return the first config with the sections and keys that it lacks taken from the others.

    What a table's flags are checked against: a flag applies to the runs that have its key.
    """

    def add(into: ConfigDict, more: ConfigDict) -> None:
        for key, value in more.items():
            if key not in into:
                into[key] = value
            elif isinstance(value, ConfigDict):
                add(into[key], value)

    first, *others = (config.copy_and_resolve_references() for config in configs)
    for other in others:
        add(first, other)
    return first


def check(config: ConfigDict | Mapping[str, Any]) -> Settings:
    """Return a config's settings, typed.

    Raises:
      UserError: for the first key or value that no run could have.

    """
    values = config.to_dict() if isinstance(config, ConfigDict) else dict(config)
    name, data = values.pop("method", None), values.get("data", {})
    info, kind = lookup(name), kind_of(data.get("name", ""))
    if kind not in info.tasks:
        raise wrong("method", name, f"is not for {data['name']}")
    if ("size" in data) != (kind == "industrial"):
        advice = "choose its config file: other data sets have other settings"
        raise wrong("data.name", data.get("name"), advice)
    sections = layout(info, kind)
    missing = [section for section in sections if section not in values]
    if missing:
        hint = f"choose the method by the argument, --config=FILE.py:{name}"
        raise wrong("method", name, f"the config has no section {missing[0]}: {hint}")
    typed = {
        section: settings.read_shared(defaults, values.pop(section), section)
        for section, defaults in sections.items()
    }
    image_score, members = values.pop("image_score", info.image_score), values.pop("members", ())
    if not isinstance(image_score, str):
        raise wrong("image_score", image_score, "give a word")
    common = settings.read_shared(_COMMON[kind], values, "")
    chosen = dict(_alternatives(info, kind, typed))
    checked = Settings(
        info=info,
        method=name,
        image_score=image_score,
        members=members,
        common=common,
        own=tuple(info.sections),
        all_sections=tuple(sections),
        chosen=chosen,
        **{field: getattr(common, field) for field in common.__dataclass_fields__},
        **typed,
    )
    if kind == "industrial":
        _check_patches(checked)
    return checked


def _alternatives(
    info: MethodInfo, kind: str, typed: dict[str, Section]
) -> Iterator[tuple[str, str]]:
    """Yield each section of alternatives and the name of the one in use."""
    choosers = dict(info.chosen) | ({"crops": "data.crops"} if kind == "industrial" else {})
    for section, key in choosers.items():
        owner, _, field = key.partition(".")
        name = getattr(typed[owner], field)
        known = sorted(field.name for field in dataclasses.fields(typed[section]))
        none = typed[section].none
        if name not in known and name != none:
            raise wrong(key, name, f"choose one of {', '.join([*filter(None, [none]), *known])}")
        yield section, name


def _check_patches(checked: Settings) -> None:
    """Check what patches, crops, windows and thresholds must have in common."""
    data, stride, area = checked.data, checked.windows.stride, checked.threshold.area
    if data.patch not in (0, data.size) and stride > data.patch:
        raise wrong("windows.stride", stride, f"must not be above data.patch={data.patch}")
    if area > data.size**2:
        raise wrong("threshold.area", area, "an image has fewer pixels")
