"""What stands at the products of programs for a GPU, of which none need be here."""

import functools
import re

import jax
import jax.numpy as jnp
import pytest
from training_helpers import ONE_DEVICE, TINY

from adjax.config.layout import check
from adjax.methods.stage import Fit
from adjax.run import build_method
from adjax.training.execution import Execution
from adjax.training.members_axis import over_members
from adjax.training.programs import score_program, update_of_member, validate_program
from configs import cifar10, folder, mnist

PRODUCT = re.compile(r"stablehlo\.(dot_general|convolution)\b")
KIND = re.compile(r"\b(HIGHEST|HIGH|DEFAULT)\b")
# Every kind of network and of loss: residual, attention, GANs of three forms, Gaussians, kernels.
METHODS = (
    *("mnist:oe_sdn", "mnist:oe_sdn_fast", "mnist:f_anogan", "mnist:ganomaly", "mnist:vae"),
    *("mnist:anogan", "mnist:ocsvm", "mnist:deep_svdd", "cifar10:itae", "folder:aesc_mask"),
)
FILES = {"mnist": mnist, "cifar10": cifar10, "folder": folder}


def kinds_in(text):
    """The precisions that stand in a lowered program: (operation, precision), one a product."""
    lines = [line for line in text.splitlines() if PRODUCT.search(line)]
    found = ((PRODUCT.search(line)[1], KIND.search(line)) for line in lines)
    return [(name, kind[1] if kind else "DEFAULT") for name, kind in found]


def of_gpu(program, *operands):
    return kinds_in(program.trace(*operands).lower(lowering_platforms=("cuda",)).as_text())


def settings_of(name, precision):
    file, _, argument = name.partition(":")
    config = FILES[file].get_config(f"{argument},smoke")
    values = {"precision": precision, **ONE_DEVICE}
    if file == "folder":
        values |= {"data.dir": "nowhere", "data.channels": 1}
    values |= {key: value for key, value in TINY.items() if argument == "oe_sdn"}
    config.update_from_flattened_dict(values)
    return check(config)


@functools.cache
def programs(name, precision="float32"):
    """For each program of a method: `train`, `validate` or `score`, and the kinds of its products.

    They are traced from shapes alone: nothing is compiled and nothing runs.
    """
    return list(_programs(settings_of(name, precision)))


def _programs(settings):
    method, execution = build_method(settings), Execution.create(settings, 1)
    data = settings.data
    shape = {"mnist": (28, 28, 1), "cifar10": (32, 32, 3)}.get(data.name)
    shape = shape or (*[data.patch or data.size] * 2, 1)
    member = {"seed": jax.ShapeDtypeStruct((), jnp.int32)}
    member |= {name: jax.ShapeDtypeStruct((), jnp.float32) for name in method.dynamic}

    def of_members(tree):
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((1, *x.shape), x.dtype), tree)

    frozen = {}
    for index, stage in enumerate(method.stages):

        def begin(frozen, stage=stage):
            state = stage.init(jax.random.key(0), jnp.zeros((1, *shape), jnp.float32))
            starts = getattr(stage, "begin", None)
            return starts(state, frozen) if starts else state

        state = jax.eval_shape(begin, frozen)
        if not isinstance(stage, Fit):
            images = jax.ShapeDtypeStruct((stage.batch_size, *shape), jnp.float32)
            batch = {"image": images, "auxiliary": images, "corrupted": images}
            update = over_members(update_of_member(stage.update, index), "map")
            operands = map(of_members, (state, frozen, batch, member))
            yield "train", of_gpu(execution.update_program(update), *operands)
            operands = map(of_members, (state.variables, frozen, images))
            yield "validate", of_gpu(validate_program(stage, execution), *operands)
        frozen = frozen | {stage.name: state.variables}
    image = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    operands = of_members(frozen), image, of_members(member)
    yield "score", of_gpu(score_program(method, execution, with_maps=True), *operands)


@pytest.mark.parametrize("name", METHODS)
def test_float32_is_float32_everywhere(name):
    found = [kind for _, kinds in programs(name) for kind in kinds]
    assert found
    assert {precision for _, precision in found} == {"HIGHEST"}


def test_tf32_is_of_the_network_in_training_alone():
    float32, tf32 = programs("mnist:oe_sdn"), programs("mnist:oe_sdn", "tf32")
    (_, teacher), _, (_, student), *_ = tf32
    # The convolutions are the networks'; the distance is products.
    assert {kind for kind in teacher if kind[0] == "convolution"} == {("convolution", "HIGH")}
    assert {("dot_general", "HIGH"), ("dot_general", "HIGHEST")} < {*teacher}
    # The frozen teacher has those that it has when it is validated.
    frozen = [name for name, _ in tf32[1][1] if name == "convolution"]
    assert frozen
    assert student.count(("convolution", "HIGHEST")) == len(frozen)
    assert student.count(("convolution", "HIGH")) > 10 * len(frozen)
    for (program, kinds), (_, plain) in zip(tf32, float32, strict=True):
        assert [name for name, _ in kinds] == [name for name, _ in plain]
        if program != "train":
            assert {precision for _, precision in kinds} == {"HIGHEST"}


@pytest.mark.parametrize("name", ["mnist:f_anogan", "mnist:vae"])
def test_gradients_have_the_precision_of_their_network(name):
    """Those of gradients too, and of whatever has a gradient of its own."""
    _, trained = programs(name, "tf32")[0]
    convolutions = [kind for product, kind in trained if product == "convolution"]
    assert convolutions
    assert set(convolutions) == {"HIGH"}


def test_bfloat16_leaves_its_own_products_and_no_others_as_they_are():
    (_, teacher), *_, (_, score) = programs("mnist:ae", "bfloat16")
    assert {kind for kind in teacher if kind[0] == "convolution"} == {("convolution", "DEFAULT")}
    assert ("dot_general", "HIGHEST") in teacher
    assert {precision for _, precision in score} == {"HIGHEST"}
