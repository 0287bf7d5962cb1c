"""`python -m benchmarks FLAGS` is `python launch.py --mode=benchmark FLAGS` without `--config`."""

import sys

from adjax.command import leave, main

if __name__ == "__main__":
    leave(main([sys.argv[0], "--mode=benchmark", *sys.argv[1:]]))
