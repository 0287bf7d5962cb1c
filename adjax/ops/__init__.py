"""Array primitives that every network shares."""

from adjax.ops.attention import attention
from adjax.ops.backend import CONVOLUTIONS, convolution_backend, for_cpu, native_library, traced_for
from adjax.ops.compiler import compiler_options
from adjax.ops.convolution import Conv, ConvTranspose, conv, conv_of_upsampled, conv_transpose
from adjax.ops.depthwise import depthwise
from adjax.ops.flops import count_flops
from adjax.ops.gaussian import gaussian_filter
from adjax.ops.normalization import BatchNorm
from adjax.ops.precision import products_in
from adjax.ops.resampling import (
    depth_to_space,
    max_pool,
    space_to_depth,
    upsample_bilinear,
    upsample_nearest,
)
from adjax.ops.windows import window_starts

__all__ = [
    "CONVOLUTIONS",
    "BatchNorm",
    "Conv",
    "ConvTranspose",
    "attention",
    "compiler_options",
    "conv",
    "conv_of_upsampled",
    "conv_transpose",
    "convolution_backend",
    "count_flops",
    "depth_to_space",
    "depthwise",
    "for_cpu",
    "gaussian_filter",
    "max_pool",
    "native_library",
    "products_in",
    "space_to_depth",
    "traced_for",
    "upsample_bilinear",
    "upsample_nearest",
    "window_starts",
]
