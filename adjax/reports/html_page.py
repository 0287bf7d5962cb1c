"""HTML pages: one self-contained file that opens from disk, offline and on a phone."""

import base64
import html
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from adjax.evaluation.metrics import METRICS
from adjax.reports.columns import make_columns
from adjax.reports.decisions import decision_tables
from adjax.reports.finished_run import Run, read_run
from adjax.reports.notes import on_images, stages_in_words
from adjax.reports.rendering import ABSENT, Table, facts_to_html, to_html, write_page
from adjax.reports.result_tables import results_tables, summary
from adjax.reports.words import count, normal_name
from adjax.workdir import require_writable

if TYPE_CHECKING:  # a run's own page needs no sweep
    from adjax.reports.finished_sweep import Sweep

MOST_DETAILED = 12  # runs of a sweep that are shown with figures; the others are listed
MOST_DRAWN = 300  # runs of a sweep whose curves are drawn

# name -> what a reader who cannot see the figure is told, how to read it
_FIGURES = {
    "examples": (
        "Grid of test images with their reconstructions and anomaly maps",
        "Each column is one test image. A good run reconstructs the normal images and misses parts "
        "of the anomalous ones; the anomaly map is bright where it does. All maps share one scale.",
    ),
    "roc": (
        "ROC curves of the image score",
        "Sweeping the threshold trades false alarms (right) for anomalies found (up). The nearer "
        "to the top left corner the better; the dotted diagonal is guessing.",
    ),
    "histograms": (
        "Histograms of the image scores of normal and anomalous test images",
        "The less the filled histogram (normal) and the outlined one (anomalous) overlap, the "
        "better the score separates the two. Each is scaled by its own number of images.",
    ),
    "thresholds": (
        "F1 of the pixels against the threshold, with the chosen thresholds marked",
        "The flatter the curve around a mark, the less the choice matters. All thresholds but the "
        "oracle's are chosen on held-out normal images.",
    ),
    "curves": (
        "Validation loss by step, one panel a stage, one curve a method",
        "The mean over classes and seeds of the loss on normal images that were not trained on. "
        "Methods that minimise different losses do not compare here.",
    ),
    "losses": (
        "Training and validation loss by step, one panel a stage",
        "A validation loss that turns up while the training loss falls is overfitting. Bands span "
        "the members, lines are their means.",
    ),
}


def write_report(workdir: str | Path) -> Path:
    """Write the figures and `report.html` of a finished run; returns the path of the page."""
    from adjax.reports.figures import write_figures

    run = read_run(workdir)
    name, classes = f"{run.about.name} on {run.about.dataset}", _classes([run])
    heading = name + ("" if classes == run.about.dataset else f", {classes}")
    body = [
        f"<header>\n<h1>{_e(heading)}</h1>",
        f'<p class="lede">{_e(_sentence(run))}</p>\n{_headline(run)}</header>',
        _section("Results", *map(to_html, results_tables([run])), *_on_images([run])),
        _section("Figures", _figures(write_figures(run))),
        _section("Thresholds", *map(_apart, decision_tables(run))),
        _section("Time", _stages(run), facts_to_html(_throughput(run))),
        _section("Settings", _config(run), _to_repeat(filter(None, [run.results.get("command")]))),
        _section("Made with", facts_to_html(_environment(run))),
    ]
    return write_page(run.workdir / "report.html", "page.html", name, body)


def write_sweep_report(sweep: "Sweep") -> Path:
    """Write `report.html` over the runs; those it shows get their own where that is missing or old.

    The pages of other runs are made when they are asked for. In the folder of a single run it is
    the run's.
    """
    from adjax.reports.figures import write_figure
    from adjax.reports.finished_sweep import commands, provenance, remarks, title
    from adjax.reports.plots import curves_figure, roc_figure

    directory, runs = sweep.directory, sweep.runs
    if runs[0].workdir == directory:
        return write_report(directory)
    for run in runs[:MOST_DETAILED]:
        renew_report(run.workdir)
    drawn = {"curves": curves_figure, "roc": roc_figure} if len(runs) <= MOST_DRAWN else {}
    figures = {
        name: write_figure(directory / "figures" / f"{name}.png", draw, runs)
        for name, draw in drawn.items()
    }
    headings: dict[Path, str] = {}
    for column in make_columns(runs):
        for run in column.runs:  # a run whose members stand in several columns goes by its method
            several = run.workdir in headings
            headings[run.workdir] = run.about.name if several else column.heading
    names = [_name(run, headings[run.workdir]) for run in runs]
    linked = list(zip(runs, names, strict=True))
    shown = [_run_in_sweep(run, name, directory) for run, name in linked[:MOST_DETAILED]]
    more = "".join(
        f"<li>{_e(name) if is_outdated(run.workdir) else _link(run, name, directory)}</li>"
        for run, name in linked[MOST_DETAILED:]
    )
    missing = "".join(f"<li>{_e(remark)}</li>" for remark in remarks(sweep))
    body = [
        f"<header>\n<h1>{_e(title(runs))}</h1>",
        f'<p class="lede">{_e(_sweep_sentence(runs))}</p>\n</header>',
        _section("Results", *map(to_html, results_tables(runs, sweep.refused)), *_on_images(runs)),
        _section("Missing", f"<ul>{missing}</ul>" if missing else ""),
        _section("All runs", _figures(figures) if drawn else _UNDRAWN),
        _section("Run by run", *shown),
        _section("More runs", f"{_ON_REQUEST}\n<ul>{more}</ul>" if more else ""),
        _section("Made with", facts_to_html(provenance(sweep)), _to_repeat(commands(sweep))),
    ]
    return write_page(directory / "report.html", "page.html", title(runs), body)


