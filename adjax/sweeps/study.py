"""The trials of a search, in the only module that knows Optuna.

Optuna draws the values of trials, judges them at rungs and keeps what it knows in a journal, one
line a fact. The values of a trial follow from the seed, its number and what was known of the trials
before it, so a search that was killed goes on to the same trials.
"""

import dataclasses
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adjax.errors import UserError, first_line
from adjax.grid import Distribution

RUNNING, FINISHED, STOPPED, FAILED = "running", "finished", "stopped", "failed"
_JOURNAL = "trials.journal"
_REASON = "reason"  # key of why a trial failed


@dataclasses.dataclass(frozen=True)
class Design:
    """How a search goes about it.

    Attributes:
      sampler: "tpe", tree-structured Parzen estimators, or "random".
      seed: of the sampler.
      scheduler: "asha": of all trials that reached a rung the best go on (successive halving);
        "median": a trial that is worse than the median of those that finished stops; "none".
      rungs: how often a trial is judged, the last time when it is finished.
      reduction_factor: of a rung's trials one in so many goes on; each rung is as many times longer
        than the one before.
      maximize: whether the objective is to be high.

    """

    sampler: str
    seed: int
    scheduler: str
    rungs: int
    reduction_factor: int
    maximize: bool = False


@dataclasses.dataclass(frozen=True)
class Trial:
    """What is known of a trial.

    Attributes:
      number: from 0.
      values: what was drawn, by dotted key.
      state: running, finished, stopped at a rung, or failed.
      reported: its objective by rung, from 1; NaN if it diverged.
      reason: why it failed, empty otherwise.

    """

    number: int
    values: dict[str, Any]
    state: str
    reported: dict[int, float]
    reason: str


