"""Measurements of the networks in `cases`: rows of plain numbers, which `tables` makes tables of.

Rows belong to five sections: `speed`, `load`, `population` and `pipeline` for adjax alone, `torch`
for both in turns.
"""

import contextlib
import importlib.util
import itertools
import sys
from collections.abc import Sequence

from adjax.errors import UserError
from benchmarks.cases import AESC, PIPELINE, POPULATION, PRECISIONS, Case, Program
from benchmarks.measuring import Repeats, Worker, alternate, compare, competition

ADJAX, TORCH = "benchmarks.adjax_side:Side", "benchmarks.torch_side:Side"
CONVOLUTIONS = {"xla": "jax", "onednn": "adjax_native"}  # -> the module that provides it
# XLA's CPU backend computes this in float32 and converts, which only costs: where there is a
# choice, the comparison with PyTorch shows that once.
EMULATED = ("bfloat16", "xla")
BLOCK_SECONDS = 0.5
POPULATIONS = tuple(itertools.product((1, 4, 10), ("map", "vmap", "unroll")))
PIPELINE_MEMBERS = (1, 10)
SECTIONS = ("speed", "load", "pipeline", "population")  # for adjax alone

TRAIN, SCORE, INPUT, MATMUL = (Program(name) for name in ("train", "score", "input", "matmul"))
WITHOUT_SSIM, BY_WINDOWS = Program("train", variant="squared"), Program("train", variant="windows")
IN_LOOP = Program("train", members=2)

Rows = dict[str, list[dict]]


def check(
    precisions: Sequence[str],
    convolutions: Sequence[str],
    against: str | None,
    sections: Sequence[str] = (),
) -> None:
    """Raise `UserError` for what cannot be measured here."""
    for flag, values, known in (
        ("precision", precisions, PRECISIONS),
        ("convolution", convolutions, tuple(CONVOLUTIONS)),
        ("sections", sections, SECTIONS),
    ):
        for value in values:
            if value not in known:
                raise UserError(f"--{flag}={value}: choose among {', '.join(known)}")
    if "onednn" in convolutions and not is_installed(CONVOLUTIONS["onednn"]):
        raise UserError("--convolution=onednn: adjax_native is missing; run `make native`")
    if against and sections:
        raise UserError(f"--sections is for adjax alone: leave it out, or --against={against}")
    if against == "torch" and not is_installed("torch"):
        raise UserError("--against=torch: PyTorch is missing; run `pip install -e '.[torch]'`")


def measure_alone(
    cases: Sequence[Case],
    precisions: Sequence[str],
    convolutions: Sequence[str],
    repeats: int,
    sections: Sequence[str] = SECTIONS,
) -> Rows:
    """Measure adjax alone: the rows of these `SECTIONS`."""
    rows = {section: [] for section in SECTIONS}
    networks = [case for case in cases if case != AESC]
    for case, precision, convolution in itertools.product(networks, precisions, convolutions):
        costs_only = (precision, convolution) == EMULATED and len(convolutions) > 1
        if "speed" in sections and not costs_only:
            _announce(case, precision, convolution)
            rows["speed"].append(_speed(case, precision, convolution, repeats))
    for case, convolution in itertools.product(networks, convolutions):
        if "load" in sections and set(precisions) == set(PRECISIONS):
            _announce(case, convolution, "beside a busy process")
            rows["load"].append(_load(case, convolution, repeats))
    for case in cases:
        if "pipeline" in sections and case.method in PIPELINE:
            _announce(case, "input pipeline")
            rows["pipeline"] += _pipeline(case, convolutions[-1], repeats)
    if "population" in sections and POPULATION.name in (case.name for case in cases):
        for convolution in convolutions:
            _announce(POPULATION, "float32", convolution, "populations")
            rows["population"] += _populations(convolution, repeats)
    return rows


def measure_against_torch(
    cases: Sequence[Case], precisions: Sequence[str], convolutions: Sequence[str], repeats: int
) -> Rows:
    """Measure adjax and PyTorch in turns: the rows of the section `torch`."""
    rows = []
    for case, precision in itertools.product(cases, precisions):
        if case != AESC:
            _announce(case, precision, *convolutions, "torch")
            rows += _against_torch(case, precision, convolutions, repeats)
    return {"torch": rows}


def _used(precision: str) -> tuple[Program, ...]:
    """Return the programs to measure; scores are float32 in any precision, so measured once."""
    return (TRAIN, SCORE) if precision == "float32" else (TRAIN,)


def _timed(worker: Worker, programs: Sequence[Program], repeats: int) -> dict[Program, Repeats]:
    """Time a worker's prepared programs in turns: seconds a step."""
    pairs = [(worker, program) for program in programs]
    return dict(zip(programs, alternate(pairs, repeats, BLOCK_SECONDS), strict=True))


def _rate(time: Repeats, facts: dict) -> dict:
    return {"images_per_second": facts["images"] / time.median, "spread": time.spread}


