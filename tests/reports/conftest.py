"""A finished run, made of small generated arrays: the files that reports read."""

import json

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from adjax.config.adopt import about
from adjax.config.identity import as_json
from adjax.config.layout import check, new_config
from adjax.reports.contact_sheet import write_contact_sheet
from adjax.reports.prediction_table import TableWriter
from adjax.reports.small_maps import SmallMaps, shrunk

TEST_IMAGES = 60


@pytest.fixture
def write_workdir(tmp_path):
    """A function that writes the files of a run below `tmp_path` and returns its workdir."""

    def write(
        name="run",
        method="oe_sdn",
        members=((3, 0),),
        channels=1,
        config=(),
        dataset="mnist",
        **results,
    ):
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
        config = make_config(method, dataset, dict(config))
        (workdir / "config.json").write_text(json.dumps(as_json(config)))
        results = {"dataset": dataset, "about": about(check(config)), **results}
        _write_results(workdir, method, members, anomalous, scores, stages, results)
        _write_metrics(workdir, stages, len(members))
        _write_examples(workdir, label, anomalous, scores, names, channels)
        return workdir

    return write


def make_config(method="oe_sdn", dataset="mnist", changes=()):
    """The config of a run of 1,200 and 800 steps, where it has these stages, and changes."""
    config = new_config(dataset, method)
    config.stage_cache = "<b>"
    for stage, steps in {"teacher": 1200, "student": 800}.items():
        if stage in config:
            config[stage].steps = steps
    config.update_from_flattened_dict(dict(changes))
    return config


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
        **{"method": method, "config_hash": "ab12cd34", "image_score": "d"},
        "members": entries,
        "stages": [{"name": name, **stage, "input_wait_fraction": 0.01} for name in stages],
        "throughput": {"train_images_per_second": 3300.0, "compile_seconds": 6.4},
        "versions": {"adjax": "0.1.0", "jax": "0.7.1"},
        "hardware": {"platform": "cpu", "device_kind": "cpu", "devices": 1, "cores": 2},
        "date": "2026-11-22T06:00:00",
        **changes,
    }
    (workdir / "results.json").write_text(json.dumps(results))


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


@pytest.fixture
def write_industrial(write_workdir):
    """A function that writes a run of industrial images; 6 of its 60 test images are normal.

    `values` are metrics of every member, or of those of a category: `{"bottle": {...}}`.
    """

    def write(name, method="aesc_residual", members=(("toothbrush", 0),), values=(), **options):
        dataset, known = options.pop("dataset", "mvtec_ad"), options.pop("known", MVTEC_AD)
        masks, tested = options.pop("masks", True), options.pop("tested", True)
        labels = [(0, place) for place in range(len(members))]
        workdir = write_workdir(name, method, labels, dataset=dataset, image_score="d", **options)
        results = json.loads((workdir / "results.json").read_text())
        results["members"] = [
            _industrial_member(category, seed, known, masks, tested, dict(values))
            for category, seed in members
        ]
        results["stages"] = [{**results["stages"][0], "name": "autoencoder"}]
        (workdir / "results.json").write_text(json.dumps(results))
        _make_industrial(workdir, len(members), masks, tested)
        return workdir

    return write


MVTEC_AD = (
    *("carpet", "grid", "leather", "tile", "wood"),
    *("bottle", "cable", "capsule", "hazelnut", "metal_nut"),
    *("pill", "screw", "toothbrush", "transistor", "zipper"),
)


def _industrial_member(category, seed, known, masks, tested, values):
    number = known.index(category) if category in known else len(known)
    rules = {"quantile": 0.3, "k_sigma": 0.5, "minimum_area": 0.35}
    member = {"normal_class": number, "class_name": category, "seed": seed}
    of_images = {"rule": "quantile 0.95", "threshold": 0.05, "false_positive_rate": 0.25}
    member["thresholds"] = [{"rule": rule, "threshold": value} for rule, value in rules.items()]
    if tested:
        of_images["true_positive_rate"] = 0.75
        member["image_auroc"] = 0.9
    if tested and masks:
        pixels = {"pixel_auroc": 0.85, "pixel_ap": 0.5, "aupro": 0.6, "f1": 0.55, "f1_oracle": 0.65}
        rates = {"f1": 0.55, "precision": 0.5, "recall": 0.6, "flagged_normal": 0.0123}
        member["thresholds"].append({"rule": "oracle_best_f1", "threshold": 0.4})
        member["thresholds"] = [rule | rates for rule in member["thresholds"]]
        around = {"low": 0.25, "high": 0.5, "low_quantile": 0.9, "high_quantile": 0.95}
        member |= pixels | {"stability": around | {"ratio": 2.0, "width": 0.05}}
    member["image_threshold"] = of_images
    own = values.get(category, values)
    return member | {key: value for key, value in own.items() if not isinstance(value, dict)}


