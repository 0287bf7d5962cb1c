"""Settings: the typed and checked sections that configs are made of.

A section is a frozen dataclass whose fields are made by `count`, `number`, `choice` and their like,
so that default, type, bounds and one line of meaning stand together:

    @dataclasses.dataclass(frozen=True)
    class Student(Section):
        steps: int = count(2000, "updates [D], about 3 epochs")
        loss_weight: float = number(0.5, "lambda, published", at_least=0, at_most=1)

An instance is a set of defaults, `as_dict` makes the config's section of it, and `read` gives the
values of a config back, typed and checked. Nothing heavy is imported here, so that a wrong flag is
told at once.
"""

import dataclasses
import functools
import marshal
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from adjax.errors import UserError

LARGEST_INT = 2**31 - 1
LARGEST_FLOAT = 3.4e38  # of float32
SMALLEST_FLOAT = 1.2e-38  # of float32, but for 0
SMALLEST_WEIGHT = 1e-6
LARGEST_WEIGHT = 1e9
LARGEST_SIZE = 2**16  # of an axis of an array


@dataclasses.dataclass(frozen=True)
class Section:
    """Base class of sections; subclasses are frozen dataclasses."""

    def relations(self) -> Iterable[tuple[str, str]]:
        """Yield `(field, advice)` where a value does not go together with others of the section."""
        return ()

    def leaves(self, prefix: str = "") -> Mapping[str, Any]:
        """Return all settings by dotted keys that begin with `prefix`; made once, not to change."""
        made = self.__dict__.setdefault("_leaves", {})
        if prefix not in made:
            made[prefix] = flat(as_dict(self), prefix)
        return made[prefix]


class Alternatives(Section):
    """A section of sections of which another setting names the one in use.

    Attributes:
      none: name that stands for none of them, if there may be none.

    """

    none: ClassVar[str | None] = None


@dataclasses.dataclass(frozen=True)
class Bounds:
    """The values that a setting may have, beyond those of its default's type.

    Attributes:
      at_least: inclusive lower bound of a number, or of every number of a tuple.
      above: exclusive lower bound.
      at_most: inclusive upper bound.
      below: exclusive upper bound.
      choices: the only values; empty: any.
      apart: the smallest positive value, of those that may be 0 too.
      odd: whether it must be an odd number.
      or_name: whether a text may stand in place of the number.
      element: type of a tuple's elements.
      least_length: number of a tuple's elements.
      advice: what to say of a wrong value, where the bounds do not say it well.

    """

    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    apart: float = 0.0
    odd: bool = False
    or_name: bool = False
    element: type | None = None
    least_length: int = 0
    advice: str = ""

    def in_words(self) -> str:
        """Return what to do about a value out of bounds."""
        if self.advice:
            return self.advice
        if self.choices:
            return f"choose one of {', '.join(self.choices)}"
        high = self.at_most if self.below is None else self.below
        low = self.at_least if self.above is None else self.above
        most = "" if high is None or high >= LARGEST_INT else f" and at most {high:g}"
        if self.odd:
            return f"use an odd number{most and f' from {low:g} to {high:g}'}"
        if (self.above, high) == (0, 1):
            return f"must be above 0 and {'at most' if self.below is None else 'below'} 1"
        if self.above == 0:
            return f"must be positive{most}"
        if low is None:  # an upper bound alone
            return f"must be{most.removeprefix(' and')}"
        if most and high <= 1:
            return f"must lie between {low:g} and {high:g}"
        if low == 0 and not most:
            return "must not be negative"
        return f"must be at least {low:g}{most}"

    def hold(self, value: float) -> bool:
        """Return whether a number is within the bounds."""
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
            and not (self.odd and value % 2 == 0)
        )


def count(
    default: int, meaning: str, *, at_least: int = 1, at_most: int = LARGEST_INT, **bounds: Any
) -> Any:
    """Make a setting that is a whole number: from 1, unless told."""
    return _setting(default, meaning, at_least=at_least, at_most=at_most, **bounds)


def size(default: int, meaning: str, **bounds: Any) -> Any:
    """Make a setting that is the length of an array's axis."""
    return count(default, meaning, **{"at_most": LARGEST_SIZE, **bounds})


def number(default: float, meaning: str, **bounds: Any) -> Any:
    """Make a setting that is a finite number; not negative, unless bounds are given."""
    return _setting(float(default), meaning, **(bounds or {"at_least": 0}))


def rate(default: float, meaning: str) -> Any:
    """Make a setting that is a learning rate: one by which float32 parameters move."""
    return number(default, meaning, at_least=1e-10, advice="must be positive, at least 1e-10")


def weight(default: float, meaning: str) -> Any:
    """Make a setting that is the weight of a term of a loss; `nothing_weighs` checks several."""
    return number(
        default,
        meaning,
        at_least=0,
        at_most=LARGEST_WEIGHT,
        apart=SMALLEST_WEIGHT,
    )


