"""What a folder holds that an undisturbed command would have left too, for comparison.

It runs in a process of its own, since checkpoints need JAX.
"""

import hashlib
import json
import re
import zipfile
from pathlib import Path
from typing import Any

# What a clock measures, where and when it was, and what names the bytes that hold it.
CIRCUMSTANCES = {
    *("images_per_second", "flops_per_second", "compile_seconds", "train_seconds"),
    *("input_wait_fraction", "train_images_per_second", "score_images_per_second"),
    *("date", "command", "chrono", "digest", "files", "owner", "cached", "stage_cache"),
}
# Pages and tables of data: they show times and dates.
_MADE = ("report.html", "index.html", "results.parquet", "results.csv")
_UNREAD = {"checkpoints", "tensorboard", ".lock", ".locks", ".damaged", ".training"}
_PLACE = "FOLDER"


def of_folder(folder: Path) -> dict[str, str]:
    """Return a digest of every file of a folder by relative path, circumstances left out.

    Checkpoints are there with the arrays of the latest step of a stage. Files that only their
    writer reads (locks, TensorBoard's, TFDS's unfinished ones) are left out; saved models and pages
    are only there.
    """
    content = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        parts = name.split("/")
        if _UNREAD & set(parts) or any(part.startswith("incomplete.") for part in parts):
            continue
        if "figures" in parts or "saved_model" in parts or path.name in _MADE:
            content[name] = "is there"
        elif parts[-2:-1] == [".stages"] or path.name == "digests.json":
            continue
        else:
            content[name] = _digest(_content(path, folder))
    for stage in sorted(folder.rglob("checkpoints/*")):
        content[stage.relative_to(folder).as_posix()] = _digest(_checkpoint(stage))
    return content


def write(folder: str, output: str) -> None:
    """Write the state of a folder to a JSON file."""
    Path(output).write_text(json.dumps(of_folder(Path(folder))))


def timeless(value: Any) -> Any:
    """Return a JSON value without circumstances, and without sections that say nothing."""
    if isinstance(value, dict):
        left = {k: timeless(v) for k, v in sorted(value.items()) if k not in CIRCUMSTANCES}
        return {k: v for k, v in left.items() if v != {}}
    return [timeless(v) for v in value] if isinstance(value, list) else value


def _content(path: Path, folder: Path) -> Any:
    if path.suffix in (".json", ".jsonl"):
        text = path.read_text().replace(str(folder), _PLACE)
        lines = text.splitlines() if path.suffix == ".jsonl" else [text]
        facts = [timeless(json.loads(line)) for line in lines]
        if path.name == "detector.json":
            facts[0].pop("sha256")  # of a saved model, whose bytes are never the same
        return json.dumps(facts).encode()
    if path.suffix == ".npz":
        with zipfile.ZipFile(path) as arrays:
            return b"".join(name.encode() + arrays.read(name) for name in sorted(arrays.namelist()))
    if path.suffix in (".csv", ".md"):
        return re.sub(r"\d{4}-\d\d-\d\d", "", path.read_text()).encode()
    return path.read_bytes()


def _checkpoint(stage: Path) -> bytes:
    """Return the step and all arrays of a stage's latest checkpoint, in whichever form it is."""
    import jax
    import numpy as np

    taken = stage / "members"
    step, tree = _taken(taken) if taken.exists() else _saved(stage)
    leaves = {
        tuple(str(getattr(key, "key", getattr(key, "idx", key))) for key in path): leaf
        for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]
    }
    parts = [
        f"{path} {leaf.dtype} {leaf.shape}".encode() + np.asarray(leaf).tobytes()
        for path, leaf in sorted(leaves.items())
    ]
    return str(step).encode() + b"".join(parts)


def _saved(stage: Path) -> tuple[int | None, Any]:
    """Return step and arrays of a checkpoint that training saved; None without one."""
    import orbax.checkpoint as ocp

    with ocp.CheckpointManager(stage.absolute()) as manager:
        step = manager.latest_step()
        if step is None:
            return None, {}
        args = ocp.args.Composite(tree=ocp.args.StandardRestore())
        return step, manager.restore(step, args=args).tree


def _taken(folder: Path) -> tuple[int, Any]:
    """Return step and arrays of a checkpoint that was taken from the stage cache."""
    import jax
    import numpy as np
    from flax import serialization

    step = json.loads((folder / "record.json").read_text())["record"]["step"]
    files = sorted(folder.glob("*.msgpack"), key=lambda path: int(path.stem))
    members = [serialization.msgpack_restore(path.read_bytes()) for path in files]
    return step, jax.tree.map(lambda *leaves: np.stack(leaves), *members)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def difference(state: dict[str, str], reference: dict[str, str]) -> str:
    """Return in words how a state differs from the undisturbed one; empty: not at all."""
    for name in sorted(reference.keys() | state.keys()):
        if name not in state:
            return f"{name} is missing"
        if name not in reference:
            return f"{name} should not be there"
        if state[name] != reference[name]:
            return f"{name} differs from the undisturbed one"
    return ""
