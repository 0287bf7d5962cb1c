"""The argument of a config file: what follows the colon in `--config=FILE.py:ARGUMENT`."""

import dataclasses
import textwrap
from collections.abc import Mapping
from typing import NamedTuple

from adjax.methods import PACKAGES, infos


class Parsed(NamedTuple):
    """An argument, taken apart.

    Attributes:
      name: of a method or a sweep.
      words: variants that were asked for.
      lists: for each choice that was given its values, `int` or `str`.

    """

    name: str
    words: frozenset[str]
    lists: dict[str, tuple]


@dataclasses.dataclass(frozen=True)
class Arguments:
    """The arguments that a config file takes: `NAME[,WORD ...][,CHOICE=A+B ...]`.

    Attributes:
      kind: of the data, "classes" or "industrial".
      first: the method that is meant where none is given.
      sweeps: names of sweeps, and what each is.
      words: variants, and what each does.
      lists: choices of sweeps: their type, `int` or a tuple of the words that are known (empty:
        any), and what they choose.
      tables: the sweeps that have choices.

    """

    kind: str
    first: str
    sweeps: Mapping[str, str]
    words: Mapping[str, str]
    lists: Mapping[str, tuple[type | tuple[str, ...], str]]
    tables: tuple[str, ...] = ()

    def parse(self, argument: str) -> Parsed:
        """Take an argument apart; raises `ValueError`, in one line, for what is not known."""
        name, *parts = (argument or self.first).split(",")
        _require(name, (*PACKAGES, *self.sweeps))
        words, lists = set(), {}
        for part in parts:
            key, given, values = part.partition("=")
            _require(key, self.lists if given and name in self.tables else self.words)
            if given:
                lists[key] = self._values(key, values)
            else:
                words.add(part)
        return Parsed(name, frozenset(words), lists)

    def _values(self, key: str, text: str) -> tuple:
        kind, _ = self.lists[key]
        values = text.split("+")
        if kind is int:
            if not all(value.isdecimal() for value in values):
                raise ValueError(f"'{key}={text}' must look like {key}=0+1+2")
            return tuple(map(int, values))
        if not all(values):
            raise ValueError(f"'{key}={text}' must look like {key}=A+B")
        for value in values if kind else ():
            _require(value, kind)
        return tuple(values)

    @property
    def names(self) -> dict[str, str]:
        """What a NAME may be, and what each is: the methods, the default one first, and sweeps."""
        methods = {name: info.title for name, info in infos().items() if self.kind in info.tasks}
        return {self.first: methods[self.first]} | methods | dict(self.sweeps)

    def help(self) -> str:
        """Return all that may be given, for a terminal."""
        lines = [
            "NAME[,WORD ...][,CHOICE=A+B ...], after a colon behind the file, with NAME one of"
        ]
        lines += _entries(self.names)
        lines += ["WORD one of", *_entries(self.words)]
        if self.tables:
            choices = {
                f"{key}={'0+1' if kind is int else 'A+B'}": meaning
                for key, (kind, meaning) in self.lists.items()
            }
            lines += [f"and, for {', '.join(self.tables)}, CHOICE one of", *_entries(choices)]
        return "\n".join(lines)


def _require(word: str, known) -> None:
    if word not in known:
        raise ValueError(f"{word!r} is none of {', '.join(known)}")


def _entries(meanings: Mapping[str, str]) -> list[str]:
    width = max(map(len, meanings), default=0) + 4
    indent = " " * width
    return [
        textwrap.fill(f"  {name}".ljust(width) + meaning, 80, subsequent_indent=indent)
        for name, meaning in meanings.items()
    ]