def _speed(case: Case, precision: str, convolution: str, repeats: int) -> dict:
    used, others = _used(precision), (MATMUL, INPUT, WITHOUT_SSIM, BY_WINDOWS, IN_LOOP)
    with Worker(ADJAX, case, precision, convolution) as worker:
        idle_bytes = worker.peak_bytes()
        facts = {program: worker.prepare(program) for program in used}
        peak_bytes = worker.peak_bytes()  # before the programs that are only compared with
        facts |= {program: worker.prepare(program) for program in others}
        times = _timed(worker, list(facts), repeats)
    matmul = facts[MATMUL]["flops"] / times[MATMUL].median
    row = {
        "case": case.name,
        "precision": precision,
        "convolution": convolution,
        "matmul_flops_per_second": matmul,
        "input_images_per_second": facts[INPUT]["images"] / times[INPUT].median,
        "idle_bytes": idle_bytes,
        "peak_bytes": peak_bytes,
        # Two members in a loop, against two steps one after another.
        "in_loop": times[IN_LOOP].over(times[TRAIN]).median / 2,
        "step_seconds": times[TRAIN].median,
        "ssim_share": 1 - times[WITHOUT_SSIM].over(times[TRAIN]).median,
        "windows_step_seconds": times[BY_WINDOWS].median,
        "windows_ssim_share": 1 - times[WITHOUT_SSIM].over(times[BY_WINDOWS]).median,
    }
    for program in used:
        flops = facts[program]["flops"] / times[program].median
        row[program.name] = _rate(times[program], facts[program]) | {
            "flops_per_second": flops,
            "peak_share": flops / matmul,
            "compile_seconds": facts[program]["compile_seconds"],
            "program_bytes": facts[program]["program_bytes"],
        }
    return row


def _load(case: Case, convolution: str, repeats: int) -> dict:
    """Time steps of both precisions in turns, alone and beside a process that keeps a core busy."""
    with contextlib.ExitStack() as stack:
        pairs = [
            (stack.enter_context(Worker(ADJAX, case, precision, convolution)), TRAIN)
            for precision in PRECISIONS
        ]
        for worker, program in pairs:
            worker.prepare(program)
        alone = alternate(pairs, repeats, BLOCK_SECONDS)
        with competition():
            loaded = alternate(pairs, repeats, BLOCK_SECONDS)
    row = {"case": case.name, "convolution": convolution}
    for when, times in (("alone", alone), ("loaded", loaded)):
        row[when] = {p: time.median for p, time in zip(PRECISIONS, times, strict=True)}
        row[when]["gain"] = times[0].over(times[1]).median
    return row


def _populations(convolution: str, repeats: int) -> list[dict]:
    programs = [Program("train", members=members, axis=axis) for members, axis in POPULATIONS]
    with Worker(ADJAX, POPULATION, "float32", convolution) as worker:
        facts = {program: worker.prepare(program) for program in programs}
        times = _timed(worker, programs, repeats)
    return [
        {
            "case": POPULATION.name,
            "batch_size": POPULATION.batch_size,
            "convolution": convolution,
            "members": program.members,
            "axis": program.axis,
            **_rate(time, facts[program]),
            "of_one_alone": program.members * times[TRAIN].over(time).median,
            "compile_seconds": facts[program]["compile_seconds"],
        }
        for program, time in times.items()
    ]


def _pipeline(case: Case, convolution: str, repeats: int) -> list[dict]:
    """Time the input pipeline of each kind of images, in turns with the step that takes them."""
    kinds = itertools.product(PIPELINE[case.method], PIPELINE_MEMBERS)
    programs = [TRAIN, *(Program("input", members=count, images=name) for name, count in kinds)]
    with Worker(ADJAX, case, "float32", convolution) as worker:
        facts = {program: worker.prepare(program) for program in programs}
        times = _timed(worker, programs, repeats)
    step = _rate(times.pop(TRAIN), facts[TRAIN])["images_per_second"]
    return [
        {
            "case": case.name,
            "convolution": convolution,
            "images": program.images,
            "members": program.members,
            **_rate(time, facts[program]),
            "train_images_per_second": step,
        }
        for program, time in times.items()
    ]


def _against_torch(
    case: Case, precision: str, convolutions: Sequence[str], repeats: int
) -> list[dict]:
    used = _used(precision)
    with contextlib.ExitStack() as stack:
        ours = {
            name: stack.enter_context(Worker(ADJAX, case, precision, name)) for name in convolutions
        }
        theirs = stack.enter_context(Worker(TORCH, case, precision))
        pairs = [(worker, program) for worker in (*ours.values(), theirs) for program in used]
        for worker, program in pairs:
            if worker.prepare(program).get("platform", "cpu") != "cpu":
                raise UserError(
                    "--against=torch compares on CPU: put JAX_PLATFORMS=cpu before the command"
                )
        peak_bytes = {worker: worker.peak_bytes() for worker in (*ours.values(), theirs)}
        theirs.prepare(BY_WINDOWS)
        pairs.append((theirs, BY_WINDOWS))
        times = dict(zip(pairs, alternate(pairs, repeats, BLOCK_SECONDS), strict=True))
    rows = []
    for convolution, worker in ours.items():
        row = {
            "case": case.name,
            "precision": precision,
            "convolution": convolution,
            "usual_ssim": times[theirs, BY_WINDOWS].over(times[worker, TRAIN]).median,
            "adjax_peak_bytes": peak_bytes[worker],
            "torch_peak_bytes": peak_bytes[theirs],
        }
        for program in used:
            row[program.name] = compare("torch", times[worker, program], times[theirs, program])
        rows.append(row)
    return rows


def installed_convolutions() -> list[str]:
    """Return the kinds of convolution that can be measured here."""
    return [name for name, module in CONVOLUTIONS.items() if is_installed(module)]


def is_installed(module: str) -> bool:
    """Return whether a module can be imported."""
    return importlib.util.find_spec(module) is not None


def _announce(case: Case, *what: str) -> None:
    print(f"measuring {case.name} {' '.join(what)}", file=sys.stderr, flush=True)
