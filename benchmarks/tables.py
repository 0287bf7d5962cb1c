"""Tables of measured rows, as `page` shows them: each is made from the rows of one section.

A column consists of its heading, the name below that, a formatter, and the value's dotted key in a
row; a row without the value shows none.
"""

import itertools
import statistics
from collections.abc import Callable, Iterable

from adjax.reports.rendering import ABSENT, Table

Row = dict
Column = tuple[str, str, Callable[[float], str], str]


def tables(section: str, rows: list[Row]) -> dict[str, Table]:
    """Return the tables of a section by name."""
    return {name: make(rows) for name, make in SECTIONS[section].items()}


def _table(
    caption: str, labels: str, keys: str, columns: list[Column], rows: list[Row], *notes: str
) -> Table:
    """Make a table; `labels` heads its first column, which shows the values of `keys`."""
    groups = itertools.groupby(columns, lambda column: column[0])
    return Table(
        caption,
        labels,
        tuple((heading, tuple(name for _, name, _, _ in own)) for heading, own in groups),
        tuple(
            (
                ", ".join(str(row[key]) for key in keys.split()),
                *(_cell(row, show, key) for _, _, show, key in columns),
            )
            for row in rows
        ),
        notes=notes,
    )


def _cell(row: Row, show: Callable[[float], str], key: str) -> str:
    value = row
    for part in key.split("."):
        value = None if value is None else value.get(part)
    return ABSENT if value is None else show(value)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _ms(seconds: float) -> str:
    return _number(1e3 * seconds)


def _mega(value: float) -> str:
    return _number(value / 1e6)


def _giga(value: float) -> str:
    return _number(value / 1e9)


def _range(values: Iterable[float]) -> str:
    first, *_, last = map("{:.0f}".format, sorted([*values] * 2))
    return first if first == last else f"{first} to {last}"


_percent, _one, _two = "{:.0%}".format, "{:.1f}".format, "{:.2f}".format
_three, _four, _six = "{:.3f}".format, "{:.4f}".format, "{:.6f}".format
_NETWORK, _PROGRAM = "network, precision, convolution", "case precision convolution"


def _speed(rows: list[Row]) -> Table:
    matmul = _range(row["matmul_flops_per_second"] / 1e9 for row in rows)
    idle = _range(row["idle_bytes"] / 1e6 for row in rows)
    return _table(
        "Training and scoring",
        _NETWORK,
        _PROGRAM,
        [
            ("train", "images/s", _number, "train.images_per_second"),
            ("train", "spread", _percent, "train.spread"),
            ("train", "GFLOP/s", _giga, "train.flops_per_second"),
            ("train", "of peak", _percent, "train.peak_share"),
            ("train", "compile s", _one, "train.compile_seconds"),
            ("train", "in a loop", _two, "in_loop"),
            ("score", "images/s", _number, "score.images_per_second"),
            ("score", "spread", _percent, "score.spread"),
            ("score", "of peak", _percent, "score.peak_share"),
            ("input", "images/s", _number, "input_images_per_second"),
            ("memory", "step MB", _mega, "train.program_bytes"),
            ("memory", "process MB", _mega, "peak_bytes"),
        ],
        rows,
        f"Peak: a large float32 matrix product in the same minutes, {matmul} GFLOP/s.",
        "In a loop: a member's step inside `lax.map` over two, over a step on its own.",
        f"Process: its largest size; {idle} MB of that are its imports.",
    )


def _ssim(rows: list[Row]) -> Table:
    return _table(
        "What SSIM takes of a training step",
        _NETWORK,
        _PROGRAM,
        [
            ("as commonly written", "step ms", _ms, "windows_step_seconds"),
            ("as commonly written", "SSIM", _percent, "windows_ssim_share"),
            ("now", "step ms", _ms, "step_seconds"),
            ("now", "SSIM", _percent, "ssim_share"),
        ],
        rows,
        "Commonly: five depthwise convolutions by an 11 x 11 window; now: banded matrix products "
        "of four moments. The share is what the same step with squared error alone does not take.",
    )


def _load(rows: list[Row]) -> Table:
    beside = "beside a process that keeps a core busy"
    return _table(
        "A training step beside a busy process",
        "network, convolution",
        "case convolution",
        [
            (title, name, show, f"{when}.{key}")
            for title, when in (("alone", "alone"), (beside, "loaded"))
            for name, show, key in (
                ("float32 ms", _ms, "float32"),
                ("bfloat16 ms", _ms, "bfloat16"),
                ("gain", _two, "gain"),
            )
        ],
        rows,
        "Gain: the time in float32 over that in bfloat16.",
    )


