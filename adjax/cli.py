"""The verbs behind `launch.py`; each imports what it needs, so that a wrong flag fails at once."""

import contextlib
import os
import re
import runpy
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from adjax import paths
from adjax.compilation import keep_programs
from adjax.errors import UserError
from adjax.flags import FLAGS_OF, MODES, PROCESSES, THRESHOLDS, reads

# Of modes that find compiled programs of earlier processes; what measures compilation does not.
_PROGRAMS = "compilation_cache"


def run(flags) -> int:
    """Run the verb of --mode, with other processes if the flags say so; return the exit code."""
    if _PROGRAMS in FLAGS_OF[flags.mode] and (reason := keep_programs(flags.compilation_cache)):
        print(paths.on_one_line(reason), file=sys.stderr)
    if flags.distributed or flags.coordinator:
        _join(flags)
    return MODES[flags.mode](flags) or 0


def leave(code: int) -> NoReturn:
    """Exit with a code, where JAX is at work as `hosts.leave` does."""
    if "jax" in sys.modules:
        from adjax import hosts

        hosts.leave(code)
    sys.exit(code)


@reads("config", "workdir", "accept_changed_data", _PROGRAMS, *PROCESSES)
def train(flags) -> int:
    """Train, evaluate and report one run."""
    config, directory = _config(flags), _workdir(flags)
    data = _check(config).data
    _quiet()
    from adjax import workdir

    if workdir.finished_results(config, directory) is None:
        workdir.require_places(directory, [config.stage_cache])
        from adjax import experiment
        from adjax.datasets.tasks import create_task

        for doubt in create_task(data).doubts():
            _say(f"note: {doubt}")
        experiment.train_and_evaluate(
            config,
            directory,
            command=_command(),
            accept_changed_data=flags.accept_changed_data,
        )
    else:
        from adjax import hosts, reports

        if hosts.is_first():
            reports.renew_report(directory)
        _say(f"{directory}: this run is finished")
    return _show(directory)


@reads("workdir", "accept_changed_data", _PROGRAMS, *PROCESSES)
def evaluate(flags) -> int:
    """Evaluate and report the trained run in --workdir again."""
    directory = _workdir(flags)
    _quiet()
    from adjax import workdir

    config = workdir.read_config(directory)
    workdir.require_places(directory, [])
    from adjax import experiment

    command = workdir.recorded_command(directory) or _command()
    experiment.train_and_evaluate(
        config,
        directory,
        train=False,
        command=command,
        accept_changed_data=flags.accept_changed_data,
    )
    return _show(directory)


@reads(
    *("config", "workdir", "dry_run", "shard", "max_population"),
    *("engine", "ray_address", "cpus_per_task", _PROGRAMS),
)
def sweep(flags) -> int:
    """Run the sweep that the config file declares, or with --dry_run print what it would take."""
    config, directory = _config(flags), _workdir(flags)
    path, _, argument = _raw_config(flags).partition(":")
    from adjax.sweeps.expand import expand, under_former_names, with_cache

    everything = expand(path, argument, config, _overridden(flags))
    everything = with_cache(under_former_names(everything, directory), directory)
    for run in everything:
        run.check()
    _quiet()
    from adjax.sweeps import store

    shard = store.parse_shard(flags.shard)
    if not flags.dry_run and all(run.has_results(directory) for run in everything):
        from adjax import reports

        _writable_folder(directory, "--workdir")
        _say(f"{directory}: this sweep is finished")
        _show_sweep(reports.read_sweep(directory))
        return _say_failed([directory / run.name for run in everything])
    return _do_sweep(flags, everything, directory, shard)


def _do_sweep(flags, everything, directory: Path, shard: tuple[int, int]) -> int:
    """Do what is left of a sweep's runs, or say what that would take."""
    from adjax import reports, workdir
    from adjax.sweeps import plan, store, work
    from adjax.sweeps.describe import describe_plan

    workdir.require_places(directory, [run.config.stage_cache for run in everything])
    engine = _engine(flags)
    everything, absent = plan.split_absent(everything)
    if absent:
        print(f"not here, left out: {', '.join(absent)}")
    broken = plan.check_runs(everything, directory)
    for reason in dict.fromkeys(broken.values()):
        names = [name for name, own in broken.items() if own == reason]
        print(f"broken, left out: {', '.join(names)}: {reason}", file=sys.stderr)
    own = plan.shard_of(everything, shard)
    runs = [run for run in own if run.name not in broken]
    if not runs:
        raise UserError(f"--shard={flags.shard}: the data of none of its runs can be used")
    with engine:
        tasks = plan.make_plan(runs, directory, engine.resources)
        if flags.dry_run:
            print(describe_plan(tasks, runs, directory))
            return 1 if broken else 0
        with store.driving(directory, shard):
            failed = engine.run(tasks, directory, _command())
        failed |= {run.name: broken[run.name] for run in own if run.name in broken}
        failed = work.note_failed(own, failed, directory)
    if any(run.has_results(directory) for run in everything):
        _show_sweep(reports.read_sweep(directory))
    diverged = _say_failed([directory / run.name for run in runs])
    for name, reason in failed.items():
        print(f"not done: {name}: {reason}", file=sys.stderr)
    return 1 if failed else diverged