def nothing_weighs(section: Section, *names: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with weights that all are 0: there is nothing to minimise."""
    if not any(getattr(section, name) for name in names):
        yield names[0], f"one of {' and '.join(names)} must be positive"


def choice(default: str, choices: Iterable[str], meaning: str) -> Any:
    """Make a setting that is one of several words."""
    return _setting(default, meaning, choices=tuple(choices))


def word(default: str, meaning: str) -> Any:
    """Make a setting that is a text."""
    return _setting(default, meaning)


def flag(default: bool, meaning: str) -> Any:
    """Make a setting that is True or False."""
    return _setting(default, meaning)


def several(default: tuple, meaning: str, *, element: type = int, **bounds: Any) -> Any:
    """Make a setting that is a tuple of numbers; bounds are those of each."""
    if element is int:
        bounds = {"at_most": LARGEST_SIZE, **bounds}
    return _setting(default, meaning, element=element, **bounds)


def _setting(default, meaning: str, **bounds):
    return dataclasses.field(
        default=default, metadata={"meaning": meaning, "bounds": Bounds(**bounds)}
    )


def as_dict(section: Section) -> dict[str, Any]:
    """Return the values of a section, and of sections within it, as plain dicts."""
    return {
        field.name: as_dict(value) if isinstance(value, Section) else value
        for field in dataclasses.fields(section)
        for value in [getattr(section, field.name)]
    }


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested dicts by their dotted keys."""
    leaves = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            leaves |= flat(value, f"{prefix}{name}.")
        else:
            leaves[prefix + name] = value
    return leaves


def read(defaults: Section, values: Mapping[str, Any], key: str) -> Section:
    """Return a section with the values of a config.

    Args:
      defaults: what a value that is missing is taken from.
      values: of the config's section, by name.
      key: of the section in the config, for errors; empty: its top.

    Raises:
      UserError: for the first name, type or value that cannot be; it names the key.

    """
    if not isinstance(values, Mapping):
        raise wrong(key, values, "must be a section")
    prefix = f"{key}." if key else ""
    fields = {field.name: field for field in dataclasses.fields(defaults)}
    for name in values:
        if name not in fields:
            raise UserError(f"config.{prefix}{name}: the config has no such key")
    typed = {}
    for name, field in fields.items():
        default = getattr(defaults, name)
        if name not in values:
            typed[name] = default
        elif isinstance(default, Section):
            typed[name] = read(default, values[name], f"{prefix}{name}")
        else:
            typed[name] = read_value(field, values[name], f"{prefix}{name}")
    section = type(defaults)(**typed)
    for name, advice in section.relations():
        raise wrong(f"{prefix}{name}", getattr(section, name), advice)
    return section


def read_shared(defaults: Section, values: Mapping[str, Any], key: str) -> Section:
    """Return what `read` does, one object for equal values: the runs of a sweep share sections."""
    try:
        return _read_content(defaults, marshal.dumps(values, _EXACT), key)
    except ValueError:  # a value that is wrong, or of a type that no setting has: `read` says it
        return read(defaults, values, key)


_EXACT = 2  # format in which equal bytes are equal values of equal types: 1, 1.0 and True differ


@functools.lru_cache(maxsize=8192)
def _read_content(defaults: Section, content: bytes, key: str) -> Section:
    return read(defaults, marshal.loads(content), key)


def read_value(field: dataclasses.Field, value: Any, key: str) -> Any:
    """Return a value as its field's type; raise `UserError` if the field may not have it."""
    bounds: Bounds = field.metadata["bounds"]
    kind = type(field.default)
    if kind is not tuple:
        return _read_scalar(bounds, kind, value, key)
    if not isinstance(value, tuple | list) or len(value) < bounds.least_length:
        raise wrong(key, value, bounds.advice or "give a tuple of numbers")
    return tuple(_read_scalar(bounds, bounds.element, one, key, whole=value) for one in value)


def _read_scalar(bounds: Bounds, kind: type, value, key: str, whole=None) -> Any:
    shown = value if whole is None else whole
    if bounds.or_name and value and type(value) is str:
        return value
    if kind in (int, float):
        allowed = (int,) if kind is int else (int, float)
        if type(value) not in allowed:
            advice = "give a whole number" if kind is int else "give a number"
            raise wrong(key, shown, bounds.advice or advice)
        if kind is float and not abs(value) <= LARGEST_FLOAT:  # nor NaN
            raise wrong(key, shown, "must be a finite number")
        if not bounds.hold(value):
            raise wrong(key, shown, bounds.in_words())
        if 0 < abs(value) < max(bounds.apart, SMALLEST_FLOAT):
            least = max(bounds.apart, SMALLEST_FLOAT)
            raise wrong(key, shown, f"too small to count: give 0 or at least {least:g}")
        return kind(value)
    if type(value) is not kind:
        raise wrong(key, shown, bounds.in_words() if bounds.choices else f"give a {_NAMES[kind]}")
    if bounds.choices and value not in bounds.choices:
        raise wrong(key, shown, bounds.in_words())
    return value


_NAMES = {str: "word", bool: "flag, True or False"}


def fields_of(section: Section, key: str = "") -> Iterator[tuple[str, dataclasses.Field]]:
    """Yield `(dotted key, field)` for every leaf of a section."""
    for field in dataclasses.fields(section):
        value = getattr(section, field.name)
        if isinstance(value, Section):
            yield from fields_of(value, f"{key}{field.name}.")
        else:
            yield f"{key}{field.name}", field


def wrong(key: str, value: Any, advice: str) -> UserError:
    """Return the error that says what to do about a config's value."""
    return UserError(f"config.{key}={value!r}: {advice}")