def _model(rows: list[Row]) -> Table:
    """Show how well counted operations and one number, the share of the peak, predict speed."""
    return _table(
        "Training as the cost model says",
        _NETWORK,
        _PROGRAM,
        [
            ("", "GFLOP an image", _three, "gflop"),
            ("images/s", "predicted", _number, "predicted"),
            ("images/s", "measured", _number, "measured"),
            ("images/s", "ratio", _two, "ratio"),
        ],
        [row | _predicted(row, rows) for row in rows],
        "Predicted: the operations of an image as counted, at the peak of the product times the "
        "share of it that the other networks reach (their median).",
    )


def _predicted(row: Row, rows: list[Row]) -> dict[str, float]:
    measured = row["train"]["images_per_second"]
    per_image = row["train"]["flops_per_second"] / measured
    keys = ("precision", "convolution")
    alike = [other for other in rows if all(other[key] == row[key] for key in keys)]
    shares = [o["train"]["peak_share"] for o in alike if o["case"] != row["case"]]
    if not shares:
        return {"gflop": per_image / 1e9}
    predicted = statistics.median(shares) * row["matmul_flops_per_second"] / per_image
    ratio = predicted / measured
    return {"gflop": per_image / 1e9, "predicted": predicted, "measured": measured, "ratio": ratio}


def _population(rows: list[Row]) -> Table:
    return _table(
        "Populations",
        "network, convolution, members, axis",
        "case convolution members axis",
        [
            ("train", "images/s", _number, "images_per_second"),
            ("train", "spread", _percent, "spread"),
            ("train", "of one alone", _two, "of_one_alone"),
            ("train", "compile s", _one, "compile_seconds"),
        ],
        rows,
        *(f"Batch {size} a member." for size in sorted({row["batch_size"] for row in rows})),
    )


def _pipeline(rows: list[Row]) -> Table:
    def ratio(row: Row) -> float:
        return row["images_per_second"] / row["train_images_per_second"]

    return _table(
        "The input pipeline",
        "network, images, members",
        "case images members",
        [
            ("pipeline", "images/s", _number, "images_per_second"),
            ("pipeline", "spread", _percent, "spread"),
            ("train", "images/s", _number, "train_images_per_second"),
            ("", "pipeline over train", _number, "ratio"),
        ],
        [row | {"ratio": ratio(row)} for row in rows],
        "A pipeline alone, drained as fast as it goes, in turns with the float32 training step of "
        "one member. Auxiliary and corrupted images are made beside normal ones; those of students "
        "count, too.",
    )


def _compared(program: str, unit: str, show, rival: str, key: str) -> list[Column]:
    """Return the columns for the values that `measuring.compare` returns for a program."""
    return [
        (program, "ratio", _two, f"{program}.ratio"),
        (program, "spread", _percent, f"{program}.spread"),
        (program, f"adjax {unit}", show, f"{program}.adjax_seconds"),
        (program, f"{rival} {unit}", show, f"{program}.{key}_seconds"),
    ]


def _torch(rows: list[Row]) -> Table:
    return _table(
        "PyTorch's time over adjax's",
        _NETWORK,
        _PROGRAM,
        [
            *_compared("train", "ms", _ms, "torch", "torch"),
            ("train", "usual SSIM", _two, "usual_ssim"),
            *_compared("score", "ms", _ms, "torch", "torch"),
            ("process MB", "adjax", _mega, "adjax_peak_bytes"),
            ("process MB", "torch", _mega, "torch_peak_bytes"),
        ],
        rows,
        "1.0 is equal, more is faster than PyTorch. PyTorch's SSIM is by the same matrix products "
        "as ours; `usual SSIM` is the ratio if it is by separable depthwise convolutions, as "
        "commonly written.",
    )


_DEEP_SVDD = (
    "Deep SVDD of PyOD has dense layers, and no pre-training, which is in adjax's time; it trains "
    "for as many epochs as adjax's last stage."
)


