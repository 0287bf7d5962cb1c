"""Three programs for a population, one answer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adjax.training.members_axis import AXES, over_members


def member_step(state, batch, member):
    """A function of pytrees in which every member's numbers differ."""
    error = batch["x"] @ state["w"] - batch["y"]
    w = state["w"] - member["rate"] * (batch["x"].T @ error)
    return {"w": w, "step": state["step"] + 1}, (jnp.square(error).mean(), {"sum": w.sum()})


def operands(size):
    rng = np.random.default_rng(0)
    normal = lambda *shape: rng.standard_normal((size, *shape), np.float32)  # noqa: E731
    state = {"w": normal(3), "step": np.arange(size, dtype=np.int32)}
    return state, {"x": normal(5, 3), "y": normal(5)}, {"rate": np.abs(normal())}


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("axis", AXES)
def test_row_k_is_member_k_alone(axis, size):
    args = operands(size)
    together = jax.jit(over_members(member_step, axis))(*args)
    alone = [jax.jit(member_step)(*jax.tree.map(lambda x, k=k: x[k], args)) for k in range(size)]
    desired = jax.tree.map(lambda *row: np.stack(row), *alone)
    assert jax.tree.structure(together) == jax.tree.structure(desired)
    for actual, expected in zip(jax.tree.leaves(together), jax.tree.leaves(desired), strict=True):
        assert actual.dtype == expected.dtype
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("axis", AXES)
def test_gradients_flow_to_each_member(axis):
    state, batch, member = operands(3)

    def total(rate):
        new, _ = over_members(member_step, axis)(state, batch, {"rate": rate})
        return new["w"].sum()

    x, y, w = batch["x"], batch["y"], state["w"]
    error = np.einsum("pnf,pf->pn", x, w) - y
    desired = -np.einsum("pnf,pn->p", x, error)
    np.testing.assert_allclose(jax.jit(jax.grad(total))(member["rate"]), desired, rtol=1e-4)


def test_map_and_vmap_hold_the_program_once_and_unroll_once_a_member():
    args = operands(3)
    count = {
        axis: str(jax.make_jaxpr(over_members(member_step, axis))(*args)).count("dot_general[")
        for axis in AXES
    }
    assert count == {"map": 2, "vmap": 2, "unroll": 6}


def test_unknown_axis_raises():
    with pytest.raises(ValueError, match=r"'pmap' is none of .*map.*vmap.*unroll"):
        over_members(member_step, "pmap")
