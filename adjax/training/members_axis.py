"""The axis of members: lift a function of one member to P members."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

AXES = ("map", "vmap", "unroll")


def chosen_axis(setting: str) -> str:
    """Return the axis that `config.population_axis` stands for.

    "auto" is "map", on every kind of device until another one is measured to be faster there.
    """
    return "map" if setting == "auto" else setting


def over_members(function: Callable, axis: str) -> Callable:
    """Lift a function of one member to P members, whose arrays carry a leading axis P.

    Args:
      function: takes any number of pytrees and returns a pytree.
      axis: "map" runs members one after another in a loop (compiles once, keeps each member's
        memory is that of one), "vmap" widens every operation but convolutions, of which each member
        keeps its own (`ops.members`), "unroll" repeats the program P times. Their results agree.

    """
    if axis == "map":
        return lambda *args: lax.map(lambda member: function(*member), args)
    if axis == "vmap":
        return jax.vmap(function)
    if axis == "unroll":
        return lambda *args: _unrolled(function, args)
    raise ValueError(f"population axis {axis!r} is none of {AXES}")


def _unrolled(function, args):
    size = len(jax.tree.leaves(args)[0])
    rows = [function(*jax.tree.map(lambda x, i=i: x[i], args)) for i in range(size)]
    return jax.tree.map(lambda *row: jnp.stack(row), *rows)