def _pyod(rows: list[Row]) -> Table:
    sizes = sorted({(row["trained_on"], row["scored"], row["seed"]) for row in rows})
    return _table(
        "PyOD's detectors beside adjax's",
        "method, data set and class",
        "case",
        [
            ("image AUROC", "adjax", _four, "auroc.adjax"),
            ("image AUROC", "PyOD", _four, "auroc.pyod"),
            *_compared("train", "s", _two, "PyOD", "pyod"),
            ("train", "features s", _two, "feature_seconds"),
            *_compared("score", "s", _two, "PyOD", "pyod"),
        ],
        rows,
        "Ratios are PyOD's time over adjax's, both from images on: making the features is in "
        "either. PyOD's training ends with scores of the training images, which it needs.",
        *(f"{n:,} training images, {m:,} scored, seed {seed}." for n, m, seed in sizes),
        *(_DEEP_SVDD for row in rows if row["case"].startswith("deep_svdd")),
    )


def _metrics(rows: list[Row]) -> Table:
    maps, size = rows[0]["maps"], rows[0]["size"]
    memory = [(row["case"], row["memory"]) for row in rows if row["memory"] is not None]
    return _table(
        f"Metrics of {maps} maps of {size} x {size} px",
        "by",
        "case",
        [
            ("", "computes", str, "computes"),
            ("time", "s", _three, "seconds"),
            ("time", "spread", _percent, "spread"),
            ("time", "over adjax's", _one, "times"),
            ("value", "AUROC", _six, "pixel_auroc"),
            ("value", "AUPRO", _six, "aupro"),
        ],
        rows,
        *(f"{n}'s peak of memory, without the maps: {m:.1f} times theirs." for n, m in memory),
    )


def _search(rows: list[Row]) -> Table:
    return _table(
        f"AnoGAN's search, {rows[0]['steps']} steps",
        "by",
        "case",
        [
            ("", "images", "{:,}".format, "searched"),
            ("", "images/s", _one, "images_per_second"),
            ("", "spread", _percent, "spread"),
            ("", "slower than the first", _two, "times"),
            ("loss", "largest difference", "{:.0e}".format, "difference"),
        ],
        rows,
        "The difference is relative, from the loss that the first reaches for the image.",
    )


def _speedrun(rows: list[Row]) -> Table:
    return _table(
        "Time to published AUROC on MNIST, ten digits",
        "recipe, by",
        "case",
        [
            ("", "teacher, student", str, "recipe"),
            ("cold start to the tables", "s", _number, "seconds"),
            ("cold start to the tables", "±", _one, "seconds_spread"),
            ("mean AUROC", "mean", _four, "auroc"),
            ("mean AUROC", "±", _four, "auroc_spread"),
            ("reached", "target", _three, "target"),
            ("reached", "runs", str, "reached"),
            ("reached", "of", str, "runs"),
        ],
        rows,
        "Steps x batch, by the fast student of OE-SDN and the image score `margin`; ± is the "
        "sample standard deviation over runs, whose seeds differ. PyTorch makes no tables.",
    )


def _sweeps(rows: list[Row]) -> Table:
    return _table(
        "A sweep beside its training",
        "what",
        "case",
        [
            ("", "runs", "{:,}".format, "runs"),
            ("processor", "s", _two, "seconds"),
            ("processor", "ms a run", _two, "milliseconds_per_run"),
            ("", "files a run", _one, "files"),
        ],
        [row | {"milliseconds_per_run": 1e3 * row["seconds_per_run"]} for row in rows],
        "Seconds are those of all threads; files are those of the stage cache too.",
    )


def _calls(rows: list[Row]) -> Table:
    return _table(
        "Steps by input and steps a call",
        "training, input",
        "case images",
        [
            ("step", "ms", _ms, "seconds"),
            ("step", "spread", _percent, "spread"),
            ("", "times as fast as by tfdata", _two, "faster"),
        ],
        rows,
        "Seconds of the loop with its log; ratios are taken within each turn.",
    )


# Every section of rows, and the tables made from its rows.
SECTIONS: dict[str, dict[str, Callable[[list[Row]], Table]]] = {
    "speed": {"speed": _speed, "ssim": _ssim, "model": _model},
    "load": {"load": _load},
    "population": {"population": _population},
    "pipeline": {"pipeline": _pipeline},
    "torch": {"torch": _torch},
    "pyod": {"pyod": _pyod},
    "metrics": {"metrics": _metrics},
    "search": {"search": _search},
    "speedrun": {"speedrun": _speedrun},
    "sweeps": {"sweeps": _sweeps},
    "calls": {"calls": _calls},
}
NAMES = tuple(name for makers in SECTIONS.values() for name in makers)
