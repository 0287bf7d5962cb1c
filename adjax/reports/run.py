"""A finished run, read back from the files of its workdir."""

import dataclasses
import json
import zipfile
from pathlib import Path

import numpy as np

from adjax.errors import UserError
from adjax.settings import leaves_one_out

_RESULT_KEYS = ("method", "dataset", "config_hash", "image_score", "members")
_MEMBER_KEYS = ("normal_class", "class_name", "seed")
_EXAMPLE_KEYS = ("image", "anomaly_map", "anomalous", "class_label", "image_score")


@dataclasses.dataclass(frozen=True)
class Run:
    """What the files of one workdir say. P members, N test images, K examples a member.

    results: `results.json`; `results["members"]` holds P entries.
    config: `config.json`, the resolved config.
    metrics: the lines of `metrics.jsonl`; a value of the members is a list of length P.
    scores: `label` [N], `normal_class` [P], `image_score/<name>` [P, N]; where one class is left
        out, or the image score was chosen by labels, also `anomalous` and `counted` [P, N], which
        images are anomalous for a member and which it is tested on.
    examples: `image` [P, K, H, W, C] in [0, 1], `anomaly_map` [P, K, H, W], `anomalous`,
        `class_label` and `image_score` [P, K], `reconstruction/<name>` [P, K, H, W, C]; of
        industrial images also `class_name` [P, K], the kind of defect, and where there is ground
        truth `mask` [P, K, H, W].
    """

    workdir: Path
    results: dict
    config: dict
    metrics: list[dict]
    scores: dict[str, np.ndarray]
    examples: dict[str, np.ndarray]

    @property
    def members(self) -> list[dict]:
        """The P members' entries of `results.json`."""
        return self.results["members"]

    @property
    def noun(self) -> str:
        """What a normal class is called."""
        return noun(self.config)

    @property
    def is_industrial(self) -> bool:
        """Whether normal is a category of its own, not a class among others."""
        return self.noun == "category"

    @property
    def image_scores(self) -> np.ndarray:
        """The image scores that the run reports, [P, N]."""
        return self.scores[f"image_score/{self.results['image_score']}"]

    @property
    def anomalous(self) -> np.ndarray:
        """Which test images are anomalous for which member, bool [P, N]."""
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
    def leaves_one_out(self) -> bool:
        """Whether the class of a member is the abnormal one, all others being normal."""
        return leaves_one_out(self.config.get("data", {}))

    @property
    def is_tested(self) -> bool:
        """Whether there were normal and anomalous test images to tell apart."""
        return all("image_auroc" in member for member in self.members)

    def of_members(self, rows: list[int]) -> "Run":
        """The same run with some of its members only."""
        if rows == list(range(len(self.members))):
            return self
        results = {**self.results, "members": [self.members[row] for row in rows]}
        scores = {k: v if k == "label" else v[rows] for k, v in self.scores.items()}
        examples = {name: array[rows] for name, array in self.examples.items()}
        return dataclasses.replace(self, results=results, scores=scores, examples=examples)


def read_run(workdir: str | Path) -> Run:
    """Reads a finished run; a missing or damaged file is a `UserError` that names it."""
    workdir = Path(workdir)
    run = Run(
        workdir=workdir,
        results=_read(workdir / "results.json", _parse_json),
        config=read_config(workdir),
        metrics=_read(workdir / "metrics.jsonl", _parse_json_lines),
        scores=_read(workdir / "scores.npz", _parse_arrays),
        examples=_read(workdir / "examples.npz", _parse_arrays),
    )
    _check(run)
    return run


def noun(config: dict) -> str:
    """What the class of a member is called: class, or abnormal class where it is left out.

    Of industrial images, which are read with `data.channels`, category.
    """
    data = config.get("data", {})
    if leaves_one_out(data):
        return "abnormal class"
    return "category" if "channels" in data else "class"


def read_config(workdir: Path) -> dict:
    """`config.json` of a run that need not be finished."""
    return _read(workdir / "config.json", _parse_json)


def read_failures(workdir: Path) -> list[dict]:
    """The members that diverged, as `failed.json` lists them."""
    path = workdir / "failed.json"
    return _read(path, _parse_json)["failed"] if path.exists() else []


def _check(run: Run):
    """Raises unless the keys that reports rest on are there and the members agree."""
    _require(run, "results.json", _RESULT_KEYS, run.results)
    if not run.members:
        raise _unusable(run.workdir / "results.json", "has no members")
    for member in run.members:
        _require(run, "results.json", _MEMBER_KEYS, member)
    replicas = [
        (member["class_name"], member["seed"], *hyper_parameters(member).items())
        for member in run.members
    ]
    if len(set(replicas)) < len(replicas):
        raise UserError(
            f"{run.workdir / 'results.json'} has several members of one class and seed: "
            "reports cannot tell them apart, give each its own seed or run"
        )
    score = f"image_score/{run.results['image_score']}"
    _require(run, "scores.npz", ("label", "normal_class", score), run.scores)
    shape = (len(run.members), run.scores["label"].size)
    if run.scores[score].shape != shape:
        problem = f"{score} has shape {run.scores[score].shape}, not {shape}"
        raise _unusable(run.workdir / "scores.npz", problem)
    _require(run, "examples.npz", _EXAMPLE_KEYS, run.examples)


def hyper_parameters(member: dict) -> dict:
    """The dynamic hyper-parameters of a member, by their dotted keys."""
    return {key: value for key, value in member.items() if "." in key}


def _require(run: Run, file: str, keys: tuple[str, ...], found: dict):
    missing = [key for key in keys if key not in found]
    if missing:
        raise _unusable(run.workdir / file, f"lacks {missing[0]!r}")


def _unusable(path: Path, problem: str) -> UserError:
    return UserError(f"{path} {problem}: repeat the command of the run, which writes it anew")


def _read(path: Path, parse):
    if not path.is_file():
        raise _unusable(path, "is missing")
    try:
        return parse(path)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _unusable(path, f"cannot be read ({reason})") from error


def _parse_json(path: Path) -> dict:
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _parse_json_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _parse_arrays(path: Path) -> dict[str, np.ndarray]:
    # np.load would leave a damaged file open and call it pickled.
    with path.open("rb") as file, np.lib.npyio.NpzFile(file) as arrays:
        return {name: arrays[name] for name in arrays.files}
