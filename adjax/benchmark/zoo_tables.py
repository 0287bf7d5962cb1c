"""Tables of the networks of the zoo, a row a program, as `adjax.benchmark.page` shows them.

Rows are those of `adjax.benchmark.zoo`.
"""

import statistics

from adjax.reports.rendering import ABSENT, Table


def _speed(rows: list[dict]) -> Table:
    def cells(row):
        train, score = row["train"], row.get("score")
        return (
            _label(row),
            _number(train["images_per_second"]),
            _percent(train["spread"]),
            _number(train["flops_per_second"] / 1e9),
            _percent(train["peak_share"]),
            f"{train['compile_seconds']:.1f}",
            f"{row['in_loop']:.2f}",
            *(
                (ABSENT,) * 3
                if score is None
                else (
                    _number(score["images_per_second"]),
                    _percent(score["spread"]),
                    _percent(score["peak_share"]),
                )
            ),
            _number(row["input_images_per_second"]),
            _number(train["program_bytes"] / 1e6),
            _number(row["peak_bytes"] / 1e6),
        )

    matmul = sorted(row["matmul_flops_per_second"] / 1e9 for row in rows)
    idle = sorted(row["idle_bytes"] / 1e6 for row in rows)
    return Table(
        "Training and scoring",
        "network, precision, convolution",
        (
            ("train", ("images/s", "spread", "GFLOP/s", "of peak", "compile s", "in a loop")),
            ("score", ("images/s", "spread", "of peak")),
            ("input", ("images/s",)),
            ("memory", ("step MB", "process MB")),
        ),
        tuple(map(cells, rows)),
        notes=(
            f"Peak: a large float32 matrix product in the same minutes, {_range(matmul)} GFLOP/s.",
            "In a loop: a member's step inside `lax.map` over two, over a step on its own.",
            f"Process: its largest size; {_range(idle)} MB of that are its imports.",
        ),
    )


def _ssim(rows: list[dict]) -> Table:
    return Table(
        "What SSIM takes of a training step",
        "network, precision, convolution",
        (
            ("as commonly written", ("step ms", "SSIM")),
            ("now", ("step ms", "SSIM")),
        ),
        tuple(
            (
                _label(row),
                _milliseconds(row["windows_step_seconds"]),
                _percent(row["windows_ssim_share"]),
                _milliseconds(row["step_seconds"]),
                _percent(row["ssim_share"]),
            )
            for row in rows
        ),
        notes=(
            "Commonly: five depthwise convolutions by an 11 x 11 window; now: banded matrix "
            "products of four moments. The share is what the same step with squared error alone "
            "does not take.",
        ),
    )


def _load(rows: list[dict]) -> Table:
    return Table(
        "A training step beside a busy process",
        "network, convolution",
        tuple(
            (title, ("float32 ms", "bfloat16 ms", "gain"))
            for title in ("alone", "beside a process that keeps a core busy")
        ),
        tuple(
            (
                f"{row['case']}, {row['convolution']}",
                *(
                    cell
                    for when in ("alone", "loaded")
                    for cell in (
                        _milliseconds(row[when]["float32"]),
                        _milliseconds(row[when]["bfloat16"]),
                        f"{row[when]['gain']:.2f}",
                    )
                ),
            )
            for row in rows
        ),
        notes=("Gain: the time in float32 over that in bfloat16.",),
    )


