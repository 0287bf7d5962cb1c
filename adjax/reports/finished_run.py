"""A finished run, read back from the files of its folder.

Tables need its results and its config; the rest is read when it is asked for, by figures mostly.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from adjax.config.identity import essential
from adjax.errors import UserError
from adjax.reports.words import normal_name, spelled
from adjax.workdir import check_companion, read_metrics, read_results, read_stored_config

_FILES = ("results.json", "config.json", "metrics.jsonl", "scores.npz", "examples.npz")
_RESULT_KEYS = ("method", "dataset", "config_hash", "image_score", "members", "about")
_MEMBER_KEYS = ("normal_class", "class_name", "seed")
_EXAMPLE_KEYS = ("image", "anomaly_map", "anomalous", "class_label", "image_score")


class About(NamedTuple):
    """Names by which a run goes, as its results say, and its protocol.

    Attributes:
      title: the method's, `OE-SDN`.
      published_as: its name in published tables.
      variant: value of the setting that makes it another system in tables, if it has one.
      usual_variant: the one that goes without saying.
      variants_of: the method whose variant without that setting it is, if it is one.
      noun: of a normal class: class, abnormal class, category.
      protocol: "one_class", "leave_one_out" or "category".
      dataset: the data set's title, `MNIST`.

    """

    title: str
    published_as: str
    variant: str
    usual_variant: str
    variants_of: str
    noun: str
    protocol: str
    dataset: str

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "About":
        """Make it from what results say, which may be more."""
        return cls(*(values[key] for key in cls._fields))

    @property
    def unusual_variant(self) -> str:
        """The variant, unless the title says it already."""
        return "" if self.variants_of or self.variant == self.usual_variant else self.variant

    @property
    def name(self) -> str:
        """`OE-SDN`, `OE-SDN with shearing`."""
        variant = self.unusual_variant
        return self.title + (f" with {spelled(variant)}" if variant else "")

    @property
    def has_categories(self) -> bool:
        """True if normal is a category with images of its own, not a class among others."""
        return self.protocol == "category"

    @property
    def leaves_one_out(self) -> bool:
        """True if the class of a member is the abnormal one, all others being normal."""
        return self.protocol == "leave_one_out"


@dataclasses.dataclass(frozen=True)
class Run:
    """Contents of a run's files. P members, N test images, K examples a member.

    Attributes:
      workdir: the run's folder.
      results: `results.json`; `results["members"]` holds P entries.
      config: `config.json`, the resolved config.
      whole: the run of which it has some members only, if it is none itself.
      rows: which ones.

    """

    workdir: Path
    results: dict
    config: dict
    whole: "Run | None" = None
    rows: tuple[int, ...] = ()

    @functools.cached_property
    def metrics(self) -> list[dict]:
        """The lines of `metrics.jsonl`; a value of the members, of all, is a list."""
        if self.whole is not None:
            return self.whole.metrics
        return self._companion("metrics.jsonl", lambda _: read_metrics(self.workdir))

    @functools.cached_property
    def scores(self) -> dict[str, np.ndarray]:
        """What `scores.npz` holds.

        `label` [N], `normal_class` [P], `image_score/<name>` [P, N]; where one class is left out,
        or the image score was chosen by labels, also `anomalous` and `counted` [P, N], which images
        are anomalous for a member and which it is tested on.
        """
        if self.whole is not None:
            rows = list(self.rows)
            return {k: v if k == "label" else v[rows] for k, v in self.whole.scores.items()}
        scores = self._companion("scores.npz", _parse_arrays)
        name = f"image_score/{self.results['image_score']}"
        _require(self, "scores.npz", ("label", "normal_class", name), scores)
        shape = (len(self.members), scores["label"].size)
        if scores[name].shape != shape:
            problem = f"{name} has shape {scores[name].shape}, not {shape}"
            raise _unusable(self.workdir / "scores.npz", problem)
        return scores

    @functools.cached_property
    def examples(self) -> dict[str, np.ndarray]:
        """What `examples.npz` holds.

        `image` [P, K, H, W, C] in [0, 1], `anomaly_map` [P, K, H, W], `anomalous`, `class_label`
        and `image_score` [P, K], `reconstruction/<name>` [P, K, H, W, C]; of categories also
        `class_name` [P, K], the kind of defect, and where there is ground truth `mask`
        [P, K, H, W].
        """
        if self.whole is not None:
            return {name: array[list(self.rows)] for name, array in self.whole.examples.items()}
        examples = self._companion("examples.npz", _parse_arrays)
        _require(self, "examples.npz", _EXAMPLE_KEYS, examples)
        return examples

    def _companion(self, name: str, parse: Callable[[Path], Any]) -> Any:
        """Return what a file that goes with the results holds, if it is the one they name."""
        path = self.workdir / name
        if not path.is_file():
            raise _unusable(path, "is missing")
        value = _parsed(path, parse)
        check_companion(self.workdir, self.results, name)
        return value

    @property
    def members(self) -> list[dict]:
        """The P members' entries of `results.json`."""
        return self.results["members"]

    @functools.cached_property
    def about(self) -> About:
        """The names by which the run goes, and its protocol."""
        return About.read(self.results["about"])

    @property
    def method(self) -> str:
        """The method's key, `oe_sdn`."""
        return self.results["method"]

    @property
    def dataset(self) -> str:
        """The data set's key, `mnist`."""
        return self.results["dataset"]

    @property
    def compared(self) -> str:
        """The data set in published tables; empty where one class is left out, as in none."""
        return "" if self.about.leaves_one_out else self.dataset

    @functools.cached_property
    def settings(self) -> dict[str, Any]:
        """Settings that decide the run's numbers, by dotted keys."""
        return essential(self.config)

    @property
    def image_scores(self) -> np.ndarray:
        """The image scores that the run reports, [P, N]."""
        return self.scores[f"image_score/{self.results['image_score']}"]

    @property
    def anomalous(self) -> np.ndarray:
        """The test images that are anomalous for a member, bool [P, N]."""
        if "anomalous" in self.scores:
            return self.scores["anomalous"]
        return self.scores["label"][None, :] != self.scores["normal_class"][:, None]

    @property
    def tested(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each member the scores of its own test images, and which of these are anomalous."""
        counted = self.scores.get("counted", np.ones_like(self.anomalous))
        rows = zip(self.image_scores, self.anomalous, counted, strict=True)
        return [(scores[own], kind[own]) for scores, kind, own in rows]

    @property
    def is_tested(self) -> bool:
        """True if there were normal and anomalous test images to tell apart."""
        return all("image_auroc" in member for member in self.members)

    def member_name(self, member: dict, among: Sequence[dict] = ()) -> str:
        """Return `class 3`, or `class 3, seed 1` among members of several seeds.

        Args:
          member: one of the run's.
          among: the members that it is told from; the run's, unless given.

        """
        titles = {self.dataset: self.about.dataset}
        name = normal_name([member["class_name"]], self.about.noun, titles)
        seeds = {other["seed"] for other in among or self.members}
        return name if len(seeds) == 1 else f"{name}, seed {member['seed']}"

    def of_members(self, rows: list[int]) -> "Run":
        """Return the run with some of its members only."""
        if rows == list(range(len(self.members))):
            return self
        results = {**self.results, "members": [self.members[row] for row in rows]}
        return Run(self.workdir, results, self.config, whole=self, rows=tuple(rows))


def hyper_parameters(member: dict) -> dict:
    """Return the dynamic hyper-parameters of a member by their dotted keys."""
    return {key: value for key, value in member.items() if "." in key}


def read_run(workdir: str | Path) -> Run:
    """Read all of a finished run; raises `UserError` that names a missing or damaged file."""
    workdir = Path(workdir)
    for name in _FILES:
        if not (workdir / name).is_file():
            raise _unusable(workdir / name, "is missing")
    run = open_run(workdir)
    _ = run.metrics, run.scores, run.examples
    return run


def open_run(workdir: Path, results: str | None = None, config: str | None = None) -> Run:
    """Return a finished run of which the results and the config are read and checked.

    Args:
      workdir: the run's folder.
      results: text of `results.json`, where it is known.
      config: text of `config.json`, likewise.

    """
    run = Run(workdir, read_results(workdir, results), read_stored_config(workdir, config))
    check_results(run)
    return run


def check_results(run: Run) -> None:
    """Raise unless the results hold the keys that reports rest on, and no member twice."""
    _require(run, "results.json", _RESULT_KEYS, run.results)
    _require(run, "results.json", About._fields, run.results["about"])
    if not run.members:
        raise _unusable(run.workdir / "results.json", "has no members")
    for member in run.members:
        _require(run, "results.json", _MEMBER_KEYS, member)
    replicas = {
        (member["class_name"], member["seed"], *hyper_parameters(member).items())
        for member in run.members
    }
    if len(replicas) < len(run.members):
        raise UserError(
            f"{run.workdir / 'results.json'} has several members of one class and seed: "
            "reports cannot tell them apart, give each its own seed or run"
        )


def _require(run: Run, file: str, keys: Sequence[str], contents: Mapping):
    for key in keys:
        if key not in contents:
            raise _unusable(run.workdir / file, f"lacks {key!r}")


def _unusable(path: Path, problem: str) -> UserError:
    advice = "write it anew by --mode=evaluate"
    if path.name == "config.json":
        advice = "write it anew by --mode=train and the --config of the run"
    if path.name == "metrics.jsonl":
        advice += ", without the curves of its training"
    return UserError(f"{path} {problem}: {advice}")


def _parsed(path: Path, parse):
    try:
        return parse(path)
    except UserError:
        raise
    except Exception as error:  # zipfile and NumPy raise whatever they meet in a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _unusable(path, f"cannot be read ({reason})") from error


def _parse_arrays(path: Path) -> dict[str, np.ndarray]:
    # np.load would leave a damaged file open and call it pickled.
    with path.open("rb") as file, np.lib.npyio.NpzFile(file) as arrays:
        return {name: arrays[name] for name in arrays.files}
