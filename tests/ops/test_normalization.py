"""Batch normalisation against Flax's: outputs, gradients, running statistics, devices."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from adjax.ops import BatchNorm, traced_for

SHAPE = (8, 5, 3, 6)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


X = 3 * normal(0, *SHAPE) + np.arange(6, dtype=np.float32) - 2
COTANGENT = normal(1, *SHAPE)
VARIABLES = {
    "params": {"scale": 1 + normal(2, 6) / 4, "bias": normal(3, 6)},
    "batch_stats": {"mean": normal(4, 6), "var": 1 + normal(5, 6) ** 2},
}
SETTINGS = [{}, {"momentum": 0.9, "epsilon": 1e-3}]


def evaluate(layer, variables=VARIABLES, x=X, cotangent=COTANGENT):
    """Output, running statistics and the gradients in input, scale and bias."""

    def loss(params, x):
        variables_ = {**variables, "params": params}
        y, changed = layer.apply(variables_, x, mutable=["batch_stats"])
        return (y.astype(jnp.float32) * cotangent).sum(), (y, changed)

    gradient = jax.grad(loss, (0, 1), has_aux=True)
    (of_params, of_x), (y, changed) = jax.jit(gradient)(variables["params"], x)
    return {"y": y, "stats": changed.get("batch_stats", {}), "params": of_params, "x": of_x}


def assert_close(actual, desired, tolerance=1e-5):
    """Every array within `tolerance` of the greatest magnitude in it, and of its dtype."""

    def check(path, a, d):
        assert a.dtype == d.dtype, path
        a, d = (np.asarray(value, np.float32) for value in (a, d))
        scale = max(np.abs(d).max(initial=0), 1e-6)
        np.testing.assert_allclose(a, d, rtol=0, atol=tolerance * scale, err_msg=str(path))

    jax.tree_util.tree_map_with_path(check, actual, desired)


@pytest.mark.parametrize("running", [False, True], ids=["batch", "running"])
@pytest.mark.parametrize("settings", SETTINGS, ids=["defaults", "others"])
def test_equals_flax(running, settings):
    found = evaluate(BatchNorm(running, **settings))
    desired = evaluate(nn.BatchNorm(running, **settings))
    assert_close(found, desired)
    if running:
        np.testing.assert_array_equal(found["stats"]["mean"], VARIABLES["batch_stats"]["mean"])


def test_equals_flax_elsewhere():
    with traced_for("gpu"):
        found = evaluate(BatchNorm(False))
    assert_close(found, evaluate(nn.BatchNorm(False)))


@pytest.mark.parametrize("left", [set(), {"scale"}, {"bias"}], ids=["none", "scale", "bias"])
def test_without_parameters_equals_flax(left):
    options = {f"use_{name}": name in left for name in ("scale", "bias")}
    variables = {**VARIABLES, "params": {name: VARIABLES["params"][name] for name in left}}
    found = evaluate(BatchNorm(False, **options), variables)
    assert set(found["params"]) == left
    assert_close(found, evaluate(nn.BatchNorm(False, **options), variables))


def test_forms_for_other_platforms_give_the_same_numbers(other_platform):
    assert_close(evaluate(BatchNorm(False)), evaluate(nn.BatchNorm(False)))


@pytest.mark.parametrize("running", [False, True], ids=["batch", "running"])
def test_bfloat16_activations_keep_statistics_and_parameters_in_float32(running):
    x = X.astype(jnp.bfloat16)
    found = evaluate(BatchNorm(running, dtype=jnp.bfloat16), x=x)
    with jax.numpy_dtype_promotion("standard"):
        desired = evaluate(nn.BatchNorm(running, dtype=jnp.bfloat16), x=x)
    assert found["y"].dtype == found["x"].dtype == jnp.bfloat16
    assert_close(found["stats"], desired["stats"])
    assert_close(found, desired, 2**-6)  # bfloat16 has 8 bits of mantissa
    exact = evaluate(BatchNorm(running), x=np.asarray(x, np.float32))
    exact = {**exact, "y": exact["y"].astype(x.dtype), "x": exact["x"].astype(x.dtype)}
    assert_close(found, exact, 2**-6)


def test_takes_the_dtype_of_its_input():
    layer, x = BatchNorm(False), jnp.asarray(X, jnp.bfloat16)
    assert evaluate(layer, x=x)["y"].dtype == jnp.bfloat16


@pytest.mark.parametrize("dtype", [np.float32, jnp.bfloat16])
def test_begins_as_flax_does(dtype):
    x = jax.ShapeDtypeStruct(SHAPE, dtype)
    with jax.numpy_dtype_promotion("standard"):
        desired = jax.eval_shape(nn.BatchNorm(False).init, jax.random.key(0), x)
    assert jax.eval_shape(BatchNorm(False).init, jax.random.key(0), x) == desired
    made = BatchNorm(False).init(jax.random.key(0), jnp.asarray(X))
    assert_close(made, nn.BatchNorm(False).init(jax.random.key(0), jnp.asarray(X)), 0)


def test_statistics_are_those_of_the_batch_on_all_devices():
    mesh = Mesh(np.array(jax.devices()[:4]), ("data",))
    whole, shared = PartitionSpec(), PartitionSpec("data")

    def on_devices(layer):
        def value(params, x, cotangent):
            variables = {**VARIABLES, "params": params}
            y, backward, changed = jax.vjp(
                lambda p, x: layer.apply({**variables, "params": p}, x, mutable=["batch_stats"]),
                params,
                x,
                has_aux=True,
            )
            of_params, of_x = backward(cotangent)
            of_params = jax.lax.psum(of_params, "data")
            return {"y": y, "stats": changed["batch_stats"], "params": of_params, "x": of_x}

        specs = {"y": shared, "stats": whole, "params": whole, "x": shared}
        program = jax.shard_map(
            value, mesh=mesh, in_specs=(whole, shared, shared), out_specs=specs, check_vma=False
        )
        return jax.device_get(jax.jit(program)(VARIABLES["params"], X, COTANGENT))

    found = on_devices(BatchNorm(False, axis_name="data"))
    assert_close(found, on_devices(nn.BatchNorm(False, axis_name="data")))
    alone = jax.device_get(evaluate(BatchNorm(False)))
    for name in ("y", "stats"):
        assert_close(found[name], alone[name])


def test_large_mean_leaves_no_negative_variance():
    x = np.full(SHAPE, 1000, np.float32) + normal(0, *SHAPE) / 1000
    found = evaluate(BatchNorm(False), x=x)
    assert np.isfinite(found["y"]).all()
    assert (found["stats"]["var"] >= 0.99 * VARIABLES["batch_stats"]["var"]).all()


def test_in_a_population():
    """Inside the loop over members, where sums are products too."""
    members = np.stack([X, 2 * X + 1])

    def outputs(x):
        return BatchNorm(False).apply(VARIABLES, x, mutable=["batch_stats"])

    together = jax.jit(lambda members: jax.lax.map(outputs, members))(members)
    alone = [jax.jit(outputs)(x) for x in members]
    assert_close(together, jax.tree.map(lambda *row: jnp.stack(row), *alone))