def _model(rows: list[dict]) -> Table:
    """How well counted operations and one number, the share of the peak, say what was measured."""

    def cells(row):
        train = row["train"]
        per_image = train["flops_per_second"] / train["images_per_second"]
        others = [
            other["train"]["peak_share"]
            for other in rows
            if (other["precision"], other["convolution"]) == (row["precision"], row["convolution"])
            and other["case"] != row["case"]
        ]
        if not others:
            return _label(row), f"{per_image / 1e9:.3f}", ABSENT, ABSENT, ABSENT
        predicted = statistics.median(others) * row["matmul_flops_per_second"] / per_image
        return (
            _label(row),
            f"{per_image / 1e9:.3f}",
            _number(predicted),
            _number(train["images_per_second"]),
            f"{predicted / train['images_per_second']:.2f}",
        )

    return Table(
        "Training as the cost model says",
        "network, precision, convolution",
        (("", ("GFLOP an image",)), ("images/s", ("predicted", "measured", "ratio"))),
        tuple(map(cells, rows)),
        notes=(
            "Predicted: the operations of an image as counted, at the peak of the product times "
            "the share of it that the other networks reach (their median).",
        ),
    )


def _population(rows: list[dict]) -> Table:
    return Table(
        "Populations",
        "network, convolution, members, axis",
        (("train", ("images/s", "spread", "of one alone", "compile s")),),
        tuple(
            (
                f"{row['case']}, {row['convolution']}, {row['members']}, {row['axis']}",
                _number(row["images_per_second"]),
                _percent(row["spread"]),
                f"{row['of_one_alone']:.2f}",
                f"{row['compile_seconds']:.1f}",
            )
            for row in rows
        ),
        notes=tuple(
            f"Batch {size} a member." for size in sorted({row["batch_size"] for row in rows})
        ),
    )


def _pipeline(rows: list[dict]) -> Table:
    return Table(
        "The input pipeline",
        "of, images, members",
        (
            ("pipeline", ("images/s", "spread")),
            ("train", ("images/s",)),
            ("", ("pipeline over train",)),
        ),
        tuple(
            (
                f"{row['case']}, {row['images']}, {row['members']}",
                _number(row["images_per_second"]),
                _percent(row["spread"]),
                _number(row["train_images_per_second"]),
                _number(row["images_per_second"] / row["train_images_per_second"]),
            )
            for row in rows
        ),
        notes=(
            "A pipeline alone, drained as fast as it goes, in turns with the float32 training step "
            "of one member. Auxiliary and corrupted images are made beside normal ones; those of "
            "students count, too.",
        ),
    )


def _torch(rows: list[dict]) -> Table:
    def compared(comparison):
        if comparison is None:
            return (ABSENT,) * 4
        return (
            f"{comparison['ratio']:.2f}",
            _percent(comparison["spread"]),
            _milliseconds(comparison["adjax_seconds"]),
            _milliseconds(comparison["torch_seconds"]),
        )

    return Table(
        "PyTorch's time over adjax's",
        "network, precision, convolution",
        (
            ("train", ("ratio", "spread", "adjax ms", "torch ms", "usual SSIM")),
            ("score", ("ratio", "spread", "adjax ms", "torch ms")),
            ("process MB", ("adjax", "torch")),
        ),
        tuple(
            (
                _label(row),
                *compared(row["train"]),
                f"{row['usual_ssim']:.2f}",
                *compared(row.get("score")),
                _number(row["adjax_peak_bytes"] / 1e6),
                _number(row["torch_peak_bytes"] / 1e6),
            )
            for row in rows
        ),
        notes=(
            "1.0 is equal, more is faster than PyTorch. PyTorch's SSIM is by the same matrix "
            "products as ours; `usual SSIM` is the ratio if it is by separable depthwise "
            "convolutions, as commonly written.",
        ),
    )


TABLES_OF_ZOO = {
    "speed": _speed,
    "ssim": _ssim,
    "model": _model,
    "load": _load,
    "population": _population,
    "pipeline": _pipeline,
    "torch": _torch,
}


def _label(row: dict) -> str:
    return f"{row['case']}, {row['precision']}, {row['convolution']}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _percent(value: float) -> str:
    return f"{value:.0%}"


def _milliseconds(seconds: float) -> str:
    return _number(1e3 * seconds)


def _range(values: list[float]) -> str:
    first, last = f"{values[0]:.0f}", f"{values[-1]:.0f}"
    return first if first == last else f"{first} to {last}"
