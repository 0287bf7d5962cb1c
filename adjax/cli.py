"""The verbs of the command; each imports what it needs, so that a wrong flag fails at once."""

import contextlib
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from adjax import paths
from adjax.compilation import keep_programs
from adjax.console import command_line, quiet, say, say_failed, show_run, show_sweep
from adjax.errors import UserError
from adjax.flags import MODES, PROCESSES, THRESHOLDS, reads

# Of modes that find compiled programs of earlier processes; what measures compilation does not.
_PROGRAMS = "compilation_cache"


def run(flags: Any) -> int:
    """Run the verb of --mode, with other processes if the flags say so; return the exit code."""
    mode = MODES[flags.mode]
    if _PROGRAMS in mode.flags and (reason := keep_programs(flags.compilation_cache)):
        print(paths.on_one_line(reason), file=sys.stderr)
    if flags.distributed or flags.coordinator:
        _join(flags)
    return mode.verb(flags) or 0


@reads("config", "workdir", "accept_changed_data", _PROGRAMS, *PROCESSES, purpose="Train")
def train(flags: Any) -> int:
    """Train, evaluate and report one run."""
    config, directory = _config(flags), _workdir(flags)
    _check(config)
    quiet()
    from adjax.workflow import finish_run

    if not finish_run(config, directory, command_line(), flags.accept_changed_data):
        say(f"{directory}: this run is finished")
    return show_run(directory)


@reads("workdir", "accept_changed_data", _PROGRAMS, *PROCESSES, purpose="Train")
def evaluate(flags: Any) -> int:
    """Evaluate and report the trained run in --workdir again."""
    directory = _workdir(flags)
    quiet()
    from adjax import workdir

    config = workdir.read_config(directory)
    workdir.require_places(directory, [])
    from adjax import experiment

    experiment.train_and_evaluate(
        config,
        directory,
        train=False,
        command=workdir.recorded_command(directory) or command_line(),
        accept_changed_data=flags.accept_changed_data,
    )
    return show_run(directory)


@reads(
    *("config", "workdir", "dry_run", "shard", "max_population"),
    *("engine", "ray_address", "cpus_per_task", _PROGRAMS),
    purpose="Many runs",
)
def sweep(flags: Any) -> int:
    """Run the sweep that the config file declares, or with --dry_run print what it would take."""
    config, directory = _config(flags), _workdir(flags)
    path, _, argument = _raw_config(flags).partition(":")
    from adjax import workflow

    runs = workflow.runs_of_sweep(path, argument, config, _overridden(flags), directory)
    quiet()
    from adjax.sweeps import store

    shard = store.parse_shard(flags.shard)
    if not flags.dry_run and all(run.has_results(directory) for run in runs):
        from adjax import reports

        _writable_folder(directory, "--workdir")
        say(f"{directory}: this sweep is finished")
        show_sweep(reports.read_sweep(directory))
        return say_failed([directory / run.name for run in runs])
    workflow.require_places(runs, directory)
    engine = _engine(flags)
    if flags.dry_run:
        return workflow.describe_sweep(runs, directory, engine, shard)
    return workflow.finish_sweep(runs, directory, engine, command_line(), shard)


@reads(
    *("config", "workdir", "trials", "trials_at_once", "sampler", "sampler_seed"),
    *("scheduler", "rungs", "reduction_factor", "objective"),
    *("max_population", "engine", "ray_address", "cpus_per_task", _PROGRAMS),
    purpose="Many runs",
)
def search(flags: Any) -> int:
    """Search the values that the sweep of the config file draws from distributions."""
    config, directory = _config(flags), _workdir(flags)
    path, _, argument = _raw_config(flags).partition(":")
    from adjax.sweeps.expand import space_of

    space = space_of(path, argument, config, _overridden(flags)).with_cache(directory)
    space.check()
    if flags.objective != "validation_loss" and flags.scheduler != "none":
        raise UserError(
            f"--objective={flags.objective} is known of finished trials only: give "
            "--scheduler=none too"
        )
    quiet()
    from adjax import reports, workdir
    from adjax.sweeps import plan, store
    from adjax.sweeps.search import Task, search
    from adjax.sweeps.study import Design

    design = Design(
        flags.sampler,
        flags.sampler_seed,
        flags.scheduler,
        1 if flags.scheduler == "none" else flags.rungs,
        flags.reduction_factor,
        maximize=flags.objective != "validation_loss",
    )
    task = Task(space, design, flags.objective, flags.trials, flags.trials_at_once)
    workdir.require_places(directory, [space.config.stage_cache])
    if task.check(directory):
        say(f"{directory}: this search is finished")
    else:
        task.check_rungs()
        plan.check_runs([space.first()], directory)
        with _engine(flags) as engine, store.driving(directory, search=True):
            search(task, engine, directory, command_line())
    show_sweep(reports.read_sweep(directory))
    return 0


