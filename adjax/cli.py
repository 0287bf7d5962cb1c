"""The verbs behind `launch.py`; each imports what it needs, so that a wrong flag fails at once."""

import os
import re
import runpy
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from adjax.errors import UserError


def explain_flag_error(error: Exception, argv: list[str]) -> str:
    """Return one line that names the flag or key and what to do, whichever library raised."""
    text = str(error).strip()
    if isinstance(error, TypeError) or "does not support indexing" in text:  # below a value
        return f"{_below_a_value(argv)}: the config has no such key"
    if isinstance(error, AttributeError | KeyError):  # a key that the config does not have
        key = re.search(r"\w+", text)[0]
        flag = next((a for a in argv if re.match(rf"--?config\.(\w+\.)*{key}\b", a)), key)
        hint = re.search(r'Did you mean "(\w+)"', text)
        return f"{flag}: the config has no such key" + (f"; is it {hint[1]!r}?" if hint else "")
    if isinstance(error, OSError):
        flag = next((a for a in argv if a.startswith("--config=")), "--config")
        return f"{flag}: no such config file"
    first, last = text.splitlines()[0], text.splitlines()[-1]
    if "Traceback" in text:  # raised by get_config
        return f"{first.partition(': ')[0].removeprefix('flag ')}: {last.partition(': ')[2]}"
    if first.startswith("Unknown command line flag 'config."):
        return f"{first}: give --config=FILE too"
    return first.removeprefix("flag ")


def _below_a_value(argv: list[str]) -> str:
    """Return the first flag whose key lies below a value of the config, not of a section."""
    path, _, argument = next(a for a in argv if re.match(r"--?config=", a)).partition(":")
    config = runpy.run_path(path.partition("=")[2])["get_config"](argument).to_dict()
    for flag in argv:
        section = config
        for name in re.sub(r"^--?config\.|=.*$", "", flag, flags=re.DOTALL).split(".")[:-1]:
            section = section.get(name, {})
            if not isinstance(section, Mapping):
                return flag
    return "--config"


def config_help(argv: list[str]) -> str:
    """Return the help of a config file: its description, and the arguments that it accepts.

    Empty unless `argv` asks for help and names a config file that has `ARGUMENTS`.
    """
    paths = [a.split("=", 1)[1] for a in argv if re.match(r"--?config=", a)]
    if not paths or not {"--help", "-help", "-h"} & set(argv):
        return ""
    path = paths[0].partition(":")[0]
    try:
        module = runpy.run_path(path)
    except OSError as error:
        raise UserError(f"--config={path}: no such config file") from error
    arguments = module.get("ARGUMENTS")
    if arguments is None:
        return ""
    return f"{module['__doc__']}\n{arguments.help()}"


def run(flags) -> int:
    """Run the verb of --mode, with other processes if the flags say so; return the exit code."""
    if flags.distributed or flags.coordinator:
        _join(flags)
    return MODES[flags.mode](flags) or 0


def leave(code: int) -> NoReturn:
    """Exit with a code, at once if other processes wait."""
    if "jax" in sys.modules:
        from adjax import hosts

        hosts.leave(code)
    sys.exit(code)


def train(flags) -> int:
    """Train, evaluate and report one run."""
    config, directory = _config(flags), _workdir(flags)
    _check(config)
    _quiet()
    from adjax import experiment, workdir

    if workdir.finished_results(config, directory) is None:
        experiment.train_and_evaluate(config, directory, command=_command())
    else:
        _say(f"{directory}: this run is finished")
    return _show(directory)


def evaluate(flags) -> int:
    """Evaluate and report the trained run in --workdir again."""
    directory = _workdir(flags)
    _refuse_config(flags)
    _quiet()
    from adjax import experiment, workdir

    config = workdir.read_config(directory)
    command = workdir.recorded_command(directory) or _command()
    experiment.train_and_evaluate(config, directory, train=False, command=command)
    return _show(directory)


def sweep(flags) -> int:
    """Run the sweep that the config file declares, or with --dry_run print what it would take."""
    config, directory = _config(flags), _workdir(flags)
    path, _, argument = _raw_config(flags).partition(":")
    from adjax.sweeps.expand import expand, with_cache

    everything = with_cache(expand(path, argument, config, _overridden(flags)), directory)
    for run in everything:
        run.check()
    _quiet()
    from adjax import reports
    from adjax.sweeps import plan, store, work
    from adjax.sweeps.describe import describe_plan

    shard = store.parse_shard(flags.shard)
    engine = _engine(flags)
    everything, absent = plan.split_absent(everything)
    if absent:
        print(f"not here, left out: {', '.join(absent)}")
    plan.check_runs(everything, directory)
    runs = plan.shard_of(everything, shard)
    with engine:
        tasks = plan.make_plan(runs, directory, engine.resources)
        if flags.dry_run:
            print(describe_plan(tasks, runs, directory))
            return 0
        with store.driving(directory, shard):
            engine.run(tasks, directory, _command())
    if any(work.has_results(run, directory) for run in everything):
        _show_sweep(reports.read_sweep(directory))
    return _say_failed([directory / run.name for run in runs])


def _engine(flags):
    if flags.engine == "ray":
        from adjax.sweeps.on_ray import RayEngine

        return RayEngine(flags.ray_address, flags.max_population, flags.cpus_per_task)
    from adjax.sweeps.inline import InlineEngine

    return InlineEngine(flags.max_population)


