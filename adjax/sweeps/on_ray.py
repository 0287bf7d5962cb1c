"""The engine `ray`: tasks on the GPUs, or failing that the CPUs, of a cluster or this machine."""

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import jax

from adjax.errors import UserError
from adjax.sweeps.describe import describe_task
from adjax.sweeps.inline import early_evaluations, local_resources
from adjax.sweeps.plan import Evaluation, Resources, Training
from adjax.sweeps.work import perform, runs_of

_OBJECT_STORE = 100 << 20  # bytes; results go through files, Ray moves configs only


class RayEngine:
    """Engine that runs a task as soon as its inputs are ready, and again if its worker dies.

    Workers need adjax, the data and the sweep's folder under the same paths as the driver.
    """

    def __init__(
        self,
        address: str = "",
        max_population: int = 0,
        cpus_per_task: int = 1,
        retries: int = 3,
    ):
        """Describe an engine; nothing starts before it is entered.

        Args:
          address: address of a running cluster ("auto" finds one on this machine); empty: start one
            here.
          max_population: see `Resources`.
          cpus_per_task: CPUs of a task where there are no GPUs; with GPUs a task has one of them.
          retries: how often to restart a task whose worker died.

        """
        # Ray calls home, warns, and gives its workers the lowest priority otherwise.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("RAY_worker_niceness", "0")
        try:
            import ray
        except ImportError:
            raise UserError("--engine=ray needs Ray: pip install 'adjax[ray]'") from None
        self._ray = ray
        self._address, self._max_population = address, max_population
        self._cpus_per_task, self._retries = cpus_per_task, retries
        jax.config.update("jax_platforms", "cpu")  # devices are the workers'; the driver plans

    def __enter__(self) -> "RayEngine":
        """Start or find the cluster."""
        options = {"address": self._address} if self._address else self._local()
        try:
            self._ray.init(log_to_driver=False, logging_level="ERROR", **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            where = f"--ray_address={self._address}: " if self._address else ""
            reason = str(error).strip().partition("\n")[0]
            raise UserError(f"{where}Ray does not start: {reason}") from error
        return self

    def __exit__(self, *_) -> None:
        """Leave the cluster, or stop the one that was started."""
        self._ray.shutdown()

    def _local(self) -> dict:
        return {"include_dashboard": False, "object_store_memory": _OBJECT_STORE}

    @property
    def resources(self) -> Resources:
        """Resources of one worker, as seen by one, and the number of workers."""
        device = self._ray.get(self._remote(local_resources).remote())
        workers = self._workers()
        shared = 1 if self._gpus() else min(workers, (os.cpu_count() or 1) // self._cpus_per_task)
        return dataclasses.replace(
            device,
            memory=device.memory // max(1, shared),
            workers=workers,
            max_population=self._max_population,
        )

    def run(
        self, plan: Sequence[Training | Evaluation], directory: Path, command: str
    ) -> dict[str, str]:
        """Execute a plan; a failure stops only the tasks that need it.

        Returns:
          The runs that could not be done, and why: name -> reason.

        Raises:
          Exception: what a task raised that is no `UserError`, at the end.

        """
        do, cwd = self._remote(_perform), os.getcwd()
        refs: dict[int, object] = {}
        for position in early_evaluations(plan):
            after = [refs[earlier] for earlier in plan[position].after]
            refs[position] = do.remote(plan[position], directory.absolute(), command, cwd, *after)
        positions = {ref: position for position, ref in refs.items()}
        waiting, errors, failed = list(refs.values()), [], {}
        while waiting:
            (done,), waiting = self._ray.wait(waiting)
            number, task = f"[{len(plan) - len(waiting)}/{len(plan)}]", plan[positions[done]]
            try:
                failed |= self._ray.get(done)
                print(f"{number} done: {describe_task(task)}", flush=True)
            except self._ray.exceptions.RayError as raised:
                error = _plain(raised)
                print(f"{number} failed: {describe_task(task)}: {error}", file=sys.stderr)
                if isinstance(error, UserError):
                    failed |= {run.name: str(error) for run in runs_of(task)}
                else:
                    errors.append(error)
        if errors:
            raise errors[0]
        return failed

    def _remote(self, function):
        share = {"num_gpus": 1} if self._gpus() else {"num_cpus": self._cpus_per_task}
        return self._ray.remote(max_retries=self._retries, **share)(function)

    def _gpus(self) -> int:
        return int(self._ray.cluster_resources().get("GPU", 0))

    def _workers(self) -> int:
        cpus = int(self._ray.cluster_resources().get("CPU", 1))
        return self._gpus() or max(1, cpus // self._cpus_per_task)


def _perform(task, directory: Path, command: str, cwd: str, *_) -> dict[str, str]:
    """Do a task in a worker; earlier tasks are among the arguments so that Ray waits for them."""
    os.chdir(cwd)  # paths in configs are relative to the driver's directory
    return perform(task, directory, command)


def _plain(error: Exception) -> Exception:
    """Return the error that a task raised, or one line on why Ray gave up."""
    cause = getattr(error, "cause", None)
    while isinstance(getattr(cause, "cause", None), Exception):  # raised by an earlier task
        cause = cause.cause
    if isinstance(cause, Exception):
        return cause
    reason = str(error).strip().partition("\n")[0]
    return UserError(
        f"a task of the sweep was lost ({reason}); what is finished is kept: repeat the command"
    )
