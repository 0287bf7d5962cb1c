"""A trained detector as files that need no adjax: a JAX export, a TensorFlow SavedModel, ONNX.

Each contains all of `Detector.detect`: scaling, networks with their variables, score, thresholds.
Convolutions are plain, and the batch may have any size.
"""

import hashlib
import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
from jax import export as jax_export

import adjax
from adjax import files, paths
from adjax.circumstances import versions
from adjax.config import identity
from adjax.detect.detector import Detector, load_detector
from adjax.errors import UserError

PLATFORMS = ("cpu", "cuda", "tpu")
OUTPUTS = {
    "anomaly_map": "float32 [B, S, S], higher is more anomalous",
    "image_score": "float32 [B], higher is more anomalous",
    "mask": "bool [B, S, S], where the map reaches pixel_threshold",
    "is_anomalous": "bool [B], whether the score reaches image_threshold",
}
_ONNX_NEEDS = ("onnx", "onnxruntime")
# How far another runtime's numbers may be from the detector's: so much, and so much of the largest.
_NEAR, _SHARE = 1e-5, 1e-3


def export(
    directory: str | Path,
    output: str | Path,
    member: int = 0,
    threshold: float | None = None,
    pixel_threshold: float | None = None,
    note: Callable[[str], None] = print,
) -> Path:
    """Write a folder with the detector of a finished run.

    It holds `detector.stablehlo` (from `jax.export`), `saved_model/`, `detector.onnx`,
    `detector.json` with what a user must know about them, and `README.md` with code that loads each
    of them. There is no `detector.onnx` where adjax is installed without its extra `export`, or if
    the method cannot be said in ONNX.

    Args:
      directory: the run's folder.
      output: the folder to write; it must not exist yet, and appears whole or not at all.
      member: index into `config.members`.
      threshold: of the image score, in place of the one that the run chose.
      pixel_threshold: of the anomaly map, likewise.
      note: is told why there is no `detector.onnx`, if there is none.

    Raises:
      UserError: if there is no detector, a threshold is no finite number, or `output` exists.

    """
    output = Path(output)
    if output.exists():
        raise UserError(f"--output={output} exists: an export goes into a new folder")
    if paths.is_pattern(output):
        raise UserError(
            f"--output={output}: TensorFlow cannot load a SavedModel from a path with * ? [ \\ or "
            "bytes that are no text in it: choose another folder"
        )
    detector = load_detector(directory, member, threshold, pixel_threshold)
    detector.require_thresholds()
    try:
        onnx = to_onnx(detector)
    except UserError as reason:
        onnx = None
        note(f"no detector.onnx: {reason}")

    def write(folder: Path) -> None:
        (folder / "detector.stablehlo").write_bytes(to_stablehlo(detector))
        with paths.plain(folder) as plain:
            write_saved_model(detector, plain / "saved_model")
        if onnx is not None:
            (folder / "detector.onnx").write_bytes(onnx)
        (folder / "README.md").write_text(_readme(detector, onnx is not None))
        facts = _facts(detector, member, onnx is not None) | {"sha256": _digests(folder)}
        (folder / "detector.json").write_text(json.dumps(facts, indent=1) + "\n")
        folder.chmod(0o755)  # it was created for its owner alone, but will be passed on

    try:
        files.write_folder(output, write)
    except OSError as error:
        if isinstance(error, FileExistsError | NotADirectoryError | PermissionError):
            raise UserError(f"cannot write to --output={output}: {error.strerror}") from error
        raise
    return output


def to_stablehlo(detector: Detector) -> bytes:
    """Serialise the detector with `jax.export`, for any batch size and for `PLATFORMS`."""
    shape = f"b, {detector.image_size}, {detector.image_size}, {detector.channels}"
    image = jax.ShapeDtypeStruct(jax_export.symbolic_shape(shape), np.uint8)
    exported = jax_export.export(jax.jit(detector.detect), platforms=PLATFORMS)(image)
    return bytes(exported.serialize())


def write_saved_model(detector: Detector, path: Path) -> None:
    """Write the detector as a SavedModel, signature `serving_default`: `image` to four outputs."""
    import tensorflow as tf
    from jax.experimental import jax2tf

    size, channels = detector.image_size, detector.channels
    shape = f"b, {size}, {size}, {channels}"
    detect = jax2tf.convert(
        detector.detect,
        polymorphic_shapes=[f"({shape})"],
        with_gradient=False,
        native_serialization_platforms=PLATFORMS,
    )
    spec = tf.TensorSpec((None, size, size, channels), tf.uint8, name="image")
    module = tf.Module()
    module.detect = tf.function(detect, autograph=False, input_signature=[spec])
    signature = module.detect.get_concrete_function()
    tf.saved_model.save(module, str(path), signatures={"serving_default": signature})