@reads(
    *("config", "workdir", "trials", "trials_at_once", "sampler", "sampler_seed"),
    *("scheduler", "rungs", "reduction_factor", "objective"),
    *("max_population", "engine", "ray_address", "cpus_per_task", _PROGRAMS),
)
def search(flags) -> int:
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
    _quiet()
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
        _say(f"{directory}: this search is finished")
    else:
        task.check_rungs()
        plan.check_runs([space.first()], directory)
        with _engine(flags) as engine, store.driving(directory, search=True):
            search(task, engine, directory, _command())
    _show_sweep(reports.read_sweep(directory))
    return 0


def _engine(flags):
    if flags.engine == "ray":
        from adjax.sweeps.on_ray import RayEngine

        return RayEngine(flags.ray_address, flags.max_population, flags.cpus_per_task)
    from adjax.sweeps.inline import InlineEngine

    return InlineEngine(flags.max_population)


@reads("workdir", "output")
def report(flags) -> None:
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
            path = reports.write_comparison(flags.output, directories, sweeps, _command())
        print(f"comparison: {path}")
        return
    if flags.output:
        defaults = [_defaults_of(sweep, reports.commands(sweep)) for sweep in sweeps]
        with _writing(flags.output):
            path = reports.write_results(flags.output, sweeps, defaults, command=_command())
        print(f"results: {path}")
        return
    for path, sweep in zip(directories, sweeps, strict=True):
        if reports.is_record(path):
            print(reports.console_table(sweep.runs, sweep.refused))
        else:
            _show_sweep(sweep)
        print("".join(f"{remark}\n" for remark in reports.remarks(sweep)), end="")


@reads(
    *("config", "repeats", "output"), *("cases", "precision", "convolution", "sections", "against")
)
def benchmark(flags) -> None:
    """Measure the speed of a config's programs."""
    config = _config(flags)
    _check(config)
    _quiet()
    from adjax import benchmark

    print(benchmark.run(config, flags.repeats))


@reads("workdir", "output")
def gallery(flags) -> None:
    """Draw the auxiliary sets or the corruptions of the run in --workdir as a PNG."""
    directory = _workdir(flags)
    if not flags.output:
        raise UserError("--mode=gallery needs --output, e.g. --output=auxiliary.png")
    if Path(flags.output).suffix != ".png":
        raise UserError(f"--output={flags.output}: give a PNG, e.g. --output=auxiliary.png")
    _quiet()
    with _writing(flags.output):
        from adjax.gallery import write_gallery

        print(f"gallery: {write_gallery(directory, flags.output)}")


@reads("workdir", "images", "output", "member", *THRESHOLDS, _PROGRAMS)
def predict(flags) -> int:
    """Score the photographs of a folder with the detector of the run in --workdir."""
    directory = _workdir(flags)
    if not flags.images:
        raise UserError("--mode=predict needs --images, a folder or a file")
    if not flags.output:
        raise UserError("--mode=predict needs --output, e.g. --output=predictions")
    _quiet()
    _writable_folder(flags.output, "--output")
    from adjax.detect.predict import predict

    options = {"member": flags.member, **_thresholds(flags)}
    done = predict(directory, flags.images, flags.output, command=_command(), **options)
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


@reads("workdir", "output", "member", *THRESHOLDS, _PROGRAMS)
def export(flags) -> None:
    """Export the detector of the run in --workdir to files that need no adjax."""
    directory = _workdir(flags)
    if not flags.output:
        raise UserError("--mode=export needs --output, e.g. --output=detector")
    _quiet()
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


def _thresholds(flags) -> dict[str, float | None]:
    return {name: getattr(flags, name) for name in THRESHOLDS}


