"""adjax in Python: train a run, load a finished one, score images with it, look at its results.

What `train` writes is what `adjax train` writes, and either continues the other.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ml_collections import ConfigDict

from adjax import reports, workdir, workflow
from adjax.config import shipped
from adjax.console import quiet
from adjax.errors import UserError

if TYPE_CHECKING:  # each is imported by what uses it
    import pandas as pd
    from matplotlib.axes import Axes

    from adjax.detect.detector import Detector
    from adjax.detect.given import Images
    from adjax.reports.finished_sweep import Sweep


class TrainedRun:
    """A finished run: its results, its figures, and a detector for each member.

    Attributes:
      folder: of the run.

    """

    def __init__(self, folder: str | Path):
        """Read a run's results.

        Raises:
          UserError: if the folder holds no finished run.

        """
        self.folder = Path(folder)
        workdir.read_stored_config(self.folder)  # says what is wrong with another folder
        if not (self.folder / "results.json").exists():
            raise UserError(f"{folder} has no results.json: finish the run with adjax.train")
        self._run = reports.open_run(self.folder)
        self._detectors: dict[int, Detector] = {}

    def __reduce__(self) -> tuple:
        return TrainedRun, (self.folder,)

    def __repr__(self) -> str:
        run = self._run
        members = [run.member_name(member) for member in run.members]
        which = members[0] if len(members) == 1 else f"{len(members)} members"
        metric = ""
        if run.is_tested:
            auroc = np.mean([member["image_auroc"] for member in run.members])
            metric = f", image AUROC {auroc:.3f}"
        return f"<TrainedRun {run.about.name}, {which}{metric}, in {self.folder}>"

    def _repr_html_(self) -> str:
        """Return the tables beside the published numbers and the picture of examples."""
        tables = _tables([self._run])
        picture = self.folder / "figures" / "examples.png"
        if not picture.is_file():
            return tables
        content = base64.b64encode(picture.read_bytes()).decode()
        return f'{tables}\n<img width="500" alt="examples" src="data:image/png;base64,{content}">'

    @property
    def config(self) -> ConfigDict:
        """The run's config, a copy."""
        return workdir.read_config(self.folder)

    @property
    def members(self) -> list[dict[str, Any]]:
        """What `results.json` says of each member that has results."""
        return self._run.members

    @property
    def results(self) -> "pd.DataFrame":
        """The results as a data frame, a row a member; columns as in `results.parquet`."""
        from adjax.reports.finished_sweep import Sweep

        return _as_frame(Sweep(self.folder, [self._run], [], []))

    @property
    def scores(self) -> dict[str, np.ndarray]:
        """The image scores of all test images, see `adjax.reports.finished_run.Run.scores`."""
        return self._run.scores

    @property
    def examples(self) -> dict[str, np.ndarray]:
        """Test images with what became of them, see `adjax.reports.finished_run.Run.examples`."""
        return self._run.examples

    def detector(self, member: int = 0) -> "Detector":
        """Return the detector of a member, an index into `config.members`.

        Raises:
          UserError: if there is no such member, or it diverged.

        """
        if member not in self._detectors:
            quiet()
            from adjax.detect.detector import load_detector

            self._detectors[member] = load_detector(self.folder, member)
        return self._detectors[member]

    def score(self, images: "Images", member: int = 0) -> dict[str, np.ndarray]:
        """Score images, and decide where the run has thresholds; see `Detector.score`.

        Args:
          images: an array `[B, H, W, C]` of uint8 or of floats in [0, 1], a PIL image, the path of
            a file or a folder, or several of these; of any size, grey or in colour.
          member: an index into `config.members`.

        Returns:
          `image_score` float32 `[B]`, `anomaly_map` float32 `[B, S, S]`; with thresholds also
          `is_anomalous` bool `[B]` and `mask` bool `[B, S, S]`.

        """
        return self.detector(member).score(images)

    def plot_examples(self) -> list["Axes"]:
        """Draw test images of the first member, reconstructions and maps; return the axes."""
        from adjax.reports.figures import examples_figure, show_figure

        return show_figure(examples_figure, self._run)

    def plot_scores(self) -> list["Axes"]:
        """Draw the image scores of the test images; return the axes, one a member."""
        from adjax.reports.figures import show_figure
        from adjax.reports.plots import histograms_figure

        return show_figure(histograms_figure, self._run)[: len(self.members)]

    def plot_roc(self) -> "Axes":
        """Draw the ROC curve of every member; return the axes.

        Raises:
          UserError: if the test images are not of two kinds.

        """
        from adjax.reports.figures import show_figure
        from adjax.reports.plots import roc_figure

        if not self._run.is_tested:
            raise UserError(f"{self.folder}: its test images are of one kind, so there is no ROC")
        return show_figure(roc_figure, [self._run])[0]

    def plot_curves(self) -> list["Axes"]:
        """Draw the losses of training; return the axes, one a stage, none if nothing descended."""
        from adjax.reports.figures import show_figure
        from adjax.reports.plots import losses_figure

        return show_figure(losses_figure, self._run)

    def plot_maps(self, images: "Images", member: int = 0) -> list["Axes"]:
        """Draw images and, beside each, its anomaly map over it; return the axes, two an image.

        Nothing is coloured at 0, and most at twice the pixel threshold; where there is none, at the
        largest value of these maps. In an anomalous image what reaches the threshold is outlined.
        """
        from adjax.detect.given import each
        from adjax.detect.overlays import heat_map
        from adjax.reports.figures import pairs_figure, show_figure

        detector = self.detector(member)
        photos = list(each(images, detector.bits))
        found = detector.score(photos)
        maps = found["anomaly_map"]
        masks = np.zeros_like(maps, bool)
        if detector.decides:
            masks = found["mask"] & found["is_anomalous"][:, None, None]
        threshold = detector.pixel_threshold
        if threshold is None:
            threshold = float(maps.max()) / 2
        drawn = [
            (photo, heat_map(photo, one, mask, threshold), f"{score:.3g}")
            for photo, one, mask, score in zip(
                photos, maps, masks, found["image_score"], strict=True
            )
        ]
        return show_figure(pairs_figure, drawn)