def _engine(flags: Any):
    if flags.engine == "ray":
        from adjax.sweeps.on_ray import RayEngine

        return RayEngine(flags.ray_address, flags.max_population, flags.cpus_per_task)
    from adjax.sweeps.inline import InlineEngine

    return InlineEngine(flags.max_population)


@reads("workdir", "output", purpose="Look at results")
def report(flags: Any) -> None:
    """Report the runs below --workdir again, or with --output write a file of them.

    Several folders are given with commas between them, see `paths.split`. A record,
    `--output=FILE.jsonl`, keeps what the tables of a sweep need in one file, and can be
    given for --workdir as its folder can. `FILE.parquet` or `FILE.csv` is the results as data, a
    row a member; `FILE.html` is a page that compares two folders or more; any other name is a
    results page.
    """
    _workdir(flags)
    directories = list(map(Path, paths.split(flags.workdir)))
    from adjax import reports

    def read(path):
        return reports.read_record(path) if reports.is_record(path) else reports.read_sweep(path)

    for path in directories:
        if not flags.output and not reports.is_record(path):
            _writable_folder(path, "--workdir")
    sweeps = list(map(read, directories))
    if reports.is_record(flags.output or ""):
        if len(sweeps) > 1:
            raise UserError(f"--output={flags.output}: a record is of one folder; give one")
        with _writing(flags.output):
            print(f"record: {reports.write_record(Path(flags.output), *sweeps)}")
        return
    if reports.is_table(flags.output or ""):
        if len(sweeps) > 1:
            raise UserError(f"--output={flags.output}: a table of data is of one folder; give one")
        with _writing(flags.output):
            path = reports.write_table(Path(flags.output), sweeps[0])
        print(f"table: {path}")
        return
    if reports.is_page(flags.output or ""):
        if len(sweeps) < 2:
            raise UserError(f"--output={flags.output}: a page compares two folders or more")
        with _writing(flags.output):
            path = reports.write_comparison(flags.output, directories, sweeps, command_line())
        print(f"comparison: {path}")
        return
    if flags.output:
        defaults = [_defaults_of(sweep, reports.commands(sweep)) for sweep in sweeps]
        with _writing(flags.output):
            path = reports.write_results(flags.output, sweeps, defaults, command=command_line())
        print(f"results: {path}")
        return
    for path, sweep in zip(directories, sweeps, strict=True):
        if reports.is_record(path):
            print(reports.console_table(sweep.runs, sweep.refused))
        else:
            show_sweep(sweep)
        print("".join(f"{remark}\n" for remark in reports.remarks(sweep)), end="")


@reads(
    *("config", "repeats", "output"),
    *("cases", "precision", "convolution", "sections", "against"),
    purpose="Train",
)
def benchmark(flags: Any) -> None:
    """Measure the speed of a config's programs."""
    config = _config(flags)
    _check(config)
    quiet()
    from adjax import benchmark

    print(benchmark.run(config, flags.repeats))


@reads("workdir", "output", purpose="Look at results")
def gallery(flags: Any) -> None:
    """Draw the auxiliary sets or the corruptions of the run in --workdir as a PNG."""
    directory = _workdir(flags)
    if not flags.output:
        raise UserError("--mode=gallery needs --output, e.g. --output=auxiliary.png")
    if Path(flags.output).suffix != ".png":
        raise UserError(f"--output={flags.output}: give a PNG, e.g. --output=auxiliary.png")
    quiet()
    with _writing(flags.output):
        from adjax.gallery import write_gallery

        print(f"gallery: {write_gallery(directory, flags.output)}")


@reads(
    *("workdir", "images", "output", "member", *THRESHOLDS, _PROGRAMS),
    purpose="Use a trained detector",
)
def predict(flags: Any) -> int:
    """Score the photographs of a folder with the detector of the run in --workdir."""
    directory = _workdir(flags)
    if not flags.images:
        raise UserError("--mode=predict needs --images, a folder or a file")
    if not flags.output:
        raise UserError("--mode=predict needs --output, e.g. --output=predictions")
    quiet()
    _writable_folder(flags.output, "--output")
    from adjax.detect.predict import predict

    options = {"member": flags.member, **_thresholds(flags)}
    done = predict(directory, flags.images, flags.output, command=command_line(), **options)
    print(
        f"{done.scored} images, {done.anomalous} anomalous; "
        f"{done.images_per_second:.1f} images/s, "
        f"the model alone {done.model_images_per_second:.1f}"
    )
    if done.left_out:
        print(f"not looked at: {done.left_out} files that are no images by their extension")
    for note in done.notes:
        print(f"note: {note}")
    print(f"contact sheet: {done.output / 'index.html'}")
    if done.failed:
        where = "see the column error of predictions.csv"
        print(f"error: {done.failed} images could not be read or drawn: {where}", file=sys.stderr)
    return 1 if done.failed else 0


