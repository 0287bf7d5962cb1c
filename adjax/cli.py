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
    """One line that names the flag or key and what to do, whatever flag library raised."""
    text = str(error).strip()
    if isinstance(error, AttributeError):  # a key that the config does not have
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


def run(flags) -> int:
    """Do the verb of --mode, as one of several processes if the flags say so; the exit code."""
    if flags.distributed or flags.coordinator:
        _join(flags)
    return MODES[flags.mode](flags) or 0


def leave(code: int) -> NoReturn:
    """Exit."""
    if "jax" in sys.modules:
        from adjax import hosts

        hosts.leave(code)
    sys.exit(code)


def train(flags) -> int:
    """Train, evaluate and report one run."""
    config, directory = _config(flags), _workdir(flags)
    _quiet()
    from adjax import experiment

    if experiment.finished_results(config, directory) is None:
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
    command = (experiment.finished_results(config, directory) or {}).get("command", _command())
    experiment.train_and_evaluate(config, directory, train=False, command=command)
    return _show(directory)


def sweep(flags) -> int:
    """Do the sweep that the config file declares, or with --dry_run say what it would take."""
    config, directory = _config(flags), _workdir(flags)
    path, _, argument = _raw_config(flags).partition(":")
    _quiet()
    from adjax import reports, sweeps

    shard = sweeps.parse_shard(flags.shard)
    if flags.engine == "ray":
        engine = sweeps.RayEngine(flags.ray_address, flags.max_population, flags.cpus_per_task)
    else:
        engine = sweeps.InlineEngine(flags.max_population)
    everything = sweeps.expand(path, argument, config, _overridden(flags))
    everything = sweeps.with_cache(everything, directory)
    everything, absent = sweeps.split_absent(everything)
    if absent:
        print(f"not here, left out: {', '.join(absent)}")
    sweeps.check_runs(everything, directory)
    runs = sweeps.shard_of(everything, shard)
    with engine:
        plan = sweeps.make_plan(runs, directory, engine.resources)
        if flags.dry_run:
            print(sweeps.describe_plan(plan, runs, directory))
            return 0
        with sweeps.driving(directory, shard):
            engine.run(plan, directory, _command())
    if any(sweeps.has_results(run, directory) for run in everything):
        _show_sweep(reports.read_sweep(directory))
    return _say_failed([directory / run.name for run in runs])


def report(flags) -> None:
    """Report the runs below --workdir again, or with --output write them into a page of results."""
    directories = list(map(Path, str(_workdir(flags)).split(",")))
    if flags.config is not None:
        raise UserError("--mode=report takes the configs from --workdir: leave --config out")
    from adjax import reports

    found = [reports.read_sweep(directory) for directory in directories]
    if flags.output:
        defaults = [_defaults_of(sweep, reports.commands(sweep)) for sweep in found]
        path = reports.write_results(flags.output, found, defaults, command=_command())
        print(f"results: {path}")
        return
    for sweep in found:
        _show_sweep(sweep)
        print("".join(f"{remark}\n" for remark in reports.remarks(sweep)), end="")


def benchmark(flags) -> None:
    """Measure the networks of the zoo, or with --config the speed of that config's programs.

    Against PyOD it is the detectors that it has too, or the config's.
    """
    if flags.against == "pyod":
        _against_pyod(flags)
        return
    if flags.config is not None:
        for name in ("cases", "precision", "convolution", "sections", "against", "output"):
            if flags[name].present:
                raise UserError(f"--{name} is for the zoo: leave --config out, or --{name}")
        _quiet()
        from adjax.benchmark import stages

        print(stages.run(flags.config, flags.repeats))
        return
    if len(flags.cases) == 1 and flags.cases[0] in ("metrics", "anogan_search"):
        _of_sides(flags)
        return
    _quiet()
    from adjax.benchmark import zoo

    zoo.run(
        flags.cases,
        flags.precision,
        flags.convolution,
        against=flags.against,
        repeats=flags.repeats,
        output=flags.output,
        command=_command(),
        sections=flags.sections,
    )


def _of_sides(flags) -> None:
    (case,) = flags.cases
    for name in ("precision", "convolution", "sections", "against"):
        if flags[name].present:
            raise UserError(f"--{name} is for the zoo: leave --cases={case} out, or --{name}")
    _quiet()
    from adjax.benchmark import metrics, page, search

    section, sides, packages = {
        "metrics": ("metrics", metrics, metrics.packages()),
        "anogan_search": ("search", search, []),
    }[case]
    page.measure(
        *(section, lambda: sides.measure(flags.repeats), packages),
        *(flags.output, _command()),
    )