_UNDRAWN = f"<p>Curves are drawn of {MOST_DRAWN} runs at most: report a part of the folder.</p>"
_ON_REQUEST = "<p>The page of a run is made by <code>--mode=report --workdir=FOLDER</code>.</p>"


def is_outdated(workdir: Path) -> bool:
    """Return whether the page of a finished run is missing, or older than its results."""
    report, results = workdir / "report.html", workdir / "results.json"
    return not report.is_file() or report.stat().st_mtime_ns < results.stat().st_mtime_ns


def renew_report(workdir: Path) -> None:
    """Write the page of a finished run if it is missing or older than its results.

    Raises:
      UserError: if it cannot be written, or is to be made of files that are not what they were.

    """
    if is_outdated(workdir):
        require_writable(workdir)
        write_report(workdir)


def _e(text: object) -> str:
    return html.escape(str(text))


def _section(heading: str, *parts: str) -> str:
    content = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{heading}</h2>\n{content}\n</section>" if content else ""


def _apart(table: Table) -> str:
    return f'<div class="table">\n{to_html(table)}</div>\n'


def _on_images(runs: Sequence[Run]) -> list[str]:
    return [f"<p>{_e(sentence)}</p>" for sentence in on_images(runs)]


def _run_in_sweep(run: Run, name: str, directory: Path) -> str:
    """One run on the page of its sweep: what it is, its figures, the way to its own page."""
    figures = {kind: run.workdir / "figures" / f"{kind}.png" for kind in ("examples", "histograms")}
    auroc = f": AUROC {summary(run)[0]:.3f}" if run.is_tested else ""
    return (
        f"<article>\n<h3>{_e(name)}{auroc}</h3>\n"
        f"<p>{_link(run, 'Its own report', directory)}</p>\n{_figures(figures)}</article>"
    )


def _name(run: Run, heading: str) -> str:
    """Return `OE-SDN, class 3, seed 0`."""
    seed = f", seed {run.members[0]['seed']}" if len(run.members) == 1 else ""
    return f"{heading}, {_classes([run])}{seed}"


def _link(run: Run, text: str, directory: Path) -> str:
    target = os.path.relpath(run.workdir / "report.html", directory)
    return f'<a href="{quote(os.fsencode(target))}">{_e(text)}</a>'


def _classes(runs: Sequence[Run]) -> str:
    """Return `class 3`, `classes 3 and 8`, `10 classes`."""
    members = sorted((m for run in runs for m in run.members), key=lambda m: m["normal_class"])
    names = list(dict.fromkeys(member["class_name"] for member in members))
    nouns = {run.about.noun for run in runs}
    titles = {run.dataset: run.about.dataset for run in runs}
    return normal_name(names, nouns.pop() if len(nouns) == 1 else "class", titles)


def _sweep_sentence(runs: Sequence[Run]) -> str:
    members = sum(len(run.members) for run in runs)
    noun = "normal class" if runs[0].about.noun == "class" else runs[0].about.noun
    return (
        f"{count(len(runs), 'run')} on {_classes(runs)} with {count(members, 'member')}, "
        f"one for each method, setting, {noun} and seed."
    )


def _sentence(run: Run) -> str:
    """Return what was run, in one sentence."""
    stages = stages_in_words(run)
    images = f"{run.scores['label'].size:,} test images"
    member = run.members[0]
    if run.about.has_categories:
        of = one = "normal images"
        defective = run.anomalous[0].sum()
        tested = f"scored on {images}, {defective:,} of them defective"
        if not defective:  # they may be held-out training images: there need not be others
            tested = f"scored on {run.scores['label'].size:,} images, none of them defective"
    elif run.about.leaves_one_out:
        of = f"images of all classes but {member['class_name']}"
        one = "images of all classes but one"
        images = f"{run.tested[0][0].size:,} other images" if len(run.members) == 1 else "others"
        tested = f"scored on {images}, those of the class left out anomalous"
    else:
        of, one = f"images of class {member['class_name']}", "images of one class"
        tested = f"scored on {images}, those of other classes anomalous"
        if "oracle" in member:
            used = f"{member['oracle']['images']:,} of them"
            tested += f"; {used} chose the image score by their labels, the others judge it"
    if len(run.members) == 1:
        who = f"Trained on {of} alone with seed {member['seed']}"
    else:
        who = f"{count(len(run.members), 'member')}, each trained on {one} alone"
    return f"{who}{f' ({stages})' if stages else ''}, then {tested}."


