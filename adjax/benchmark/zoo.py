"""The zoo, measured: rows of plain numbers, from which `adjax.benchmark.page` makes tables.

Rows are of five sections: `speed`, `load`, `population` and `pipeline` of adjax alone, `torch` of
both in turns.
"""

import contextlib
import importlib.util
import itertools
import sys
from collections.abc import Sequence

from adjax.benchmark import page
from adjax.benchmark.cases import (
    AESC,
    PIPELINE,
    POPULATION,
    PRECISIONS,
    Case,
    Program,
    choose,
)
from adjax.benchmark.circumstances import circumstances
from adjax.benchmark.measure import Repeats, Worker, alternate, compare, competition
from adjax.errors import UserError

ADJAX, TORCH = "adjax.benchmark.adjax_side", "adjax.benchmark.torch_side"
CONVOLUTIONS = {"xla": "jax", "onednn": "adjax_native"}  # and the module that brings it
# XLA's CPU backend computes it in float32 and converts, so it only costs: where there is a choice,
# the comparison with PyTorch shows that once.
EMULATED = ("bfloat16", "xla")
BLOCK_SECONDS = 0.5
POPULATIONS = tuple(itertools.product((1, 4, 10), ("map", "vmap", "unroll")))

PIPELINE_MEMBERS = (1, 10)
SECTIONS = ("speed", "load", "pipeline", "population")  # of adjax alone

TRAIN, SCORE, INPUT, MATMUL = (Program(name) for name in ("train", "score", "input", "matmul"))
WITHOUT_SSIM, BY_WINDOWS = Program("train", loss="squared"), Program("train", loss="windows")
IN_LOOP = Program("train", members=2)

Rows = dict[str, list[dict]]


def run(
    cases: Sequence[str],
    precisions: Sequence[str],
    convolutions: Sequence[str],
    *,
    against: str | None,
    repeats: int,
    output: str | None,
    command: str,
    sections: Sequence[str] = (),
) -> None:
    """Measure, print the tables and put them into a page.

    Args:
      cases: names of the zoo; empty: all.
      precisions: of training, see `PRECISIONS`.
      convolutions: "xla", "onednn"; empty: all that are installed.
      against: "torch" compares with PyTorch, None measures adjax alone.
      repeats: timed blocks of each program.
      output: the page, see `adjax.benchmark.page`, or None.
      command: how to do the same again.
      sections: of `SECTIONS`, what of adjax alone is measured; empty: all.

    Raises:
      UserError: before any measurement, for what cannot be measured or written.

    """
    chosen = choose(cases)
    convolutions = convolutions or [c for c in CONVOLUTIONS if is_installed(CONVOLUTIONS[c])]
    check(precisions, convolutions, against, sections)
    if output is not None:
        page.check(output)
    if against:
        rows = measure_against_torch(chosen, precisions, convolutions, repeats)
    else:
        rows = measure_alone(chosen, precisions, convolutions, repeats, sections or SECTIONS)
    origin = {"command": command, **circumstances(*([against] if against else []))}
    sections = {name: {**origin, "rows": found} for name, found in rows.items() if found}
    page.publish(sections, output)


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
        raise UserError(f"--sections is of adjax alone: leave it out, or --against={against}")
    if against == "torch" and not is_installed("torch"):
        raise UserError("--against=torch: PyTorch is missing; run `pip install -e '.[torch]'`")


def measure_alone(
    cases: Sequence[Case],
    precisions: Sequence[str],
    convolutions: Sequence[str],
    repeats: int,
    sections: Sequence[str],
) -> Rows:
    """The rows of these `SECTIONS`."""
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
        if "pipeline" in sections and any(case.name in names for names, _, _ in PIPELINE.values()):
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
    """The rows of the section `torch`."""
    rows = []
    for case in cases:
        for precision in precisions:
            if case == AESC:
                continue
            _announce(case, precision, *convolutions, "torch")
            rows += _against_torch(case, precision, convolutions, repeats)
    return {"torch": rows}


def _speed(case: Case, precision: str, convolution: str, repeats: int) -> dict:
    # Scores are float32 in any precision: nothing new to measure.
    used = (TRAIN, SCORE) if precision == "float32" else (TRAIN,)
    others = MATMUL, INPUT, WITHOUT_SSIM, BY_WINDOWS, IN_LOOP
    with Worker(ADJAX, case, precision, convolution) as worker:
        idle_bytes = worker.peak_bytes()
        facts = {program: worker.prepare(program) for program in used}
        peak_bytes = worker.peak_bytes()  # what is compared against comes after this
        facts |= {program: worker.prepare(program) for program in others}
        programs = (*used, *others)
        timed = alternate([(worker, program) for program in programs], repeats, BLOCK_SECONDS)
    times = dict(zip(programs, timed, strict=True))
    matmul = facts[MATMUL]["flops"] / times[MATMUL].median
    return {
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
    } | {program.name: _rates(times[program], facts[program], matmul) for program in used}