class TrainedSweep:
    """The finished runs of a sweep.

    Attributes:
      folder: of the sweep.
      runs: the finished ones, as tables order them.

    """

    def __init__(self, folder: str | Path):
        """Read the results of all runs below a folder.

        Raises:
          UserError: if none of them is finished.

        """
        self.folder = Path(folder)
        self._sweep = reports.read_sweep(self.folder)
        self.runs = [TrainedRun(run.workdir) for run in self._sweep.runs]

    def __repr__(self) -> str:
        return f"<TrainedSweep of {len(self.runs)} runs, in {self.folder}>"

    def _repr_html_(self) -> str:
        return _tables(self._sweep.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[TrainedRun]:
        return iter(self.runs)

    def __getitem__(self, name: str) -> TrainedRun:
        """Return the run of this name, that of its folder below the sweep's."""
        for run in self.runs:
            if run.folder == self.folder / name:
                return run
        raise KeyError(name)

    @property
    def failures(self) -> list[str]:
        """A sentence for each member that diverged and each run that could not be done."""
        refused = [f"{run.name}: {run.reason}" for run in self._sweep.refused]
        return [*self._sweep.failures, *refused]

    @property
    def results(self) -> "pd.DataFrame":
        """The results as a data frame, a row a member; columns as in `results.parquet`."""
        return _as_frame(self._sweep)


def train(
    config: str | ConfigDict,
    workdir: str | Path,
    *,
    accept_changed_data: bool = False,
    **overrides: Any,
) -> TrainedRun:
    """Train, evaluate and report a run, or what is left of that; return it.

    Args:
      config: `FILE.py:ARGUMENT`, a file in the working directory or a shipped one, "mnist.py:ae";
        or a config.
      workdir: the run's folder; it may hold an interrupted run of the same config.
      accept_changed_data: go on though the training images changed since training began.
      **overrides: values of the config, `seed=1`, or by dotted keys `**{"data.normal_class": 7}`.

    Raises:
      UserError: for a config, data or a folder that cannot be used.
      DivergedError: if every member meets a value that is not finite.

    """
    quiet()
    made = read_config(config, overrides)
    workflow.finish_run(
        made, Path(workdir), _command("train", config, workdir, overrides), accept_changed_data
    )
    return TrainedRun(workdir)


def load(workdir: str | Path) -> TrainedRun:
    """Return the finished run in a folder; the data that it was trained on need not be there.

    Raises:
      UserError: if there is none.

    """
    return TrainedRun(workdir)


def sweep(
    config: str, workdir: str | Path, *, max_population: int = 0, **overrides: Any
) -> TrainedSweep:
    """Do the sweep that a config file declares, or what is left of it, in this process.

    Args:
      config: `FILE.py:ARGUMENT` as in `train`, "mnist.py:demo".
      workdir: the sweep's folder.
      max_population: most members of a program; 0: what fits.
      **overrides: values that all runs get which have the key, as in `train`.

    Returns:
      The runs that are finished. What could not be done is printed, and in `failures`.

    Raises:
      UserError: for a config or a folder that cannot be used, or if no run could be finished.

    """
    quiet()
    made, folder = read_config(config, overrides), Path(workdir)
    path, _, argument = config.partition(":")
    runs = workflow.runs_of_sweep(shipped.find(path).path, argument, made, overrides, folder)
    if not all(run.has_results(folder) for run in runs):
        from adjax.sweeps.inline import InlineEngine

        workflow.require_places(runs, folder)
        command = _command("sweep", config, workdir, overrides)
        workflow.finish_sweep(runs, folder, InlineEngine(max_population), command)
    return TrainedSweep(folder)


def read_config(config: str | ConfigDict, overrides: Mapping[str, Any]) -> ConfigDict:
    """Return a config with some of its values changed; see `train`.

    Raises:
      UserError: if there is no such file, or it cannot be asked for that, or a key or value does
        not fit.

    """
    if isinstance(config, str):
        path, _, argument = config.partition(":")
        try:
            made = shipped.load(shipped.find(path).path)["get_config"](argument)
        except ValueError as error:
            raise UserError(f"{config}: {error}") from error
    else:
        made = config.copy_and_resolve_references()
    made.lock()
    for key, value in overrides.items():
        try:
            made.update_from_flattened_dict({key: value})
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise UserError(f"config.{key}={value!r}: {reason}") from error
    return made


def _command(verb: str, config: str | ConfigDict, workdir: str | Path, overrides: Mapping) -> str:
    """Return the call, as results record what they are of."""
    named = repr(config) if isinstance(config, str) else "config"
    given = [f"**{dict(overrides)!r}"] if overrides else []
    return f"adjax.{verb}({', '.join([named, repr(str(workdir)), *given])})"


def _tables(runs: Sequence[reports.Run]) -> str:
    """Return the tables of runs beside the published ones, as HTML."""
    from adjax.reports.pages import to_html
    from adjax.reports.result_tables import results_tables

    return "\n".join(map(to_html, results_tables(runs)))


def _as_frame(sweep: "Sweep") -> "pd.DataFrame":
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise UserError("results as a data frame need pandas: pip install pandas") from error
    from adjax.reports.results_table import columns

    return pd.DataFrame(columns(sweep))