def _against_pyod(flags) -> None:
    for name in ("precision", "convolution", "sections"):
        if flags[name].present:
            raise UserError(f"--{name} is for the zoo: leave --against=pyod out, or --{name}")
    if flags.config is not None and flags.cases:
        raise UserError("--cases=METHOD ... is of MNIST: leave it out, or --config")
    _quiet()
    from adjax.benchmark import classical

    configs = [flags.config]
    if flags.config is None:
        get_config = runpy.run_path("configs/mnist.py")["get_config"]
        configs = [get_config(name) for name in classical.choose(flags.cases)]
    classical.run(configs, flags.repeats, flags.output, _command())


def gallery(flags) -> None:
    """Draw the auxiliary sets or the corruptions of the run in --workdir as a PNG."""
    directory = _workdir(flags)
    _refuse_config(flags)
    if not flags.output:
        raise UserError("--mode=gallery needs --output, e.g. --output=auxiliary.png")
    _quiet()
    from adjax import gallery, workdir

    config = workdir.read_config(directory)
    print(f"gallery: {gallery.write_gallery(config, directory, flags.output)}")


def predict(flags) -> int:
    """Score the photographs of a folder with the detector that the run in --workdir has trained."""
    directory = _workdir(flags)
    _refuse_config(flags)
    if not flags.images:
        raise UserError("--mode=predict needs --images, a folder or a file")
    if not flags.output:
        raise UserError("--mode=predict needs --output, e.g. --output=predictions")
    _quiet()
    from adjax.predict import predict

    found = predict(directory, flags.images, flags.output, member=flags.member)
    print(
        f"{found.images - found.failed} images, {found.anomalous} anomalous; "
        f"{found.images_per_second:.1f} images/s, "
        f"the model alone {found.model_images_per_second:.1f}"
    )
    if found.left_out:
        print(f"not looked at: {found.left_out} files that are no images by their extension")
    print(f"contact sheet: {found.output / 'index.html'}")
    if found.failed:
        where = "see the column error of predictions.csv"
        print(f"error: {found.failed} images could not be read: {where}", file=sys.stderr)
    return 1 if found.failed else 0


def export(flags) -> None:
    """Write the detector that the run in --workdir has trained as files that need no adjax."""
    directory = _workdir(flags)
    _refuse_config(flags)
    if not flags.output:
        raise UserError("--mode=export needs --output, e.g. --output=detector")
    _quiet()
    from adjax.export import export

    print(f"detector: {export(directory, flags.output, flags.member)}")


def check_data(flags) -> int:
    """Say what the data set of --config holds and what is wrong with it."""
    data = _config(flags).data
    _quiet()
    from adjax import datasets

    if not datasets.is_industrial(data.name):
        raise UserError(
            f"--mode=check_data is for folders of images, not for {data.name}; "
            "try --config=configs/folder.py --config.data.dir=FOLDER"
        )
    report = datasets.check_data(datasets.industrial_index(data))
    print(datasets.format_report(report))
    return 1 if report.has_problems else 0


def prepare_data(flags) -> None:
    """Put a data set into the TFDS data directory."""
    if not flags.dataset:
        raise UserError("--mode=prepare_data needs --dataset=NAME, e.g. --dataset=cifar10")
    _quiet()
    from adjax import datasets

    path = datasets.import_dataset(flags.dataset, flags.source or "", flags.data_dir)
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
    """What the command line sets in the config, by dotted keys."""
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
    """Print, but once for all processes."""
    from adjax import hosts

    if hosts.is_first():
        print(text)


def _show_sweep(sweep) -> None:
    from adjax import reports

    print(reports.console_table(sweep.runs))
    print(f"report: {reports.write_sweep_report(sweep)}")


def _defaults_of(sweep, commands: list[str]):
    """A function that gives each method's config, by the config file of a sweep's command."""
    found = re.search(r"--?config[= ](\S+?\.py)\b", " ".join(commands))
    if not found or not Path(found[1]).is_file():
        raise UserError(
            f"--workdir={sweep.directory}: its results do not say which config file made them"
            + (f", or {found[1]} is not here" if found else "")
        )
    get_config = runpy.run_path(found[1])["get_config"]
    return lambda method: get_config(method).to_dict()


def _say_failed(directories: list[Path]) -> int:
    """List the members that diverged; the exit code is 3 if there are any."""
    from adjax import reports, workdir

    failures = [(folder, f) for folder in directories for f in workdir.read_failures(folder)]
    for folder, failure in failures:
        noun = reports.noun(reports.read_config(folder))
        print(
            f"diverged: {folder}: {noun} {failure['data.normal_class']} seed {failure['seed']}, "
            f"stage {failure['stage']}, step {failure['step']}: {failure['reason']}",
            file=sys.stderr,
        )
    return 3 if failures else 0
