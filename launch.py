"""The command in a checkout: `python launch.py --mode=MODE FLAGS` is `adjax MODE FLAGS`.

python launch.py --config=configs/mnist.py:oe_sdn --workdir=runs/mnist [--config.KEY=VALUE ...]
python launch.py --config=configs/mnist.py --help
"""

import sys

from adjax.command import leave, main

if __name__ == "__main__":
    leave(main(sys.argv))
