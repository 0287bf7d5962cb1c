"""A finished run, made of small generated arrays: the files that reports read."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

TEST_IMAGES = 60


@pytest.fixture
def write_workdir(tmp_path):
    """A function that writes the files of a run below `tmp_path` and returns its workdir."""

    def write(name="run", method="oe_sdn", members=((3, 0),), channels=1, config=(), **results):
        workdir = tmp_path / name
        workdir.mkdir(parents=True)
        generator = np.random.default_rng(len(name) + len(members))
        names = ["AE"] if method == "ae" else ["AE", "student"]
        stages = ["teacher"] if method == "ae" else ["teacher", "student"]
        label = np.arange(TEST_IMAGES) % 10
        normal_class = np.array([member[0] for member in members])
        anomalous = label[None] != normal_class[:, None]
        scores = (generator.gamma(4, 0.01, anomalous.shape) + 0.03 * anomalous).astype(np.float32)
        np.savez(
            workdir / "scores.npz",
            **{"label": label, "normal_class": normal_class, "image_score/d": scores},
        )
        _write_results(workdir, method, members, anomalous, scores, stages, results)
        _write_config(workdir, method, dict(config))
        _write_metrics(workdir, stages, len(members))
        _write_examples(workdir, label, anomalous, scores, names, channels)
        return workdir

    return write


def _write_results(workdir, method, members, anomalous, scores, stages, changes):
    entries = [
        {
            **{"normal_class": normal_class, "class_name": str(normal_class), "seed": seed},
            "image_auroc": float(roc_auc_score(anomalous[p], scores[p])),
        }
        for p, (normal_class, seed) in enumerate(members)
    ]
    stage = {"steps": 1200, "parameters": 300_000, "compile_seconds": 3.2, "train_seconds": 45.1}
    stage |= {"images_per_second": 3400.0, "flops_per_step": 2.3e9, "flops_per_second": 6.1e10}
    results = {
        **{"method": method, "dataset": "mnist", "config_hash": "ab12cd34", "image_score": "d"},
        "members": entries,
        "stages": [{"name": name, **stage, "input_wait_fraction": 0.01} for name in stages],
        "throughput": {"train_images_per_second": 3300.0, "compile_seconds": 6.4},
        "versions": {"adjax": "0.1.0", "jax": "0.7.1"},
        "hardware": {"platform": "cpu", "device_kind": "cpu", "devices": 1, "cores": 2},
        "date": "2026-11-22T06:00:00",
        **changes,
    }
    (workdir / "results.json").write_text(json.dumps(results))


def _write_config(workdir, method, changes):
    config = {
        "method": method,
        "note": "<b>",
        "precision": "float32",
        "teacher.steps": 1200,
        "student.steps": 800,
        "student.auxiliary": "rotation",
        **changes,
    }
    nested = {}
    for key, value in config.items():
        *sections, name = key.split(".")
        section = nested
        for each in sections:
            section = section.setdefault(each, {})
        section[name] = value
    (workdir / "config.json").write_text(json.dumps(nested))


def _write_metrics(workdir, stages, members):
    lines = []
    for stage in stages:
        for step in range(50, 401, 50):
            loss = 0.02 + float(np.exp(-step / 100))
            lines.append({"stage": stage, "step": step, "loss": [loss] * members})
            if step % 200 == 0:
                lines.append({"stage": stage, "step": step, "validation_loss": [loss] * members})
    (workdir / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _write_examples(workdir, label, anomalous, scores, names, channels):
    """The first 30 test images: three normal ones and 27 anomalous ones, mixed."""
    members, count = len(anomalous), 30
    ramp = np.linspace(0, 1, 12, dtype=np.float32)
    image = np.broadcast_to(ramp[:, None, None], (members, count, 12, 12, channels))
    np.savez(
        workdir / "examples.npz",
        image=image,
        anomaly_map=image[..., 0] * scores[:, :count, None, None],
        anomalous=anomalous[:, :count],
        class_label=np.broadcast_to(label[:count], (members, count)),
        image_score=scores[:, :count],
        **{f"reconstruction/{name}": 0.5 * image for name in names},
    )