def _headline(run: Run) -> str:
    """Our image AUROC, the paper's, and the difference; the metrics of pixels that there are."""
    if not run.is_tested:
        return ""
    ours, theirs = summary(run)
    over = "" if len(run.members) == 1 else f", mean over {count(len(run.members), 'member')}"
    facts = {f"image AUROC{over}": f"{ours:.3f}"}
    if theirs is not None:
        facts["in the paper"] = f"{theirs:.3f}"
    if run.about.has_categories:  # there is no room for the difference of every metric
        for metric in ("pixel_auroc", "aupro", "f1"):
            if all(metric in member for member in run.members):
                facts[METRICS[metric] + over] = f"{summary(run, metric)[0]:.3f}"
    elif theirs is not None:
        facts["difference"] = f"{ours - theirs:+.3f}".replace("-", "\N{MINUS SIGN}")
    items = (f"<div><dt>{_e(name)}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return f'<dl class="headline">{"".join(items)}</dl>\n'


def _figures(paths: Mapping[str, Path | None]) -> str:
    """The figures in `_FIGURES`' order, embedded."""
    parts = []
    for name, (alt, caption) in _FIGURES.items():
        if path := paths.get(name):
            data = base64.b64encode(path.read_bytes()).decode()
            parts.append(
                f'<figure class="{name}">'
                f'<img alt="{_e(alt)}" src="data:image/png;base64,{data}">'
                f"<figcaption>{_e(caption)}</figcaption></figure>"
            )
    return f'<div class="figures">\n{"".join(parts)}\n</div>\n'


# key of a stage -> heading, unit, format
_STAGE_COLUMNS = {
    "steps": ("steps", 1, "{:,}"),
    "parameters": ("parameters", 1, "{:,}"),
    "compile_seconds": ("compile, s", 1, "{:,.1f}"),
    "train_seconds": ("train, s", 1, "{:,.1f}"),
    "images_per_second": ("images/s", 1, "{:,.0f}"),
    "flops_per_step": ("GFLOP/step", 1e9, "{:,.2f}"),
    "flops_per_second": ("GFLOP/s", 1e9, "{:,.1f}"),
    "input_wait_fraction": ("input wait", 1, "{:.1%}"),
}


def _stages(run: Run) -> str:
    """The cost of each stage as a table; a column that no stage has is left out."""
    stages = run.results.get("stages", [])
    if not stages:
        return ""
    keys = [key for key in _STAGE_COLUMNS if any(key in stage for stage in stages)]
    rows = []
    for stage in stages:
        cells = [stage["name"] + (" (cached)" if stage.get("cached") else "")]
        for key in keys:
            (_, unit, form), value = _STAGE_COLUMNS[key], stage.get(key)
            cells.append(
                ABSENT if value is None else form.format(value / unit if unit > 1 else value)
            )
        rows.append(tuple(cells))
    headings = tuple(_STAGE_COLUMNS[key][0] for key in keys)
    cached = any(stage.get("cached") for stage in stages)
    notes = ("cached: taken from an earlier run instead of trained.",) if cached else ()
    return to_html(
        Table("Stages of the training", "stage", (("", headings),), tuple(rows), notes=notes)
    )


def _throughput(run: Run) -> dict[str, str]:
    """`results["throughput"]` in words: the unit is the end of its key."""
    return {
        name.replace("_per_second", "/s").replace("_", " "): f"{value:,.1f}"
        for name, value in run.results.get("throughput", {}).items()
    }


def _config(run: Run) -> str:
    text = json.dumps(run.config, indent=2, ensure_ascii=False)
    return (
        f"<details>\n<summary>Config {_e(run.results['config_hash'])}</summary>\n"
        f'<pre tabindex="0">{_e(text)}</pre>\n</details>'
    )


def _to_repeat(commands: Iterable[str]) -> str:
    text = "\n".join(commands)
    return f'<p>To repeat it:</p>\n<pre tabindex="0">{_e(text)}</pre>' if text else ""


def _environment(run: Run) -> dict[str, object]:
    hardware = run.results.get("hardware", {})
    words = {name.replace("_", " "): value for name, value in hardware.items()}
    date = {"date": run.results["date"]} if "date" in run.results else {}
    return {**date, **words, **run.results.get("versions", {})}