def _rates(time: Repeats, facts: dict, matmul: float) -> dict:
    flops = facts["flops"] / time.median
    return {
        "images_per_second": facts["images"] / time.median,
        "spread": time.spread,
        "flops_per_second": flops,
        "peak_share": flops / matmul,
        "compile_seconds": facts["compile_seconds"],
        "program_bytes": facts["program_bytes"],
    }


def _load(case: Case, convolution: str, repeats: int) -> dict:
    """Steps of both precisions in turns, alone and beside a process that keeps a core busy."""
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
    return {"case": case.name, "convolution": convolution} | {
        when: {
            **{p: time.median for p, time in zip(PRECISIONS, times, strict=True)},
            "gain": times[0].over(times[1]).median,
        }
        for when, times in (("alone", alone), ("loaded", loaded))
    }


def _populations(convolution: str, repeats: int) -> list[dict]:
    programs = [Program("train", members=members, axis=axis) for members, axis in POPULATIONS]
    with Worker(ADJAX, POPULATION, "float32", convolution) as worker:
        facts = [worker.prepare(program) for program in programs]
        times = alternate([(worker, program) for program in programs], repeats, BLOCK_SECONDS)
    alone = times[programs.index(TRAIN)]
    return [
        {
            "case": POPULATION.name,
            "batch_size": POPULATION.batch_size,
            "convolution": convolution,
            "members": program.members,
            "axis": program.axis,
            "images_per_second": fact["images"] / time.median,
            "spread": time.spread,
            "of_one_alone": program.members * alone.over(time).median,
            "compile_seconds": fact["compile_seconds"],
        }
        for program, fact, time in zip(programs, facts, times, strict=True)
    ]


def _pipeline(case: Case, convolution: str, repeats: int) -> list[dict]:
    """What the input pipeline makes of each kind, in turns with the step that takes it."""
    made = [name for name, (cases, _, _) in PIPELINE.items() if case.name in cases]
    programs = [
        Program("input", members=members, images=name)
        for name in made
        for members in PIPELINE_MEMBERS
    ]
    with Worker(ADJAX, case, "float32", convolution) as worker:
        facts = [worker.prepare(program) for program in (TRAIN, *programs)]
        pairs = [(worker, program) for program in (TRAIN, *programs)]
        times = alternate(pairs, repeats, BLOCK_SECONDS)
    step = facts[0]["images"] / times[0].median
    return [
        {
            "case": case.name,
            "convolution": convolution,
            "images": program.images,
            "members": program.members,
            "images_per_second": fact["images"] / time.median,
            "spread": time.spread,
            "train_images_per_second": step,
        }
        for program, fact, time in zip(programs, facts[1:], times[1:], strict=True)
    ]


def _against_torch(
    case: Case, precision: str, convolutions: Sequence[str], repeats: int
) -> list[dict]:
    used = (TRAIN, SCORE) if precision == "float32" else (TRAIN,)
    with contextlib.ExitStack() as stack:
        ours = [
            stack.enter_context(Worker(ADJAX, case, precision, convolution))
            for convolution in convolutions
        ]
        theirs = stack.enter_context(Worker(TORCH, case, precision))
        pairs = [(worker, program) for worker in (*ours, theirs) for program in used]
        for worker, program in pairs:
            if worker.prepare(program).get("platform", "cpu") != "cpu":
                raise UserError(
                    "--against=torch compares on CPU: put JAX_PLATFORMS=cpu before the command"
                )
        peak_bytes = {worker: worker.peak_bytes() for worker in (*ours, theirs)}
        theirs.prepare(BY_WINDOWS)
        pairs.append((theirs, BY_WINDOWS))
        times = dict(zip(pairs, alternate(pairs, repeats, BLOCK_SECONDS), strict=True))
    return [
        {
            "case": case.name,
            "precision": precision,
            "convolution": convolution,
            "usual_ssim": times[theirs, BY_WINDOWS].over(times[worker, TRAIN]).median,
            "adjax_peak_bytes": peak_bytes[worker],
            "torch_peak_bytes": peak_bytes[theirs],
        }
        | {
            program.name: compare("torch", times[worker, program], times[theirs, program])
            for program in used
        }
        for convolution, worker in zip(convolutions, ours, strict=True)
    ]


def is_installed(module: str) -> bool:
    """Whether a module can be imported."""
    return importlib.util.find_spec(module) is not None


def _announce(case: Case, *what: str) -> None:
    print(f"measuring {case.name} {' '.join(what)}", file=sys.stderr, flush=True)
