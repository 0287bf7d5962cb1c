"""A side that does nothing, for as long as it is told."""

import time

from adjax.errors import UserError
from benchmarks.measuring import Block


class Side:
    def __init__(self, step_seconds):
        if step_seconds < 0:
            raise UserError("--time=backwards: not here")
        self.step_seconds = step_seconds

    def block(self, program):
        if program.name == "score":
            raise RuntimeError("this side cannot score")
        return Block(lambda: time.sleep(self.step_seconds), {"images": 7})

    def greet(self):
        return "hello"
