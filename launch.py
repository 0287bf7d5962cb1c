"""The one entry point: flags to a verb of adjax.

python launch.py --config=configs/mnist.py:oe_sdn --workdir=runs/mnist [--config.KEY=VALUE ...]
python launch.py --config=configs/mnist.py --help
"""

import importlib.util
import sys

from absl import app, flags
from ml_collections import config_flags

from adjax import cli, paths
from adjax.errors import DivergedError, UserError, disk_full
from adjax.flags import check_flags, config_help, explain_flag_error

FLAGS = flags.FLAGS
config_flags.DEFINE_config_file("config", None, "configs/FILE.py:ARGUMENT", lock_config=True)
flags.DEFINE_string("workdir", None, "Folder of the run; made if need be.")
flags.DEFINE_enum("mode", "train", list(cli.MODES), "What to do.")
flags.DEFINE_string("images", None, "predict: a folder of images, or one file.")
flags.DEFINE_string(
    "output",
    None,
    "predict, export: a folder; gallery: a PNG; report: FILE.jsonl, .parquet, .csv or a page.",
)
flags.DEFINE_integer("member", 0, "predict, export: which one of config.members.", 0)
flags.DEFINE_list(
    "cases", [], "benchmark: networks, metrics, anogan_search, sweeps, calls; else all."
)
flags.DEFINE_list("precision", ["float32"], "benchmark: of training, float32 or bfloat16 or both.")
flags.DEFINE_list("convolution", [], "benchmark: xla or onednn; without it all installed.")
flags.DEFINE_list("sections", [], "benchmark: speed, load, pipeline, population; else all.")
flags.DEFINE_enum("against", None, ["torch", "pyod"], "benchmark: what is compared with.")
flags.DEFINE_integer("repeats", 7, "benchmark: blocks of each program.", 1)
flags.DEFINE_bool("dry_run", False, "sweep: say what would be done, and its cost.")
flags.DEFINE_enum("engine", "inline", ["inline", "ray"], "sweep: what executes it.")
flags.DEFINE_string("ray_address", "", "sweep: a running Ray cluster; without it one is started.")
flags.DEFINE_integer("cpus_per_task", 1, "sweep: CPUs of a Ray task where there are no GPUs.", 1)
flags.DEFINE_string("shard", "", "sweep: i/n, do part i of n of the runs (from 0).")
flags.DEFINE_integer("max_population", 0, "sweep: most members of a program; 0: what fits.", 0)
flags.DEFINE_string("compilation_cache", "", "Folder of compiled programs, or off; else ~/.cache.")
flags.DEFINE_bool(
    "accept_changed_data", False, "train, evaluate: go on though the training images changed."
)
flags.DEFINE_bool("distributed", False, "One of several processes, as the scheduler says.")
flags.DEFINE_string("coordinator", "", "One of several processes: host:port of the first one.")
flags.DEFINE_integer("num_processes", 0, "With --coordinator: how many processes there are.", 0)
flags.DEFINE_integer("process_id", -1, "With --coordinator: which of them this is, from 0.")
flags.DEFINE_string("dataset", None, "prepare_data: the TFDS name of the data set.")
flags.DEFINE_string("source", None, "prepare_data: an .npz; without it TFDS downloads.")
flags.DEFINE_string("data_dir", "data", "prepare_data: the TFDS data directory.")


def parse_flags(argv: list[str]) -> None:
    """Parse the command line; everything wrong with it becomes a `UserError`."""
    try:
        rest = FLAGS(argv)[1:]
        if FLAGS.config is not None:
            FLAGS.config.lock()  # a file that could not be loaded raises only when it is used
    except Exception as error:  # absl and ml_collections raise many types
        raise UserError(explain_flag_error(error, argv)) from error
    if rest:
        raise UserError(f"unexpected argument {rest[0]!r}: flags are written --NAME=VALUE")


def is_comparison() -> bool:
    """Return whether the flags ask for a comparison with other libraries."""
    asked = ("cases", "precision", "convolution", "sections", "against", "output")
    return FLAGS.mode == "benchmark" and (
        FLAGS.config is None or any(FLAGS[name].present for name in asked)
    )


def compare() -> int:
    """Compare with other libraries, which the package itself does not; returns the exit code."""
    if importlib.util.find_spec("benchmarks") is None:
        raise UserError(
            "--mode=benchmark without --config needs the folder benchmarks beside launch.py; "
            "give --config to measure that config alone"
        )
    from benchmarks import command

    command.run(FLAGS)
    return 0


def main(argv: list[str]) -> int:
    """Run the verb; returns the exit code."""
    app.define_help_flags()
    sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be no text
    try:
        if text := config_help(argv):
            print(text)
            return 0
        parse_flags(argv)
        check_flags(FLAGS)
        return compare() if is_comparison() else cli.run(FLAGS)
    except UserError as error:
        print(f"error: {paths.on_one_line(str(error))}", file=sys.stderr)
        return 2
    except DivergedError as error:
        print(f"training stopped: {paths.on_one_line(str(error))}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        print("interrupted; the same command continues from the last checkpoint", file=sys.stderr)
        return 130
    except Exception as error:
        if not disk_full(error):
            raise
        message = "the disk is full; finished results are kept: make room, repeat the command"
        print(f"error: {message}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    cli.leave(main(sys.argv))
