"""The command line: from flags to a campaign, its figures and the page."""

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from adjax.errors import UserError
from torture import disk, page
from torture.bench import Bench
from torture.campaign import KINDS, Campaign, prepare
from torture.outcome import WRONG, Outcome
from torture.process import Server

_INSIDE = "ADJAX_TORTURE_INSIDE"  # set where the campaign has mounts of its own
_MOUNTS = (("--mount",), ("--mount", "--map-root-user"))


def run(arguments: Sequence[str]) -> int:
    """Do what the flags ask for; return the exit code, 1 if a case is wrong."""
    flags = _parse(arguments)
    kinds = _chosen(flags.only)
    if flags.output:
        if flags.only:
            raise UserError("--output is for whole campaigns: leave --only out")
        page.check(flags.output)
    if disk in kinds:
        _own_mounts(arguments)
    skipped = []
    if disk in kinds and (reason := disk.impossible()):
        kinds.remove(disk)
        skipped.append(f"{disk.TITLE}: {reason}")
    start = time.monotonic()
    outcomes = campaign(kinds, flags)
    print(page.console(outcomes, skipped))
    if flags.output:
        minutes = (time.monotonic() - start) / 60
        command = shlex.join(["python", "-m", "torture", *arguments])
        page.write(flags.output, outcomes, skipped, command, minutes)
        print(f"figures: {flags.output}")
    return int(any(outcome.ending == WRONG for outcome in outcomes))


def campaign(kinds: Sequence[ModuleType], flags: argparse.Namespace) -> list[Outcome]:
    """Do the cases of some kinds, in a folder that is removed at the end."""
    deadline = time.monotonic() + 60 * flags.minutes
    folder = Path(tempfile.mkdtemp(prefix="adjax-torture-"))
    server = Server(folder / "server")
    try:
        bench = Bench(server, folder)
        prepare(bench, kinds, flags.workers)
        left = Campaign(kinds, flags.seed, deadline - time.monotonic(), flags.cases)
        return left.run(bench, flags.workers, say if flags.verbose else say_wrong)
    finally:
        server.close()
        shutil.rmtree(folder, ignore_errors=True)


def say(outcome: Outcome) -> None:
    """Print an outcome, and how to repeat it."""
    end = f": {outcome.reason}" if outcome.reason else ""
    print(f"{outcome.ending}: {outcome.what}{end}", flush=True)
    if outcome.ending == WRONG:
        repeat = f"--only={outcome.kind} --seed={outcome.seed} --cases=1"
        print(f"  again: python -m torture {repeat}", flush=True)


def say_wrong(outcome: Outcome) -> None:
    """Print an outcome if it is wrong."""
    if outcome.ending == WRONG:
        say(outcome)


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m torture", description="Kill, damage and mistype until something goes wrong."
    )
    parser.add_argument("--minutes", type=float, default=30, help="how long to begin new cases")
    parser.add_argument("--seed", type=int, default=0, help="of the first case of each kind")
    parser.add_argument("--only", default="", help=f"some of {','.join(KINDS)}")
    parser.add_argument("--cases", type=int, default=0, help="of each kind at most; 0: any number")
    parser.add_argument("--workers", type=int, default=2, help="cases at a time")
    parser.add_argument("--verbose", action="store_true", help="print what is not wrong, too")
    parser.add_argument("--output", default="", help="a page to put the figures of all kinds into")
    return parser.parse_args(arguments)


def _chosen(only: str) -> list[ModuleType]:
    names = only.split(",") if only else list(KINDS)
    for name in names:
        if name not in KINDS:
            raise UserError(f"--only={only}: {name!r} is none of {', '.join(KINDS)}")
    return [KINDS[name] for name in names]


def _own_mounts(arguments: Sequence[str]) -> None:
    """Begin again where mounts are this program's own and end with it, if the system has that."""
    if os.environ.get(_INSIDE) or not shutil.which("unshare"):
        return
    for ways in _MOUNTS:
        prefix = ["unshare", *ways]
        if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
            os.environ[_INSIDE] = "1"
            sys.stdout.flush()
            os.execvp(prefix[0], [*prefix, sys.executable, "-m", "torture", *arguments])
