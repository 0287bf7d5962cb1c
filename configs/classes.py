"""Experiments on image classes: their argument, their variants, the published tables.

Values come from the methods (`adjax/methods/*/__init__.py`), from the task (`ClassData` in
`adjax/datasets/settings.py`), from `adjax/config/common.py` and from this file.
"""

from ml_collections import ConfigDict

from adjax import grid
from adjax.config.arguments import Arguments
from adjax.config.layout import new_config, union
from adjax.methods import PACKAGES, infos, lookup

# The columns of the published table, in its order; OC-SVM as published and without the advantage.
TABLE1 = ("ocsvm", "ocsvm_oracle", "isolation_forest", "anogan", "deep_svdd", "ae", "sdn", "oe_sdn")
DEMO = ("ae", "sdn_fast", "oe_sdn_fast")
_DEMO = {"checkpoint_every": 400}  # saving takes longer than what would be lost
# Auxiliary sets of the published table; `none` is SDN.
TABLE3 = (
    "adversarial_noise",
    "gaussian_blurring",
    "gaussian_noise",
    "horizontal_flip",
    "reconstruction",
    "rotation",
    "shearing",
    "svd_blurring",
    "vertical_flip",
)
SWEEPS = {
    "demo": "AE, SDN and OE-SDN on one class, with the fast student",
    "table1": "the columns of the published table on ten classes",
    "table3": "OE-SDN with each auxiliary set of the published table, and SDN, on ten classes",
}
ARGUMENTS = Arguments(
    kind="classes",
    first="oe_sdn",
    sweeps=SWEEPS,
    words={
        "light": "the student has four groups",
        "faithful": "the student has ten groups, the published RNAN: work for an accelerator",
        "smoke": "seconds of training, to see that all works; its numbers mean nothing",
    },
    lists={
        "classes": (int, "the normal classes, by number; all ten without it"),
        "seeds": (int, "the seeds; 0 without it"),
        "methods": (
            tuple(PACKAGES),
            "columns of table1, of any method; of table3 oe_sdn or oe_sdn_fast",
        ),
    },
    tables=("table1", "table3"),
)
_GROUPS = {"light": 4, "faithful": 10}


def get_config(dataset: str, argument: str, **data) -> ConfigDict:
    """Return the config of a method's run, or for a sweep the config that flags may change.

    Args:
      dataset: TFDS name.
      argument: see `ARGUMENTS`.
      **data: values of `config.data`.

    """
    name, words, lists = ARGUMENTS.parse(argument)
    if name not in SWEEPS:
        return _run(dataset, name, words, data)
    if name == "demo":
        return union([_run(dataset, method, words, data, _DEMO) for method in reversed(DEMO)])
    methods = dict.fromkeys(row["method"] for row in _rows(name, lists).values())
    return union([_run(dataset, method, words, data) for method in reversed(methods)])


def sweep(add, argument: str, dataset: str, **data) -> None:
    """Add the runs of a sweep; those of a table are named ROW/classC/seedS. A method has none.

    The command line may change whatever the runs of a table have in common.
    """
    name, words, lists = ARGUMENTS.parse(argument)
    if name == "demo":
        for method in DEMO:
            add(method, {}, _run(dataset, method, words, data, _DEMO))
    if name not in ARGUMENTS.tables:
        return
    classes = grid.axis("data.normal_class", lists.get("classes", range(10)))
    seeds = grid.axis("seed", lists.get("seeds", (0,)))
    for row, values in _rows(name, lists).items():
        config = _run(dataset, values["method"], words, data)
        for point in grid.product(classes, seeds):
            label, seed = point.values()
            add(f"{row}/class{label}/seed{seed}", values | point, config)


def _rows(table: str, lists) -> dict[str, dict]:
    """Return what the rows of a table set: of `table1` methods, of `table3` auxiliary sets."""
    if table == "table1":
        return {method: {"method": method} for method in lists.get("methods", TABLE1)}
    rows = {}
    for method in lists.get("methods", ("oe_sdn",)):
        without = [name for name, info in infos().items() if info.variants_of == method]
        if not without:
            raise ValueError(f"'methods={method}': choose methods with auxiliary sets for table3")
        prefix = "" if method == "oe_sdn" else f"{method}/"
        for auxiliary in TABLE3:
            rows[prefix + auxiliary] = {"method": method, "student.auxiliary": auxiliary}
        rows[f"{prefix}none"] = {"method": without[0]}
    return rows


def _run(dataset: str, method: str, words, data: dict, changes=()) -> ConfigDict:
    changes = {f"data.{key}": value for key, value in data.items()} | dict(changes)
    for word, groups in _GROUPS.items():
        if word in words and hasattr(lookup(method).sections.get("student"), "groups"):
            changes["student.groups"] = groups
    return new_config(dataset, method, smoke="smoke" in words, changes=changes)