@reads("workdir", "output", "member", *THRESHOLDS, _PROGRAMS, purpose="Use a trained detector")
def export(flags: Any) -> None:
    """Export the detector of the run in --workdir to files that need no adjax."""
    directory = _workdir(flags)
    if not flags.output:
        raise UserError("--mode=export needs --output, e.g. --output=detector")
    quiet()
    _writable_folder(flags.output, "--output")
    from adjax.detect.export import export

    made = export(
        directory,
        flags.output,
        flags.member,
        **_thresholds(flags),
        note=lambda text: print(f"note: {text}"),
    )
    print(f"detector: {made}")


def _thresholds(flags: Any) -> dict[str, float | None]:
    return {name: getattr(flags, name) for name in THRESHOLDS}


@reads("config", purpose="Prepare data")
def check_data(flags: Any) -> int:
    """Print what the data set of --config holds and what is wrong with it."""
    data = _check(_config(flags)).data
    if not data.decides:
        raise UserError(
            f"--mode=check_data is for folders of images, not for {data.name}; "
            "try --config=configs/folder.py --config.data.dir=FOLDER"
        )
    quiet()
    from adjax.datasets.check import check_data, format_report
    from adjax.datasets.tasks import create_task

    report = check_data(create_task(data).index(), data)
    print(format_report(report))
    return 1 if report.has_problems else 0


@reads("dataset", "source", "data_dir", purpose="Prepare data")
def prepare_data(flags: Any) -> None:
    """Put a data set into the TFDS data directory."""
    if not flags.dataset:
        raise UserError("--mode=prepare_data needs --dataset=NAME, e.g. --dataset=cifar10")
    quiet()
    _writable_folder(flags.data_dir, "--data_dir")
    from adjax.datasets.prepare import import_dataset

    path = import_dataset(flags.dataset, flags.source or "", flags.data_dir)
    print(f"{flags.dataset}: ready in {path}")


def _join(flags: Any) -> None:
    if flags.mode not in ("train", "evaluate"):
        raise UserError(
            f"--mode={flags.mode} runs in one process: leave --distributed and --coordinator out"
            + (", and give every process its own --shard=i/n" if flags.mode == "sweep" else "")
        )
    quiet()
    from adjax import hosts

    hosts.join(flags.coordinator, flags.num_processes, flags.process_id)
    config = flags.config.to_json_best_effort() if flags.config else ""
    hosts.check_same(f"{flags.mode} {flags.workdir} {config}", "--mode, --config or --workdir")


def _config(flags: Any):
    if flags.config is None:
        raise UserError(
            f"--mode={flags.mode} needs --config, e.g. --config=configs/mnist.py:oe_sdn"
        )
    return flags.config


def _check(config):
    """Return the config's settings; raise `UserError` at once for values that no run could have."""
    from adjax.config.layout import check

    return check(config)


def _workdir(flags: Any) -> Path:
    if not flags.workdir:
        raise UserError(f"--mode={flags.mode} needs --workdir, e.g. --workdir=runs/mnist")
    return Path(flags.workdir)


@contextlib.contextmanager
def _writing(path: str) -> Iterator[None]:
    """Raise `UserError` if the file of --output cannot be written, before a block or in it."""
    from adjax import workdir

    workdir.require_writable_file(path, "--output")
    with paths.writing("--output", path):
        yield


def _writable_folder(path: str | Path, flag: str) -> None:
    """Raise `UserError` if nothing can be written into the folder of a flag."""
    from adjax import workdir

    workdir.require_writable(path, flag)


def _raw_config(flags: Any) -> str:
    from ml_collections import config_flags

    return config_flags.get_config_filename(flags["config"])


def _overridden(flags: Any) -> Mapping[str, Any]:
    """Return the values that the command line sets in the config, by dotted key."""
    from ml_collections import config_flags

    return config_flags.get_override_values(flags["config"])


def _defaults_of(sweep: Any, commands: list[str]) -> Callable[[str], dict]:
    """Return a function from a method's name to its config in the config file of a sweep."""
    from adjax.config import shipped

    words = [word for command in commands for word in _words(command)]
    named = re.search(r"^--?config[=\n](.+?\.py)(:|$)", "\n".join(words), re.MULTILINE)
    found = shipped.find(named[1]).path if named else ""
    if not named or not Path(found).is_file():
        raise UserError(
            f"--workdir={sweep.directory}: its results do not say which config file made them"
            + (f", or {named[1]} is not here" if named else "")
        )
    if not {Path("configs").resolve(), shipped.FOLDER} & {*Path(found).resolve().parents}:
        raise UserError(
            f"--workdir={sweep.directory}: its results name {named[1]}, which is not in the folder "
            "configs: what a file of results names is not run elsewhere"
        )
    get_config = shipped.load(found)["get_config"]
    return lambda method: get_config(method).to_dict()


def _words(command: str) -> list[str]:
    """Return the words of a command; of one that no shell wrote what stands between spaces."""
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()
