"""`python -m benchmarks FLAGS` is `python launch.py --mode=benchmark FLAGS` without `--config`."""

import sys

import launch
from adjax import cli

if __name__ == "__main__":
    cli.leave(launch.main([sys.argv[0], "--mode=benchmark", *sys.argv[1:]]))
