"""Some minutes on a GPU or TPU: whether it gives what a CPU gives, and how fast it trains.

    python -m tools.accelerator --output=accelerator.json       # at most eight minutes, no network
    python -m tools.accelerator --page=docs/performance.md --output=accelerator.json   # no device

The first one prints tables and writes their numbers, the second one puts them into a page. Neither
TensorFlow nor a data set is needed. What a CPU gives is in `accelerator.json` beside this file;
`--reference` makes it anew, on a CPU. `--quick` is a rehearsal with the smallest of everything.
"""

import argparse
import importlib.util
import itertools
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import numpy as np

from adjax.circumstances import circumstances
from adjax.errors import UserError, first_line
from adjax.reports.rendering import ABSENT, Table, to_markdown, to_text
from adjax.reports.results_page import fill, require_places
from benchmarks.cases import choose
from benchmarks.on_device import DEVICE, HOST, NETWORKS, SCAN, Form, Network, Training

REFERENCE = Path(__file__).with_suffix(".json")
STEPS, MEMBERS = 5, 2  # of what is compared
LIMIT = 1e-4  # relative, of the first loss; those after it and scores may drift
DRIFT = 3e-2
PRECISIONS = ("float32", "tf32", "bfloat16")
POPULATIONS = (1, 32, 8, 128)  # those that say most come first
_KIND, _NAME = "measured", "accelerator"
_QUICK = (NETWORKS[0], NETWORKS[2])


def main(arguments: Sequence[str]) -> int:
    """Do what the flags ask for; return 1 if something is not what it should be."""
    flags = _parse(arguments)
    if flags.page:
        return _write_page(flags.page, Path(flags.output))
    if flags.reference:
        REFERENCE.write_text(json.dumps({n.name: given(n) for n in NETWORKS}, indent=1) + "\n")
        return 0
    deadline = time.monotonic() + 60 * flags.minutes
    networks = _QUICK if flags.quick else NETWORKS
    command = "python -m tools.accelerator" + "".join(f" {a}" for a in arguments)
    result = {"command": command, **circumstances(), "device": jax.devices()[0].device_kind}
    result["correctness"] = list(correctness(networks))
    result["peak"] = {p: peak_flops(p, 512 if flags.quick else 8192) for p in PRECISIONS}
    result |= {"speed": [], "torch": []}
    torch_at = deadline - (0.25 * 60 * flags.minutes if _has_torch() else 0)
    for key, rows in (
        ("speed", speed(networks, torch_at, flags.quick, result["peak"])),
        ("torch", beside(networks, deadline, flags.quick)),
    ):
        for row in rows:
            result[key].append(row)
            Path(flags.output).write_text(json.dumps(result, indent=1) + "\n")
    for table in tables(result):
        print(to_text(table, 120))
    print(f"numbers: {flags.output}")
    return int(any(not row["right"] for row in result["correctness"]))


def given(network: Network, axis: str = "map") -> dict[str, list]:
    """Return what some steps of a network give: losses `[STEPS, P]`, then scores `[P, 8]`."""
    training = Training(network, Form(MEMBERS, axis=axis))
    losses = np.asarray(training.run(STEPS), np.float64)
    return {"losses": losses.tolist(), "scores": training.scores().astype(np.float64).tolist()}


def correctness(networks: Sequence[Network]) -> Iterator[dict]:
    """Yield what is compared, the largest relative difference, and whether that is right."""
    reference = json.loads(REFERENCE.read_text())
    for network in networks:
        expected, found = reference[network.name], given(network)
        first = _difference(found["losses"][0], expected["losses"][0])
        yield _compared(network, "first loss, as on a CPU", first, LIMIT)
        for key, what in (("losses", f"losses of {STEPS} steps"), ("scores", "scores after them")):
            yield _compared(network, what, _difference(found[key], expected[key]), DRIFT)
        by_vmap = given(network, "vmap")
        difference = _difference(by_vmap["losses"][0], found["losses"][0])
        yield _compared(network, "first loss, vmap against map", difference, LIMIT)
        again = given(network)
        yield _compared(network, "equal seeds, equal bytes", float(again != found), 0.0)


def _compared(network: Network, what: str, difference: float, limit: float) -> dict:
    row = {"network": network.name, "what": what, "difference": difference, "limit": limit}
    return row | {"right": bool(difference <= limit)}


def _difference(found: list, expected: list) -> float:
    found, expected = np.array(found), np.array(expected)
    return float(np.max(np.abs(found - expected) / np.abs(expected)))


def peak_flops(precision: str, size: int) -> float:
    """Return the operations a second of a large matrix product, as a training would multiply."""
    dtype = jax.numpy.bfloat16 if precision == "bfloat16" else jax.numpy.float32
    algorithm = {"float32": "highest", "tf32": "high", "bfloat16": "default"}[precision]
    a = jax.device_put(np.random.default_rng(0).random((size, size), np.float32)).astype(dtype)
    product = jax.jit(lambda a: jax.numpy.matmul(a, a, precision=algorithm))
    product(a).block_until_ready()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        product(a).block_until_ready()
        times.append(time.perf_counter() - start)
    return 2 * size**3 / sorted(times)[2]


def forms(quick: bool) -> Iterator[Form]:
    """Yield forms of a training, those that say most first."""
    populations = POPULATIONS[:1] if quick else POPULATIONS
    feeds = (SCAN, HOST) if quick else (SCAN, HOST, DEVICE)
    for members, precision, feed in itertools.product(populations, PRECISIONS, feeds):
        yield Form(members, precision, feed)
    for members, precision in itertools.product(populations[1:], PRECISIONS):
        yield Form(members, precision, HOST, "vmap")