@reads("config")
def check_data(flags) -> int:
    """Print what the data set of --config holds and what is wrong with it."""
    data = _check(_config(flags)).data
    if not data.decides:
        raise UserError(
            f"--mode=check_data is for folders of images, not for {data.name}; "
            "try --config=configs/folder.py --config.data.dir=FOLDER"
        )
    _quiet()
    from adjax.datasets.check import check_data, format_report
    from adjax.datasets.tasks import create_task

    report = check_data(create_task(data).index(), data)
    print(format_report(report))
    return 1 if report.has_problems else 0


@reads("dataset", "source", "data_dir")
def prepare_data(flags) -> None:
    """Put a data set into the TFDS data directory."""
    if not flags.dataset:
        raise UserError("--mode=prepare_data needs --dataset=NAME, e.g. --dataset=cifar10")
    _quiet()
    _writable_folder(flags.data_dir, "--data_dir")
    from adjax.datasets.prepare import import_dataset

    path = import_dataset(flags.dataset, flags.source or "", flags.data_dir)
    print(f"{flags.dataset}: ready in {path}")


def _join(flags) -> None:
    if flags.mode not in ("train", "evaluate"):
        raise UserError(
            f"--mode={flags.mode} runs in one process: leave --distributed and --coordinator out"
            + (", and give every process its own --shard=i/n" if flags.mode == "sweep" else "")
        )
    _quiet()
    from adjax import hosts

    hosts.join(flags.coordinator, flags.num_processes, flags.process_id)
    config = flags.config.to_json_best_effort() if flags.config else ""
    hosts.check_same(f"{flags.mode} {flags.workdir} {config}", "--mode, --config or --workdir")


def _config(flags):
    if flags.config is None:
        raise UserError(
            f"--mode={flags.mode} needs --config, e.g. --config=configs/mnist.py:oe_sdn"
        )
    return flags.config


def _check(config):
    """Return the config's settings; raise `UserError` at once for values that no run could have."""
    from adjax.config.layout import check

    return check(config)


def _workdir(flags) -> Path:
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


def _raw_config(flags) -> str:
    from ml_collections import config_flags

    return config_flags.get_config_filename(flags["config"])


def _overridden(flags) -> Mapping[str, Any]:
    """Return the values that the command line sets in the config, by dotted key."""
    from ml_collections import config_flags

    return config_flags.get_override_values(flags["config"])


def _command() -> str:
    return "python " + shlex.join(sys.argv)


def _quiet() -> None:
    """Keep the C++ and deprecation chatter of libraries off the terminal; call before importing."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # announced on import
    from absl import logging

    logging.set_verbosity(logging.ERROR)


def _show(directory: Path) -> int:
    from adjax import reports

    _say(reports.console_table([reports.open_run(directory)]))
    _say(f"report: {directory / 'report.html'}")
    return _say_failed([directory])


def _say(text: str) -> None:
    """Print once, not in every process."""
    from adjax import hosts

    if hosts.is_first():
        print(text)


def _show_sweep(sweep) -> None:
    from adjax import reports

    print(reports.console_sweep(sweep))
    print(f"report: {reports.write_sweep_report(sweep)}")
    if sweep.runs[0].workdir != sweep.directory:  # else it is the folder of a single run
        print(f"table: {sweep.directory / reports.TABLE}")


def _defaults_of(sweep, commands: list[str]):
    """Return a function from a method's name to its config in the config file of a sweep."""
    words = [word for command in commands for word in _words(command)]
    found = re.search(r"^--?config[=\n](.+?\.py)(:|$)", "\n".join(words), re.MULTILINE)
    if not found or not Path(found[1]).is_file():
        raise UserError(
            f"--workdir={sweep.directory}: its results do not say which config file made them"
            + (f", or {found[1]} is not here" if found else "")
        )
    if Path("configs").resolve() not in Path(found[1]).resolve().parents:
        raise UserError(
            f"--workdir={sweep.directory}: its results name {found[1]}, which is not in the folder "
            "configs: what a file of results names is not run elsewhere"
        )
    get_config = runpy.run_path(found[1])["get_config"]
    return lambda method: get_config(method).to_dict()


def _words(command: str) -> list[str]:
    """Return the words of a command; of one that no shell wrote what stands between spaces."""
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()


def _say_failed(directories: list[Path]) -> int:
    """Print the members that diverged; return the exit code, 3 if there are any."""
    from adjax import workdir

    failures = [(folder, f) for folder in directories for f in workdir.read_failures(folder)]
    for folder, failure in failures:
        noun = workdir.read_about(folder)["noun"]
        print(
            f"diverged: {folder}: {noun} {failure['data.normal_class']} seed {failure['seed']}, "
            f"stage {failure['stage']}, step {failure['step']}: {failure['reason']}",
            file=sys.stderr,
        )
    return 3 if failures else 0