def _make_industrial(workdir, members, masks, tested):
    """Label 0 is normal for all members, and examples have kinds and masks."""
    arrays = {name: dict(np.load(workdir / f"{name}.npz")) for name in ("scores", "examples")}
    scores, examples = arrays["scores"], arrays["examples"]
    kinds = np.array(["good", *(f"kind_{number}" for number in range(1, 9)), "contamination"])
    examples["class_name"] = kinds[examples["class_label"]]
    if tested and masks:
        examples["mask"] = examples["anomaly_map"] > examples["anomaly_map"].mean()
        threshold = np.linspace(0.1, 0.9, 20)
        curve = {"threshold": threshold, "f1": 0.65 - (threshold - 0.4) ** 2}
        scores |= {f"f1_curve/{key}": np.stack([v] * members) for key, v in curve.items()}
    if not tested:
        normal, shown = scores["label"] == 0, ~examples["anomalous"][0]
        scores["image_score/d"] = scores["image_score/d"][:, normal]
        scores["label"] = scores["label"][normal]
        arrays["examples"] = {name: array[:, shown] for name, array in examples.items()}
    for name, values in arrays.items():
        np.savez(workdir / f"{name}.npz", **values)


@pytest.fixture
def write_sheet(tmp_path):
    """A function that writes a contact sheet of made photographs: returns its first page.

    Scores fall from 0.9; the image threshold lies between the third and the fourth.
    """

    def write(images=8, unread=1, by_hand=False, command="python launch.py --mode=predict"):
        folder = tmp_path / "found"
        (folder / "thumbnails").mkdir(parents=True)
        generator = np.random.default_rng(0)
        rows, maps = [], SmallMaps(folder, 32)
        for number in range(images):
            score = 0.9 - 0.8 * number / images
            anomaly_map = _made_map(generator, score)
            _made_photograph(anomaly_map).save(folder / "thumbnails" / f"{number}.jpg")
            rows.append(_sheet_row(number, score, anomaly_map, images, by_hand))
            maps.append(shrunk(anomaly_map))
        for number in range(unread):
            rows.append({"path": f"cut {number}.png", "error": f"cut {number}.png: <cut short>"})
            maps.append(None)
        with TableWriter(folder / "predictions.csv") as table:
            table.write(rows)
        with maps:
            return write_contact_sheet(folder, {"Photographs": "new"}, maps, command)

    return write


def _made_map(generator, score):
    """An anomaly map `[64, 64]`: noise, and a blot that is the stronger, the higher the score."""
    x, y = generator.uniform(12, 52, 2)
    rows, columns = np.mgrid[:64, :64]
    blot = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 60)
    return (0.06 * generator.gamma(4, 0.25, (64, 64)) + 0.7 * score**2 * blot).astype(np.float32)


def _made_photograph(anomaly_map):
    """Stripes with a dark spot where the map is high."""
    stripes = 150 + 50 * np.sin(np.arange(64) / 3)[None]
    pixels = stripes - 140 * np.clip(anomaly_map - 0.1, 0, 1)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).resize((192, 192))


def _sheet_row(number, score, anomaly_map, images, by_hand):
    is_anomalous = score >= np.float32(0.9 - 0.8 * 2.5 / images)
    marked = int((anomaly_map >= 0.3).sum()) if is_anomalous else 0
    rules = ("given by hand",) * 2 if by_hand else ("quantile 0.95", "k_sigma")
    return {
        "path": f"photo {number}.png",
        "image_score": float(str(np.float32(score))),
        "threshold": float(str(np.float32(0.9 - 0.8 * 2.5 / images))),
        "threshold_rule": rules[0],
        "pixel_threshold": 0.3,
        "pixel_threshold_rule": rules[1],
        "decision": "anomalous" if is_anomalous else "normal",
        "defect_pixels": marked,
        "defect_area_percent": round(100 * marked / 64**2, 4),
        "number_of_regions": min(marked, 1),
        "largest_region_pixels": marked,
        "heatmap": f"heatmaps/{number}.png",
        "mask": f"masks/{number}.png",
    }
