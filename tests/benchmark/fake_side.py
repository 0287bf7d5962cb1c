"""A side that does nothing, for as long as it is told."""

import time

from adjax.benchmark.measure import Block
from adjax.errors import UserError


class Side:
    def __init__(self, step_seconds):
        if step_seconds < 0:
            raise UserError("--time=backwards: not here")
        self.step_seconds = step_seconds

    def block(self, program):
        if program.name == "score":
            raise RuntimeError("this side cannot score")
        return Block(lambda steps: time.sleep(steps * self.step_seconds), {"images": 7})
