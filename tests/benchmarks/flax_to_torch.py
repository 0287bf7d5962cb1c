"""Variables of a Flax network in its PyTorch twin."""

import re

import numpy as np
import torch


def carry(variables, network, names):
    """Fill `network` from Flax `variables`.

    names: Flax path -> name of the module, for all layers with parameters.
    """
    statistics = variables.get("batch_stats", {})
    filled = set()
    for path, name in names.items():
        module = network.get_submodule(name)
        layer = variables["params"]
        for part in path.split("/"):
            layer = layer[part]
        values = {"bias": layer.get("bias")}
        if "scale" in layer:
            values |= {"weight": layer["scale"]}
            mean, var = (statistics[path][key] for key in ("mean", "var"))
            values |= {"running_mean": mean, "running_var": var}
        elif layer["kernel"].ndim == 4:
            # HWIO -> OIHW; that of a transposed layer is its convolution's in both.
            values |= {"weight": np.transpose(layer["kernel"], (3, 2, 0, 1))}
        else:
            values |= {"weight": np.transpose(layer["kernel"])}
        for key, value in values.items():
            if value is not None:
                target = getattr(module, key)
                with torch.no_grad():
                    target.copy_(torch.from_numpy(np.array(value)))
                filled.add(f"{name}.{key}")
    expected = {k for k in network.state_dict() if not k.endswith("num_batches_tracked")}
    assert filled == expected


def ssim_autoencoder_names(network):
    """In the order of calls."""
    names = [f"Conv_{i}" for i in range(9)] + [f"ConvTranspose_{i}" for i in range(9)]
    return dict(zip(names, _layers(network), strict=True))


def conv_autoencoder_names(network):
    """In the order of calls: three blocks, the code and back, three blocks, the image."""
    blocks = [(f"Conv_{i}", f"BatchNorm_{i}") for i in range(6)]
    before, after = sum(blocks[:3], ()), sum(blocks[3:], ())
    names = (*before, "code", "Dense_0", *after, "image")
    return dict(zip(names, _layers(network), strict=True))


def reorder_code(variables, small):
    """The dense layers of a `ConvAutoencoder` for flattened CHW instead of HWC."""
    params = dict(variables["params"])
    code, back = params["code"], params["Dense_0"]
    size, length = code["kernel"].shape
    shape = (small, small, size // small**2)
    kernel = code["kernel"].reshape(*shape, length).transpose(2, 0, 1, 3).reshape(size, length)
    params["code"] = {**code, "kernel": kernel}
    params["Dense_0"] = {
        "kernel": back["kernel"].reshape(length, *shape).transpose(0, 3, 1, 2).reshape(length, -1),
        "bias": back["bias"].reshape(shape).transpose(2, 0, 1).reshape(-1),
    }
    return {**variables, "params": params}


def rnan_names(network):
    """By name: Flax numbers the layers of a nested call from the outside in, as the twin does."""
    names = {"head": "head", "body.1": "body", "tail": "tail"}
    groups = {"body.0": "group_0", "body.2": "group_1"}
    inside = {
        "down": "Conv_0",
        "mask": "Conv_1",
        "out": "Conv_2",
        "up": "ConvTranspose_0",
        **{
            f"attend.{name}": f"NonLocalBlock_0/{name}" for name in ("query", "key", "value", "out")
        },
    }
    paths = {}
    for name in _layers(network):
        if name in names:
            paths[names[name]] = name
            continue
        group = next(prefix for prefix in groups if name.startswith(f"{prefix}."))
        rest = name.removeprefix(f"{group}.")
        residual = re.fullmatch(r"residual\.(\d)\.layers\.(\d)", rest)
        flax = (
            f"ResidualBlock_{residual[1]}/Conv_{int(residual[2]) // 2}"
            if residual
            else inside[rest]
        )
        paths[f"{groups[group]}/{flax}"] = name
    return paths


def resnet_names(network):
    """By name; a block's layers are numbered among its activations."""
    names = {"head": "head", "tail": "tail"}
    for number in range(len(network.blocks)):
        for layer in (0, 1):
            name = f"blocks.{number}.layers.{2 * layer + 1}"
            names[f"block_{number}/Conv_{layer}"] = name
    return names


def reorder_pixels(variables, channels):
    """The outer layers of a `HalfResolutionResNet` for channels before the pixels of a position."""
    order = np.arange(4 * channels).reshape(4, channels).T.reshape(-1)
    params = dict(variables["params"])
    head, tail = params["head"], params["tail"]
    params["head"] = {**head, "kernel": head["kernel"][:, :, order]}
    params["tail"] = {"kernel": tail["kernel"][..., order], "bias": tail["bias"][order]}
    return {**variables, "params": params}


def _layers(network):
    return [name for name, module in network.named_modules() if hasattr(module, "weight")]