def report(flags) -> None:
    """Report the runs below --workdir again, or with --output write a results page or a record.

    A record, `--output=FILE.jsonl`, keeps what the tables of a sweep need in one file, and can be
    given for --workdir as its folder can.
    """
    directories = list(map(Path, str(_workdir(flags)).split(",")))
    if flags.config is not None:
        raise UserError("--mode=report takes the configs from --workdir: leave --config out")
    from adjax import reports

    def read(path):
        return reports.read_record(path) if reports.is_record(path) else reports.read_sweep(path)

    sweeps = list(map(read, directories))
    if reports.is_record(flags.output or ""):
        if len(sweeps) > 1:
            raise UserError(f"--output={flags.output}: a record is of one folder; give one")
        print(f"record: {reports.write_record(Path(flags.output), *sweeps)}")
        return
    if flags.output:
        defaults = [_defaults_of(sweep, reports.commands(sweep)) for sweep in sweeps]
        path = reports.write_results(flags.output, sweeps, defaults, command=_command())
        print(f"results: {path}")
        return
    for path, sweep in zip(directories, sweeps, strict=True):
        if reports.is_record(path):
            print(reports.console_table(sweep.runs))
        else:
            _show_sweep(sweep)
        print("".join(f"{remark}\n" for remark in reports.remarks(sweep)), end="")


def benchmark(flags) -> None:
    """Measure the speed of a config's programs."""
    config = _config(flags)
    _check(config)
    _quiet()
    from adjax import benchmark

    print(benchmark.run(config, flags.repeats))


def gallery(flags) -> None:
    """Draw the auxiliary sets or the corruptions of the run in --workdir as a PNG."""
    directory = _workdir(flags)
    _refuse_config(flags)
    if not flags.output:
        raise UserError("--mode=gallery needs --output, e.g. --output=auxiliary.png")
    _quiet()
    from adjax.gallery import write_gallery

    print(f"gallery: {write_gallery(directory, flags.output)}")


def predict(flags) -> int:
    """Score the photographs of a folder with the detector of the run in --workdir."""
    directory = _workdir(flags)
    _refuse_config(flags)
    if not flags.images:
        raise UserError("--mode=predict needs --images, a folder or a file")
    if not flags.output:
        raise UserError("--mode=predict needs --output, e.g. --output=predictions")
    _quiet()
    from adjax.detect.predict import predict

    done = predict(directory, flags.images, flags.output, member=flags.member)
    print(
        f"{done.images - done.failed} images, {done.anomalous} anomalous; "
        f"{done.images_per_second:.1f} images/s, "
        f"the model alone {done.model_images_per_second:.1f}"
    )
    if done.left_out:
        print(f"not looked at: {done.left_out} files that are no images by their extension")
    print(f"contact sheet: {done.output / 'index.html'}")
    if done.failed:
        where = "see the column error of predictions.csv"
        print(f"error: {done.failed} images could not be read: {where}", file=sys.stderr)
    return 1 if done.failed else 0


def export(flags) -> None:
    """Export the detector of the run in --workdir to files that need no adjax."""
    directory = _workdir(flags)
    _refuse_config(flags)
    if not flags.output:
        raise UserError("--mode=export needs --output, e.g. --output=detector")
    _quiet()
    from adjax.detect.export import export

    print(f"detector: {export(directory, flags.output, flags.member)}")


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

    report = check_data(create_task(data).index())
    print(format_report(report))
    return 1 if report.has_problems else 0


def prepare_data(flags) -> None:
    """Put a data set into the TFDS data directory."""
    if not flags.dataset:
        raise UserError("--mode=prepare_data needs --dataset=NAME, e.g. --dataset=cifar10")
    _quiet()
    from adjax.datasets.prepare import import_dataset

    path = import_dataset(flags.dataset, flags.source or "", flags.data_dir)
    print(f"{flags.dataset}: ready in {path}")


MODES = {
    "train": train,
    "evaluate": evaluate,
    "sweep": sweep,
    "report": report,
    "benchmark": benchmark,
    "gallery": gallery,
    "predict": predict,
    "export": export,
    "check_data": check_data,
    "prepare_data": prepare_data,
}


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


def _refuse_config(flags) -> None:
    if flags.config is not None:
        raise UserError(f"--mode={flags.mode} takes the config from --workdir: leave --config out")


def _workdir(flags) -> Path:
    if not flags.workdir:
        raise UserError(f"--mode={flags.mode} needs --workdir, e.g. --workdir=runs/mnist")
    return Path(flags.workdir)


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

    _say(reports.console_table([reports.read_run(directory)]))
    _say(f"report: {directory / 'report.html'}")
    return _say_failed([directory])


def _say(text: str) -> None:
    """Print once, not in every process."""
    from adjax import hosts

    if hosts.is_first():
        print(text)


def _show_sweep(sweep) -> None:
    from adjax import reports

    print(reports.console_table(sweep.runs))
    print(f"report: {reports.write_sweep_report(sweep)}")


def _defaults_of(sweep, commands: list[str]):
    """Return a function from a method's name to its config in the config file of a sweep."""
    match = re.search(r"--?config[= ](\S+?\.py)\b", " ".join(commands))
    if not match or not Path(match[1]).is_file():
        raise UserError(
            f"--workdir={sweep.directory}: its results do not say which config file made them"
            + (f", or {match[1]} is not here" if match else "")
        )
    get_config = runpy.run_path(match[1])["get_config"]
    return lambda method: get_config(method).to_dict()


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
