"""The page of a run, `report.html` in its folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adjax.evaluation.metrics import METRICS
from adjax.reports.decisions import decision_tables
from adjax.reports.finished_run import Run, read_run
from adjax.reports.notes import on_images, stages_in_words
from adjax.reports.pages import embedded, link_to, write_page
from adjax.reports.rendering import ABSENT, Table
from adjax.reports.result_tables import results_tables, summary
from adjax.reports.sources import TABLE
from adjax.reports.words import count, normal_name
from adjax.workdir import require_writable

_MOST_ABOVE = 6  # folders between a run and its sweep

# name -> what a reader who cannot see the figure is told, how to read it
FIGURES = {
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
    name, classes = f"{run.about.name} on {run.about.dataset}", classes_in_words([run])
    return write_page(
        run.workdir / "report.html",
        "run.html",
        name,
        heading=name + ("" if classes == run.about.dataset else f", {classes}"),
        lede=_sentence(run),
        headline=_headline(run),
        sweep=_way_back(run.workdir),
        results=results_tables([run]),
        on_images=list(on_images([run])),
        figures=embedded(write_figures(run), FIGURES),
        decisions=list(decision_tables(run)),
        stages=_stages(run),
        throughput=_throughput(run),
        config_hash=run.results["config_hash"],
        config=json.dumps(run.config, indent=2, ensure_ascii=False),
        commands=list(filter(None, [run.results.get("command")])),
        environment=_environment(run),
    )


def _way_back(workdir: Path) -> dict[str, str] | None:
    """Return the link to the page of the sweep that a run belongs to, if it does.

    The sweep's folder is above, and known by its table: no run has one.
    """
    above = list(workdir.absolute().parents)[:_MOST_ABOVE]
    sweep = next((folder for folder in above if (folder / TABLE).is_file()), None)
    if sweep is None:
        return None
    return {
        "link": link_to(sweep / "report.html", workdir.absolute()),
        "text": f"All runs of the sweep {sweep.name}",
    }


def is_outdated(workdir: Path) -> bool:
    """Return whether the page of a finished run is missing, or older than its results."""
    report, results = workdir / "report.html", workdir / "results.json"
    return not report.is_file() or report.stat().st_mtime_ns < results.stat().st_mtime_ns


def renew_report(workdir: Path) -> None:
    """Write the page of a finished run if it is missing, older than its results, or leads nowhere.

    That is, not to the page of its sweep, which it may have joined since.

    Raises:
      UserError: if it cannot be written, or is to be made of files that are not what they were.

    """
    if is_outdated(workdir) or not _leads_back(workdir):
        require_writable(workdir)
        write_report(workdir)


def _leads_back(workdir: Path) -> bool:
    """Return whether the page of a run has a link to its sweep's, if it belongs to one."""
    back = _way_back(workdir)
    if back is None:
        return True
    page = (workdir / "report.html").read_text(encoding="utf-8", errors="replace")
    return f'href="{back["link"]}"' in page


def classes_in_words(runs: Sequence[Run]) -> str:
    """Return `class 3`, `classes 3 and 8`, `10 classes`."""
    members = sorted((m for run in runs for m in run.members), key=lambda m: m["normal_class"])
    names = list(dict.fromkeys(member["class_name"] for member in members))
    nouns = {run.about.noun for run in runs}
    titles = {run.dataset: run.about.dataset for run in runs}
    return normal_name(names, nouns.pop() if len(nouns) == 1 else "class", titles)


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


def _headline(run: Run) -> dict[str, str]:
    """Our image AUROC, the paper's, and the difference; the metrics of pixels that there are."""
    if not run.is_tested:
        return {}
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
    return facts


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


def _stages(run: Run) -> Table | None:
    """The cost of each stage as a table; a column that no stage has is left out."""
    stages = run.results.get("stages", [])
    if not stages:
        return None
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
    groups = (("", headings),)
    return Table("Stages of the training", "stage", groups, tuple(rows), notes=notes)


def _throughput(run: Run) -> dict[str, str]:
    """`results["throughput"]` in words: the unit is the end of its key."""
    return {
        name.replace("_per_second", "/s").replace("_", " "): f"{value:,.1f}"
        for name, value in run.results.get("throughput", {}).items()
    }


def _environment(run: Run) -> dict[str, Any]:
    hardware = run.results.get("hardware", {})
    words = {name.replace("_", " "): value for name, value in hardware.items()}
    date = {"date": run.results["date"]} if "date" in run.results else {}
    return {**date, **words, **run.results.get("versions", {})}
