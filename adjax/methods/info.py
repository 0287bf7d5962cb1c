"""The declaration of a method: its settings, titles and changes, before anything is built.

Nothing heavy is imported here or by the packages that declare methods.
"""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any

from adjax.settings import Section

Values = Mapping[str, Any]  # by dotted keys of a config


class Sections(types.SimpleNamespace):
    """The typed sections of a method by name, and `precision`; its builder is given these."""

    def __getitem__(self, name: str) -> Section:
        """Return a section by its name."""
        return getattr(self, name)


@dataclasses.dataclass(frozen=True)
class MethodInfo:
    """A method's declaration.

    Attributes:
      name: `config.method`.
      title: in tables and figures.
      paper: authors and year of what it is from; empty: of no paper.
      builder: `module:function` below `adjax.methods`; the function is given `Sections` and returns
        a `Method`. The module is imported when the method is built.
      sections: the method's own sections of a config, with their defaults.
      image_score: the default of `config.image_score`.
      chosen: section of alternatives -> the setting that names the one in use; the others have no
        say in a run.
      on: data set, "classes" (any set of image classes), "industrial" (any other) or "texture"
        (industrial images of which crops are trained on) -> what the method changes there, of the
        common settings too.
      smoke: changes that cut the method down to seconds.
      industrial_smoke: further ones on industrial images.
      tasks: kinds of data sets that it can be trained on, "classes" and "industrial".
      steps: section whose steps the argument `steps=` of a table sets; empty: it has none.
      published_as: column of published tables to compare with; empty: its own name.
      variant: setting whose value makes it another system in tables; empty: none does.
      usual_variant: value of that setting that goes without saying.
      variants_of: method whose variant `none` this one is.

    """

    name: str
    title: str
    builder: str
    sections: Mapping[str, Section]
    image_score: str
    paper: str = ""
    chosen: Values = dataclasses.field(default_factory=dict)
    on: Mapping[str, Values] = dataclasses.field(default_factory=dict)
    smoke: Values = dataclasses.field(default_factory=dict)
    industrial_smoke: Values = dataclasses.field(default_factory=dict)
    tasks: tuple[str, ...] = ("classes", "industrial")
    steps: str = ""
    published_as: str = ""
    variant: str = ""
    usual_variant: str = ""
    variants_of: str = ""

    def changes(self, dataset: str, kind: str) -> dict[str, Any]:
        """Return what the method changes on a data set of a kind, "classes" or "industrial"."""
        return {**self.on.get(kind, {}), **self.on.get(dataset, {})}
