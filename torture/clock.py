"""A clock that goes wrong within one process."""

import itertools
import random
import time

DAYS = 86400.0


def jump(text: str) -> None:
    """Make the time of day jump from now on: by years, and back and forth.

    The monotonic clock never jumps, by its definition.

    Args:
      text: `SEED`, of when it jumps and how far.

    """
    draw = random.Random(text)
    now, now_ns = time.time, time.time_ns
    offsets = [draw.choice((-4000, -1, -0.01, 0, 0.01, 1, 4000)) * DAYS for _ in range(64)]
    jumps = itertools.cycle(offset for offset in offsets for _ in range(draw.randrange(1, 20)))
    time.time = lambda: now() + next(jumps)
    time.time_ns = lambda: now_ns() + int(next(jumps) * 1e9)