def speed(
    networks: Sequence[Network], deadline: float, quick: bool, peak: dict[str, float]
) -> Iterator[dict]:
    """Yield a row for each network and form, until the time is over."""
    seconds = 0.1 if quick else 0.5  # of a block
    for form, network in itertools.product(forms(quick), networks):
        if time.monotonic() > deadline:
            return
        row = {"network": network.name, **vars(form)}
        try:
            yield row | _measured(Training(network, form), seconds, peak[form.precision])
        except UserError as error:  # this version, or these images, have no such form
            yield row | {"left_out": str(error)}
        except Exception as error:  # one program that the device does not take costs no other
            yield row | {"left_out": f"{type(error).__name__}: {first_line(error)[:200]}"}


def beside(networks: Sequence[Network], deadline: float, quick: bool) -> Iterator[dict]:
    """Yield a row for each network and form of it in PyTorch, where that is installed."""
    if not _has_torch():
        return
    from benchmarks import torch_on_device as torch_side

    many = 2 if quick else POPULATIONS[1]
    ways = (torch_side.EAGER, 1), (torch_side.COMPILED, 1), (torch_side.ENSEMBLE, many)
    ways = ways[::2] if quick else (*ways, (torch_side.PROCESSES, 8))
    for (how, members), precision, network in itertools.product(ways, PRECISIONS, networks):
        has_statistics = network.method == "ae"  # which torch.func cannot update
        if not network.case or (how == torch_side.ENSEMBLE and has_statistics):
            continue
        if time.monotonic() > deadline:
            return
        row = {"network": network.name, "members": members, "precision": precision, "feed": how}
        (case,) = choose([network.case])
        try:
            seconds = 0.1 if quick else 0.5
            rate = torch_side.images_per_second(case, precision, how, members, seconds, 5)
            yield row | {"images_per_second": rate}
        except Exception as error:  # as above
            yield row | {"left_out": f"{type(error).__name__}: {first_line(error)[:200]}"}


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _measured(training: Training, seconds: float, peak: float) -> dict:
    rate, spread = training.images_per_second(seconds, 5)
    return {
        "images_per_second": rate,
        "spread": spread,
        "share_of_peak": rate / training.images * training.flops / peak,
        "kernels": training.kernels,
        "compile_seconds": training.seconds,
    }


def tables(result: dict) -> list[Table]:
    """Return what was found as tables."""
    compared = tuple(
        (row["network"], row["what"], f"{row['difference']:.1e}", f"{row['limit']:.0e}", _word(row))
        for row in result["correctness"]
    )
    headings = ("compared", "difference", "limit", "")
    return [
        Table("Correctness", "network", (("", headings),), compared),
        Table(
            "Speed of training steps",
            "network",
            (("", ("members", "precision", "input", "images/s", "spread", "of peak", "kernels")),),
            tuple(_speed_row(row) for row in result["speed"] if "left_out" not in row),
            notes=tuple(_left_out(result["speed"])),
        ),
        *_of_torch(result["torch"]),
    ]


def _of_torch(rows: Sequence[dict]) -> Iterator[Table]:
    if rows:
        yield Table(
            "The same in PyTorch",
            "network",
            (("", ("members", "precision", "how", "images/s")),),
            tuple(
                (
                    *(row["network"], f"{row['members']}", row["precision"], row["feed"]),
                    f"{row['images_per_second']:,.0f}",
                )
                for row in rows
                if "left_out" not in row
            ),
            notes=tuple(_left_out(rows)),
        )


def _word(row: dict) -> str:
    return "right" if row["right"] else "WRONG"


def _speed_row(row: dict) -> tuple[str, ...]:
    axis = "" if row["axis"] == "map" else f" ({row['axis']})"
    return (
        row["network"],
        f"{row['members']}{axis}",
        row["precision"],
        row["feed"],
        f"{row['images_per_second']:,.0f}",
        f"{row['spread']:.0%}",
        f"{row['share_of_peak']:.1%}",
        f"{row['kernels']}" if row["kernels"] else ABSENT,
    )


def _left_out(rows: Sequence[dict]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for row in rows:
        if "left_out" in row:
            name = f"{row['network']} {row['members']} {row['precision']} {row['feed']}"
            reasons.setdefault(row["left_out"], []).append(name)
    for reason, names in reasons.items():
        yield f"Left out: {', '.join(names)}: {reason}."


def _write_page(page: str, measured: Path) -> int:
    """Put the tables of a file into their place of a page."""
    require_places(page, _KIND, {_NAME: "what an accelerator gave"})
    result = json.loads(measured.read_text())
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    origin = f"`{result['command']}`, {result['date'][:10]}, {result['device']}; {versions}.\n"
    text = "\n".join([*map(to_markdown, tables(result)), origin])
    Path(page).write_text(fill(Path(page).read_text(), _KIND, _NAME, text))
    return 0


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tools.accelerator", description=__doc__)
    parser.add_argument("--output", default="accelerator.json", help="file of the numbers")
    parser.add_argument("--minutes", type=float, default=8, help="how long to begin new programs")
    parser.add_argument("--quick", action="store_true", help="a rehearsal of a minute or two")
    parser.add_argument("--reference", action="store_true", help="make what others compare with")
    parser.add_argument("--page", default="", help="only put the tables of --output into a page")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        sys.exit(f"error: {error}")
