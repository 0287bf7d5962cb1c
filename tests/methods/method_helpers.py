"""Typed sections of small methods, without a config."""

import dataclasses

from adjax.methods import Sections, build, lookup

WINDOW = 7
# For images of 8 x 8, beyond what `smoke` cuts down; what a method does not have is left out.
SMALL = {
    "autoencoder.batch_size": 4,
    "autoencoder.steps": 8,
    "autoencoder.learning_rate": 1e-3,
    "autoencoder.weight_decay": 0.0,
    "autoencoder.schedule": "constant",
    "autoencoder.corruption": "stain",
    "autoencoder.depth": 2,
    "autoencoder.width": 4,
    "autoencoder.kernel": 3,
    "autoencoder.code_size": 4,
    "uncertainty.passes": 6,
    "uncertainty.aesc": (0.2, 0.5),
    "uncertainty.ae_d6": (0.0, 0.5),
    "distance.window": WINDOW,
    "teacher.widths": (4, 8),
    "student.groups": 1,
    "student.nonlocal_groups": (0,),
}


def sections_of(name, changes=None, precision="float32"):
    """The smallest sections of a method that have every part, changed by dotted keys, unchecked."""
    info = lookup(name)
    sections = dict(info.sections)
    small = {key: value for key, value in SMALL.items() if _has(sections, key)}
    for key, value in {**info.smoke, **small, **(changes or {})}.items():
        section, _, rest = key.partition(".")
        sections[section] = _changed(sections[section], rest, value)
    return Sections(precision=precision, **sections)


def build_method(name, changes=None, precision="float32"):
    """A method of `sections_of`."""
    return build(name, sections_of(name, changes, precision))


def _has(sections, key):
    section, _, name = key.partition(".")
    return hasattr(sections.get(section), name)


def _changed(section, key, value):
    name, _, rest = key.partition(".")
    if rest:
        value = _changed(getattr(section, name), rest, value)
    return dataclasses.replace(section, **{name: value})
