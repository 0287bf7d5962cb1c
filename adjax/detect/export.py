"""A trained detector as files that need no adjax: a JAX export and a TensorFlow SavedModel.

Both contain all of `Detector.detect`: scaling, networks with their variables, score and thresholds.
Convolutions are plain XLA, and the batch may have any size.
"""

import hashlib
import json
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


def export(directory: str | Path, output: str | Path, member: int = 0) -> Path:
    """Write a folder with the detector of a finished run.

    It holds `detector.stablehlo` (from `jax.export`), `saved_model/`, `detector.json` with what a
    user must know about them, and `README.md` with code that loads either.

    Args:
      directory: the run's folder.
      output: the folder to write; it must not exist yet, and appears whole or not at all.
      member: index into `config.members`.

    Raises:
      UserError: if there is no detector, or `output` exists.

    """
    output = Path(output)
    if output.exists():
        raise UserError(f"--output={output} exists: an export goes into a new folder")
    if paths.is_pattern(output):
        raise UserError(
            f"--output={output}: TensorFlow cannot load a SavedModel from a path with * ? [ \\ or "
            "bytes that are no text in it: choose another folder"
        )
    detector = load_detector(directory, member)
    detector.require_thresholds()

    def write(folder: Path) -> None:
        (folder / "detector.stablehlo").write_bytes(to_stablehlo(detector))
        with paths.plain(folder) as plain:
            write_saved_model(detector, plain / "saved_model")
        (folder / "README.md").write_text(_readme(detector))
        facts = _facts(detector, member) | {"sha256": _digests(folder)}
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


def _facts(detector: Detector, member: int) -> dict:
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
        "bits": settings.data.bits,
        "input": f"uint8 [B, {size}, {size}, {channels}], any B, photographs squeezed to a square",
        "outputs": OUTPUTS,
        "image_score": settings.image_score,
        "image_threshold": detector.image_threshold,
        "pixel_threshold": detector.pixel_threshold,
        "pixel_threshold_rule": settings.threshold.rule,
        "platforms": list(PLATFORMS),
        "versions": {"adjax": adjax.__version__}
        | versions(("jax", "jaxlib", "tensorflow", "numpy")),
    }


def _digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file in a folder, by relative path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


def _readme(detector: Detector) -> str:
    mode, axis = ("L", "[None, ..., None]") if detector.channels == 1 else ("RGB", "[None]")
    template = (Path(__file__).parent / "export.md").read_text()
    bits = detector.settings.data.bits
    range_ = f"that of their lowest {bits} bits" if bits else "their full range"
    values = {"SIZE": detector.image_size, "CHANNELS": detector.channels, "RANGE": range_}
    for name, value in {**values, "MODE": mode, "AXIS": axis}.items():
        template = template.replace(f"${name}", str(value))
    return template
