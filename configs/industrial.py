"""Experiments on industrial images: their argument, their variants, their tables.

A data set is a folder of categories with normal and defective images: `config.data.dir`, or if that
is empty the folder named like the data set below the environment variable ADJAX_DATA_DIR. Values
come from the methods (`adjax/methods/*/__init__.py`), from the task (`CategoryData` in
`adjax/datasets/settings.py`, `adjax/evaluation/settings.py`) and from `adjax/config/common.py`.
"""

from collections.abc import Mapping, Sequence

from ml_collections import ConfigDict

from adjax import grid
from adjax.config.arguments import Arguments
from adjax.config.layout import new_config, union
from adjax.datasets.catalog import TEXTURES
from adjax.methods import PACKAGES, lookup

# Tables for any data set: the benefit of training on corrupted images, with stains or
# `--config.autoencoder.corruption=none`, and the effect of the loss on one network.
TABLES = {
    "corruption_table": ("aesc_residual", "aesc_uncertainty", "ae_d6_residual"),
    "loss_table": ("ssim_ae", "ae_l2"),
}
TEXTURE_CROP = 128  # px


class Experiments:
    """The runs and tables of one industrial data set.

    Attributes:
      arguments: the arguments that its config file accepts.

    """

    def __init__(
        self,
        dataset: str,
        first: str,
        categories: Sequence[str],
        tables: Mapping[str, tuple[str, ...]] = {},
        most_steps: Mapping[str, int] = {},
        **data,
    ):
        """Describe the experiments.

        Args:
          dataset: a name of `adjax.datasets.catalog.INDUSTRIAL`.
          first: the default method.
          categories: all categories; missing ones are left out of a table.
          tables: methods of each table, besides `TABLES`.
          most_steps: section -> most steps of its stage, unless `steps` is given.
          **data: values of `config.data`.

        """
        self.dataset, self.categories, self.most_steps = dataset, categories, most_steps
        self.tables = dict(tables) | TABLES
        self.data = data
        self.arguments = Arguments(
            kind="industrial",
            first=first,
            sweeps={name: ", ".join(methods) for name, methods in self.tables.items()},
            words={
                "texture": f"train on random crops of {TEXTURE_CROP} px, score by windows",
                "smoke": "seconds of training, to see that all works; its numbers mean nothing",
            },
            lists={
                "categories": ((), "categories; all that are there without it"),
                "seeds": (int, "the seeds; 0 without it"),
                "steps": (int, "steps of each method's last stage"),
                "methods": (tuple(PACKAGES), "rows, of any method"),
            },
            tables=tuple(self.tables),
        )

    def get_config(self, argument: str) -> ConfigDict:
        """Return the config of a method's run, or for a table the config that flags may change."""
        name, words, lists = self.arguments.parse(argument)
        methods = lists.get("methods", self.tables.get(name, (name,)))
        return union([self._run(method, words, lists) for method in methods])

    def sweep(self, add, argument: str) -> None:
        """Add the runs of a table, named METHOD/CATEGORY/seedS. A method has none.

        The command line may change whatever the runs have in common. The only category of
        `configs/folder.py` has no name.
        """
        name, words, lists = self.arguments.parse(argument)
        if name not in self.tables:
            return
        categories = grid.axis("data.normal_class", lists.get("categories", self.categories))
        seeds = grid.axis("seed", lists.get("seeds", (0,)))
        for method in lists.get("methods", self.tables[name]):
            whole = self._run(method, words, lists)
            crops = self._run(method, words, lists, texture=True)
            for point in grid.product(categories, seeds):
                category, seed = point.values()
                config = crops if category in TEXTURES and _crops_textures(method) else whole
                name = grid.folders(method, category, f"seed{seed}")
                add(name, {"method": method} | point, config)

    def _run(self, method: str, words, lists, texture: bool = False) -> ConfigDict:
        info = lookup(method)
        changes = {f"data.{key}": value for key, value in self.data.items()}
        if info.steps:
            usual = new_config(self.dataset, method)[info.steps].steps
            steps = min(usual, self.most_steps.get(info.steps, usual))
            changes[f"{info.steps}.steps"] = lists.get("steps", (steps,))[0]
        crop = TEXTURE_CROP if texture or "texture" in words else 0
        smoke = "smoke" in words
        return new_config(self.dataset, method, smoke=smoke, texture=crop, changes=changes)


def _crops_textures(method: str) -> bool:
    """Return whether a method trains on random crops of textures without being asked to."""
    return "texture" in lookup(method).on