class Study:
    """The trials of a search, kept in its folder; one process at a time may open it."""

    def __init__(self, directory: Path, drawn: Mapping[str, Distribution], design: Design):
        """Open the study in a folder, or begin it.

        Raises:
          UserError: if Optuna is not installed, or the journal cannot be read.

        """
        self._optuna = _import_optuna()
        self._drawn, self._design = drawn, design
        self._distributions = {key: self._distribution(d) for key, d in drawn.items()}
        path = directory / _JOURNAL
        path.touch()
        _end_whole(path)
        try:
            storages = self._optuna.storages
            backend = storages.journal.JournalFileBackend(os.fspath(path), lock_obj=_Held())
            self._storage = storages.JournalStorage(backend)
            self._study = self._optuna.create_study(
                storage=self._storage,
                study_name="search",
                direction="maximize" if design.maximize else "minimize",
                pruner=self._pruner(),
                load_if_exists=True,
            )
            self.trials()
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{path} is damaged ({first_line(error)}): put it back from a copy, or search in "
                "another folder"
            ) from error

    def trials(self) -> list[Trial]:
        """Return all trials by number."""
        return [self._trial(frozen) for frozen in self._study.get_trials(deepcopy=False)]

    def ask(self, count: int) -> None:
        """Draw the values of so many trials, one after the other."""
        # Drawn in memory first: a trial is one line of the journal, never without some values.
        drawing = self._optuna.create_study(direction=self._study.direction)
        drawing.add_trials(self._study.get_trials(deepcopy=False))
        for _ in range(count):
            drawing.sampler = self._sampler(len(drawing.get_trials(deepcopy=False)))
            asked = drawing.ask(self._distributions)
            self._study.add_trial(drawing.get_trials(deepcopy=False)[asked.number])

    def report(self, number: int, rung: int, value: float) -> None:
        """Note a trial's objective at a rung."""
        self._storage.set_trial_intermediate_value(self._id(number), rung, value)

    def judge(self, numbers: Sequence[int]) -> list[int]:
        """Stop those of the trials that are to stop at the rung they are at; return the others.

        All that reach a rung together report before they are judged.
        """
        left = []
        for number in numbers:
            frozen = self._study.get_trials(deepcopy=False)[number]
            if math.isnan(frozen.intermediate_values[frozen.last_step]) or (
                self._study.pruner.prune(self._study, frozen)
            ):
                self._study.tell(number, state=self._optuna.trial.TrialState.PRUNED)
            else:
                left.append(number)
        return left

    def finish(self, number: int, value: float) -> None:
        """Note the objective of a finished trial; one that is not a number counts as the worst."""
        if math.isnan(value):
            self._study.tell(number, state=self._optuna.trial.TrialState.PRUNED)
        else:
            self._study.tell(number, value)

    def explain(self, number: int, reason: str) -> None:
        """Note why a running trial came to nothing."""
        self._storage.set_trial_user_attr(self._id(number), _REASON, reason)

    def fail(self, number: int, reason: str) -> None:
        """Note that a trial could not be done."""
        self.explain(number, reason)
        self._study.tell(number, state=self._optuna.trial.TrialState.FAIL)

    def _id(self, number: int) -> int:
        return self._study.get_trials(deepcopy=False)[number]._trial_id

    def _trial(self, frozen) -> Trial:
        reason = frozen.user_attrs.get(_REASON, "")
        state = {"RUNNING": RUNNING, "COMPLETE": FINISHED, "PRUNED": STOPPED}.get(frozen.state.name)
        values = {key: self._value(key, frozen.params[key]) for key in frozen.params}
        reported = dict(frozen.intermediate_values)
        if state == STOPPED and reason:
            state = FAILED
        return Trial(frozen.number, values, state or FAILED, reported, reason)

    def _value(self, key: str, drawn: Any) -> Any:
        distribution = self._drawn[key]
        return distribution.values[drawn] if distribution.kind == "choice" else drawn

    def _distribution(self, distribution: Distribution):
        kinds = self._optuna.distributions
        if distribution.kind == "choice":  # by place: a value may be a tuple
            return kinds.CategoricalDistribution(tuple(range(len(distribution.values))))
        low, high = distribution.values
        if distribution.kind == "integers":
            return kinds.IntDistribution(low, high)
        return kinds.FloatDistribution(low, high, log=distribution.kind == "loguniform")

    def _sampler(self, number: int):
        # Anew for every trial: what it draws depends on no trial that this process has drawn.
        seed = (self._design.seed * 1_000_003 + number) % 2**32
        if self._design.sampler == "random":
            return self._optuna.samplers.RandomSampler(seed=seed)
        return self._optuna.samplers.TPESampler(seed=seed)

    def _pruner(self):
        if self._design.scheduler == "asha":
            return _halving(self._optuna, self._design)
        if self._design.scheduler == "median":
            return self._optuna.pruners.MedianPruner(n_warmup_steps=0)
        return self._optuna.pruners.NopPruner()


def _import_optuna():
    try:
        import optuna
    except ImportError:
        raise UserError("--mode=search needs Optuna: pip install 'adjax[search]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    return optuna


def _halving(optuna, design: Design):
    """Return the rule of asynchronous successive halving for trials that come in batches.

    Optuna's own compares a trial with those that it was asked about before, which in a batch would
    be an affair of the order; here it is compared with all that reported at its rung.
    """

    class Halving(optuna.pruners.BasePruner):
        def prune(self, study, trial) -> bool:
            rung = trial.last_step
            values = [
                other.intermediate_values[rung]
                for other in study.get_trials(deepcopy=False)
                if rung in other.intermediate_values
            ]
            finite = sorted((v for v in values if not math.isnan(v)), reverse=design.maximize)
            last = finite[max(1, len(values) // design.reduction_factor) - 1 :][:1]
            value = trial.intermediate_values[rung]
            return bool(last) and (value < last[0] if design.maximize else value > last[0])

    return Halving()


class _Held:
    """The lock of a journal whose folder this process holds already."""

    def acquire(self) -> bool:
        """Hold it."""
        return True

    def release(self) -> None:
        """Let it go."""


def _end_whole(path: Path) -> None:
    """Remove part of a line at the end, which a process that was killed leaves."""
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