def to_onnx(detector: Detector) -> bytes:
    """Serialise the detector as an ONNX model, for any batch size; thresholds are inputs too.

    Raises:
      UserError: if what it takes is not installed, ONNX has no operators for the method, or
        onnxruntime finds other maps and scores than the detector.

    """
    missing = [name for name in _ONNX_NEEDS if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"it needs {' and '.join(missing)}: pip install 'adjax[export]'")
    from adjax.onnx.program import to_onnx

    size, channels = detector.image_size, detector.channels
    shape = jax_export.symbolic_shape(f"b, {size}, {size}, {channels}")
    image = jax.ShapeDtypeStruct(shape, np.uint8)
    try:
        model = to_onnx(detector.detect, image, detector.thresholds).SerializeToString()
    except NotImplementedError as reason:
        raise UserError(f"{detector.settings.method} needs {reason}") from reason
    _compare(detector, model)
    return model


def _compare(detector: Detector, model: bytes) -> None:
    """Run a model on random images; raise UserError if it finds what the detector does not."""
    import onnxruntime

    shape = 2, detector.image_size, detector.image_size, detector.channels
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it warns of inputs that have defaults
    names = ["anomaly_map", "image_score"]
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        results = session.run(names, {"image": image})
    except Exception as error:  # of many kinds, none of them public
        reason = str(error).partition("\n")[0]
        raise UserError(f"onnxruntime cannot run {detector.settings.method}: {reason}") from error
    live = jax.device_get(jax.jit(detector.detect)(image))
    for name, found in zip(names, results, strict=True):
        most = min(_NEAR, _SHARE * np.abs(live[name]).max())
        if not np.allclose(found, live[name], rtol=_NEAR, atol=most):
            raise UserError(
                f"onnxruntime's {name} of {detector.settings.method} differs by up to "
                f"{np.abs(found - live[name]).max():.1g} from the detector's"
            )


def _facts(detector: Detector, member: int, has_onnx: bool) -> dict:
    """Return the content of `detector.json`."""
    settings = detector.settings
    size, channels = detector.image_size, detector.channels
    return {
        "method": settings.method,
        "dataset": settings.data.name,
        "normal_class": settings.data.normal_class,
        "member": member,
        "config_hash": identity.config_hash(settings),
        "image_size": size,
        "channels": channels,
        "bits": detector.bits,
        "input": f"uint8 [B, {size}, {size}, {channels}], any B, photographs squeezed to a square",
        "outputs": OUTPUTS,
        "image_score": settings.image_score,
        "image_threshold": detector.image_threshold,
        "image_threshold_rule": detector.image_threshold_rule,
        "pixel_threshold": detector.pixel_threshold,
        "pixel_threshold_rule": detector.pixel_threshold_rule,
        "platforms": list(PLATFORMS),
        "onnx_inputs": _onnx_inputs(detector) if has_onnx else {},
        "versions": {"adjax": adjax.__version__}
        | versions(("jax", "jaxlib", "tensorflow", "numpy", "onnx")),
    }


def _onnx_inputs(detector: Detector) -> dict[str, str]:
    numbers = {
        name: f"float32 [], {float(value)} if it is not given"
        for name, value in detector.thresholds.items()
    }
    return {"image": "as input above", **numbers}


def _digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder, by relative path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


def _readme(detector: Detector, has_onnx: bool) -> str:
    mode, axis = ("L", "[None, ..., None]") if detector.channels == 1 else ("RGB", "[None]")
    template = (Path(__file__).parent / "export.md").read_text()
    if not has_onnx:
        template = re.sub(r"## ONNX\n.*?(?=## )", "", template, flags=re.DOTALL)
    bits = detector.bits
    range_ = f"that of their lowest {bits} bits" if bits else "their full range"
    values = {"SIZE": detector.image_size, "CHANNELS": detector.channels, "RANGE": range_}
    values |= {"MODE": mode, "AXIS": axis}
    values |= {f"PIN_{name}": _pin(name) for name in re.findall(r"\$PIN_(\w+)", template)}
    for name, value in values.items():
        template = template.replace(f"${name}", str(value))
    return template


def _pin(library: str) -> str:
    """Return what pip is asked for to have a library in the version that is here."""
    ((package, version),) = versions([library]).items()
    return f"{package}=={version}"
