"""The command line: from flags to measurements, their tables and the page."""

import os
import runpy
import shlex
import sys

from adjax.errors import UserError

SIDES = (
    "metrics",
    "anogan_search",
    "speedrun",
    "sweeps",
    "search",
    "calls",
)  # values of `--cases` that are no networks
OF_NETWORKS = ("precision", "convolution", "sections")  # flags for networks only


def run(flags) -> None:
    """Measure what the flags ask for, print the tables and put them into `--output`.

    Args:
      flags: the parsed flags of the command.

    Raises:
      UserError: before any measurement, for what cannot be measured or written.

    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # announced on import
    if flags.distributed or flags.coordinator:
        advice = "leave --distributed and --coordinator out"
        raise UserError(f"--mode=benchmark runs in one process: {advice}")
    if flags.against == "pyod":
        rows_of, packages = _against_pyod(flags)
    elif flags.config is not None:
        _refuse(flags, (*OF_NETWORKS, "cases", "against", "output"), "--config")
    elif len(flags.cases) == 1 and flags.cases[0] in SIDES:
        rows_of, packages = _of_sides(flags)
    else:
        rows_of, packages = _of_networks(flags)
    from benchmarks import page

    page.measure(rows_of, packages, flags.output, command())


def command() -> str:
    """Return the command that repeats this one."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--mode=benchmark"]
    return shlex.join(["python", "-m", "benchmarks", *arguments])


def _refuse(flags, names: tuple[str, ...], reason: str) -> None:
    """Raise `UserError` for the first of these flags that is given."""
    for name in names:
        if flags[name].present:
            raise UserError(f"--{name} is for the zoo: leave {reason} out, or --{name}")


def _of_networks(flags):
    from benchmarks import networks
    from benchmarks.cases import choose

    cases, against, repeats = choose(flags.cases), flags.against, flags.repeats
    convolutions = flags.convolution or networks.installed_convolutions()
    networks.check(flags.precision, convolutions, against, flags.sections)
    if against:
        measured = networks.measure_against_torch
        others, packages = (), (against,)
    else:
        measured = networks.measure_alone
        others, packages = (flags.sections or networks.SECTIONS,), ()
    return lambda: measured(cases, flags.precision, convolutions, repeats, *others), packages


def _of_sides(flags):
    (case,) = flags.cases
    if case == "speedrun":
        return _of_speedrun(flags)
    _refuse(flags, (*OF_NETWORKS, "against"), f"--cases={case}")
    if case == "metrics":
        from benchmarks import metrics

        return lambda: {"metrics": metrics.measure(flags.repeats)}, metrics.packages()
    if case == "sweeps":
        from benchmarks import sweeps

        return lambda: {"sweeps": sweeps.measure()}, ()
    if case == "search":
        from benchmarks import trials

        return lambda: {"trials": trials.measure()}, ("optuna",)
    if case == "calls":
        from benchmarks import calls

        return lambda: {"calls": calls.measure(flags.repeats)}, ()
    from benchmarks import search

    return lambda: {"search": search.measure(flags.repeats)}, ()


def _of_speedrun(flags):
    _refuse(flags, OF_NETWORKS, "--cases=speedrun")
    from benchmarks import speedrun

    packages = (flags.against,) if flags.against else ()
    return lambda: {"speedrun": speedrun.measure(flags.repeats, flags.against)}, packages


def _against_pyod(flags):
    _refuse(flags, OF_NETWORKS, "--against=pyod")
    if flags.config is not None and flags.cases:
        raise UserError("--cases=METHOD is for MNIST: leave it out, or --config")
    from benchmarks import classical

    configs = [flags.config]
    if flags.config is None:
        get_config = runpy.run_path("configs/mnist.py")["get_config"]
        configs = [get_config(name) for name in classical.choose(flags.cases)]
    for config in configs:
        classical.check_config(config)

    def rows_of():
        return {"pyod": [classical.measure(config, flags.repeats) for config in configs]}

    return rows_of, ("pyod",)
