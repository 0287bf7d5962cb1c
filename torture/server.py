"""A process that has done adjax's imports and forks itself for every command; see `process`.

It reads a JSON object a line, and answers with one: `{"start": ...}` with the number of the process
that runs the command, `{"poll": number}` with its exit code, or null while it runs. It imports all
that a command may load but uses no device, so that a fork is as good as a new interpreter. The
command leaves as `launch.py` does, its threads joined and its exit handlers run.
"""

import atexit
import gc
import json
import os
import resource
import signal
import sys
import threading


def _import_all() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    import jax  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import optax  # noqa: F401
    import orbax.checkpoint  # noqa: F401
    import scipy.ndimage  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import tensorboard.summary  # noqa: F401
    import tensorflow  # noqa: F401
    import tensorflow_datasets  # noqa: F401
    from jax.experimental import jax2tf  # noqa: F401

    import adjax.benchmark
    import adjax.experiment
    import adjax.reports.sweep_page
    import adjax.sweeps.plan  # noqa: F401
    import launch  # noqa: F401


def _serve() -> dict:
    """Answer requests; return, in the child, the one to run."""
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        elif answer := os.fork():
            pass
        else:
            return request
        print(json.dumps(answer), flush=True)
    os._exit(0)


def _become(request: dict) -> None:
    """Make this process that of a command: its own session, files, folder and arguments."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # until the command has begun
    for number, path in enumerate((os.devnull, request["stdout"], request["stderr"])):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    if request["folder"]:
        os.chdir(request["folder"])
    if request["memory"]:
        resource.setrlimit(resource.RLIMIT_DATA, (request["memory"], request["memory"]))
    sys.argv = request["argv"]


def _run(request: dict) -> int:
    """Run a command as `python launch.py` would; return its exit code."""
    try:
        if request["clock"]:
            from torture import clock

            clock.jump(request["clock"])
        if not request["compiles"]:
            import jax

            # A killed process must not leave half a program to the next one.
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 1e9)
        if request["argv"][0] == "torture":
            from torture import state

            state.write(*request["argv"][1:])
        else:
            import launch
            from adjax import command

            signal.signal(signal.SIGINT, signal.default_int_handler)
            code = launch.main(sys.argv)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is over
            command.leave(code)
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def _leave(code: int) -> None:
    """End as the interpreter does, threads and exit handlers included, but take nothing apart."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 255)


if __name__ == "__main__":
    _import_all()
    gc.freeze()
    print("ready", flush=True)
    asked = _serve()
    _become(asked)
    _leave(_run(asked))
