"""What stands at the products of programs for a GPU, of which none need be here."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from training_helpers import ONE_DEVICE, assert_trees_close, tiny_config, train

from adjax.config.layout import check
from adjax.detect.export import PLATFORMS
from adjax.methods.precision import in_training
from adjax.methods.stage import Fit
from adjax.models.conv_autoencoder import ConvAutoencoder
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
    *("mnist:anogan", "mnist:skip_ganomaly", "mnist:ocsvm", "mnist:deep_svdd", "cifar10:itae"),
    *("folder:aesc_mask", "folder:ssim_ae", "folder:unet_ae"),
)
FILES = {"mnist": mnist, "cifar10": cifar10, "folder": folder}


def kinds_in(text):
    """The precisions that stand in a lowered program: (operation, precision), one a product."""
    lines = [line for line in text.splitlines() if PRODUCT.search(line)]
    found = ((PRODUCT.search(line)[1], KIND.search(line)) for line in lines)
    return [(name, kind[1] if kind else "DEFAULT") for name, kind in found]


def of_gpu(program, *operands):
    return kinds_in(program.trace(*operands).lower(lowering_platforms=("cuda",)).as_text())


def settings_of(name, **values):
    file, _, argument = name.partition(":")
    config = FILES[file].get_config(f"{argument},smoke")
    if file == "folder":
        config.update_from_flattened_dict({"data.dir": "nowhere", "data.channels": 1})
    config.update_from_flattened_dict(ONE_DEVICE | values)
    return check(config)


def programs(settings):
    """For each program of a method: `train`, `validate` or `score`, and the kinds of its products.

    They are traced from shapes alone: nothing is compiled and nothing runs.
    """
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
    found = [kind for _, kinds in programs(settings_of(name)) for kind in kinds]
    assert found
    assert {precision for _, precision in found} == {"HIGHEST"}


def test_tf32_is_of_the_network_in_training_alone():
    float32, tf32 = (
        list(programs(settings_of("mnist:oe_sdn", precision=precision)))
        for precision in ("float32", "tf32")
    )
    (_, teacher), _, (_, student), *_ = tf32
    # The convolutions are the networks'; the distance is products.
    assert {kind for kind in teacher if kind[0] == "convolution"} == {("convolution", "HIGH")}
    assert {("dot_general", "HIGH"), ("dot_general", "HIGHEST")} < {*teacher}
    # The frozen teacher has four of its own, as when it is validated or scores.
    frozen = [kind for _, kind in tf32[1][1] if _ == "convolution"]
    assert frozen
    assert student.count(("convolution", "HIGHEST")) == len(frozen)
    assert student.count(("convolution", "HIGH")) > 10 * len(frozen)
    for (program, kinds), (_, plain) in zip(tf32, float32, strict=True):
        assert [name for name, _ in kinds] == [name for name, _ in plain]
        if program != "train":
            assert {precision for _, precision in kinds} == {"HIGHEST"}


@pytest.mark.parametrize("name", ["mnist:f_anogan", "mnist:ganomaly", "mnist:vae"])
def test_gradients_have_the_precision_of_their_network(name):
    """Those of gradients too, and of whatever has a gradient of its own."""
    trained = [kinds for program, kinds in programs(settings_of(name, precision="tf32"))]
    convolutions = [kind for name, kind in trained[0] if name == "convolution"]
    assert convolutions
    assert set(convolutions) == {"HIGH"}


def test_bfloat16_leaves_its_own_products_and_no_others_as_they_are():
    (_, teacher), *_, (_, score) = programs(settings_of("mnist:ae", precision="bfloat16"))
    assert {kind for kind in teacher if kind[0] == "convolution"} == {("convolution", "DEFAULT")}
    assert ("dot_general", "HIGHEST") in teacher
    assert {precision for _, precision in score} == {"HIGHEST"}


def test_on_cpu_tf32_gives_the_bytes_of_float32(tmp_path):
    variables = [
        train(tiny_config("ae", precision=precision, **ONE_DEVICE), tmp_path / precision)
        for precision in ("float32", "tf32")
    ]
    assert_trees_close(*variables, atol=0)


def test_what_is_exported_says_float32():
    model = ConvAutoencoder(4, (4, 8))
    image = jax.ShapeDtypeStruct((2, 8, 8, 1), jnp.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), image)
    variables = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), variables)
    apply = in_training(model, "float32").apply
    exported = jax.export.export(jax.jit(lambda x: apply(variables, x)[0]), platforms=PLATFORMS)
    kinds = kinds_in(exported(image).mlir_module())
    assert kinds
    assert {precision for _, precision in kinds} == {"HIGHEST"}
