"""The training of one stage, as its loop or its fit receives it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from adjax.methods.stage import Fit, Stage
from adjax.training.checkpoints import Checkpoints
from adjax.training.chrono import Chrono
from adjax.training.log import MetricsLog
from adjax.training.member_files import MemberFile
from adjax.training.population import Population


@dataclasses.dataclass(frozen=True)
class StageWork:
    """One stage of a population, to be trained.

    Attributes:
      population: the population to train.
      index: index of the stage in the method.
      frozen: variables of earlier stages by name, leaves `[P, ...]`.
      log: log of the metrics.
      checkpoints: checkpoints of the stage.
      chrono: time spent on the stage so far; kept up to date.
      record: the stage's record for `results.json`; kept up to date.
      until: the step to train to, the last one or one with a checkpoint on the way there.

    """

    population: Population
    index: int
    frozen: dict[str, Any]
    log: MetricsLog
    checkpoints: Checkpoints
    chrono: Chrono
    record: dict
    until: int

    @property
    def stage(self) -> Stage | Fit:
        """The stage that is trained."""
        return self.population.method.stages[self.index]

    @property
    def failed(self) -> dict[int, dict]:
        """The members that have diverged so far: number -> member, stage, step, reason."""
        return {failure["member"]: failure for failure in self.record.get("failed", ())}

    def note_failed(self, failed: dict[int, dict]) -> None:
        """Record the members that have diverged so far."""
        if failed:
            self.record["failed"] = sorted(failed.values(), key=lambda f: f["member"])

    def saved_as(self, step: int) -> dict:
        """Return the JSON dict that a checkpoint of a step stores beside its arrays."""
        return {"step": step, "chrono": dataclasses.asdict(self.chrono), "record": self.record}

    def save(self, step: int, tree: Any, saved: dict | None = None) -> None:
        """Save a checkpoint, with a digest of the log, once all logged so far is on disk.

        Args:
          step: of the stage.
          tree: arrays that nobody will donate.
          saved: the JSON dict to store, that of `saved_as` unless given.

        """
        self.log.sync()
        saved = self.saved_as(step) if saved is None else saved
        self.checkpoints.save(step, tree, saved | {"log": self.log.digest()})

    def take(self, members: Sequence[MemberFile | None], tree: Any, saved: dict) -> None:
        """Keep the files of members as the checkpoint of the last step, once the log is on disk.

        Args:
          members: files of the stage cache, see `Checkpoints.take`.
          tree: what they hold, to be saved if one of them is gone.
          saved: the JSON dict to store.

        """
        self.log.sync()
        if not self.checkpoints.take(members, saved | {"log": self.log.digest()}):
            self.save(saved["step"], tree, saved)
