"""Tables of categories: all that was measured in one, and what it took in another.

Metrics are columns, categories and methods rows: a row a category of one method, a row a method of
one category; of several both, the methods under each category.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from adjax.datasets.catalog import CATEGORIES
from adjax.evaluation.metrics import METRICS
from adjax.reports import budgets, notes
from adjax.reports.columns import Column, averaged_sets, classes_of
from adjax.reports.published import GROUPS, number_of_classes
from adjax.reports.rendering import Table
from adjax.reports.words import listing, normal_name, number

Metrics = dict[str, bool]  # those measured, and whether any of the methods has published values
Cells = Callable[[Column, Sequence[str]], Iterable[str]]  # of a method and some categories


class _Frame(NamedTuple):
    """What the tables of the same runs have in common.

    Attributes:
      columns: the methods.
      caption: title of both.
      corner: what the labels are.
      labels: of the categories.
      categories: their names.
      sets: categories to average over.
      titles: of data sets; one category may have the name of its own.

    """

    columns: Sequence[Column]
    caption: str
    corner: str
    labels: list[str]
    categories: list[str]
    sets: list[list[str]]
    titles: dict[str, str]

    def rows(self, cells: Cells) -> tuple[tuple[str, ...], ...]:
        """Return the rows of categories."""
        return tuple(self._rows(self.labels, [[name] for name in self.categories], cells))

    def means(self, everyone: Sequence[str], cells: Cells) -> tuple[tuple[str, ...], ...]:
        """Return the rows of means, of which one may be over `everyone`."""
        labels = _mean_labels(self.sets, everyone, self.columns[0].run.dataset)
        return tuple(self._rows(labels, self.sets, cells))

    def _rows(
        self, labels: Sequence[str], sets: Sequence[Sequence[str]], cells: Cells
    ) -> Iterator[tuple[str, ...]]:
        """Yield rows of sets of categories; several methods under the label of their set."""
        for label, classes in zip(labels, sets, strict=True):
            if label and len(self.columns) > 1:
                yield (label,)
            for column in self.columns:
                heading = label if len(self.columns) == 1 else column.heading
                yield (heading, *cells(column, classes))


def category_tables(columns: Sequence[Column], missing: set[str]) -> Iterator[Table]:
    """Yield the table of what was measured, if anything was, and that of what it took.

    Args:
      columns: of one data set.
      missing: categories that have rows without numbers.

    """
    columns = [column for column in columns if classes_of([column], *METRICS)]
    if not columns:
        return
    metrics = {
        metric: any(
            column.published_mean([name], metric) is not None
            for column in columns
            for name in classes_of([column], metric)
        )
        for metric in METRICS
        if classes_of(columns, metric)
    }
    everyone, frame = classes_of(columns, *metrics), _frame(columns, metrics, missing)
    yield _measured(frame, everyone, metrics)
    if budgets.is_known(columns):
        yield Table(
            caption=f"{frame.caption}: cost and decisions",
            corner=frame.corner,
            groups=budgets.groups(columns),
            rows=frame.rows(budgets.cells),
            means=frame.means(everyone, budgets.cells),
            notes=budgets.NOTES,
        )


def _frame(columns: Sequence[Column], metrics: Metrics, missing: set[str]) -> _Frame:
    everyone, run = classes_of(columns, *metrics), columns[0].run
    sets = {tuple(part): part for metric in metrics for part in averaged_sets(columns, metric)}
    titles = {run.dataset: run.about.dataset}
    marked = notes.confounded(columns)
    shown = _with_missing(everyone, missing, run.dataset)
    labels = [titles.get(name, name) + notes.MARK * (name in marked) for name in shown]
    caption, corner = run.about.dataset, "category"
    if len(columns) == 1:
        caption += f", {columns[0].heading}"
    elif len(shown) == 1:
        if everyone != [run.dataset]:
            caption += f", {normal_name(everyone, run.about.noun, titles)}"
        corner, labels = "method", [""]
    ordered = sorted(sets.values(), key=len)  # textures before objects and all
    return _Frame(columns, caption, corner, labels, shown, ordered, titles)


def _measured(frame: _Frame, everyone: list[str], metrics: Metrics) -> Table:
    """Return the table of all metrics, beside the published ones."""
    groups = []
    for metric, is_published in metrics.items():
        name, _, kind = METRICS[metric].partition(" (")
        groups.append((name, (kind.rstrip(")") or "ours", *(("paper",) if is_published else ()))))

    def cells(column: Column, classes: Sequence[str]) -> Iterator[str]:
        for metric, is_published in metrics.items():
            yield column.mean(classes, metric)
            if is_published:
                yield number(column.published_mean(classes, metric))

    columns = frame.columns
    return Table(
        caption=frame.caption,
        corner=frame.corner,
        groups=tuple(groups),
        rows=frame.rows(cells),
        means=frame.means(everyone, cells),
        notes=(
            *notes.on_means(columns, frame.sets, metrics),
            *notes.on_doubts(columns, frame.titles),
            *notes.on_confounders(columns, frame.titles),
            *notes.on_pixels(columns, everyone, frame.titles, metrics),
            *notes.on_runs(columns, list(metrics)),
        ),
    )


def _with_missing(measured: list[str], missing: set[str], dataset: str) -> list[str]:
    """Return categories in the order of the data set, those that are none of its own last."""
    known = CATEGORIES.get(dataset, ())
    names = [*measured, *sorted(missing - set(measured))]
    return sorted(names, key=lambda name: known.index(name) if name in known else len(known))


def _mean_labels(sets: list[list[str]], everyone: Sequence[str], dataset: str) -> list[str]:
    """Labels `mean of textures`, `mean of 3 objects`, `mean of 4`, `mean of all 15`."""
    labels = [_mean_label(set(part), set(everyone), dataset) for part in sets]
    return [
        f"mean of {listing(part)}" if labels.count(label) > 1 else label
        for label, part in zip(labels, sets, strict=True)
    ]


def _mean_label(part: set[str], everyone: set[str], dataset: str) -> str:
    for name, group in GROUPS.get(dataset, {}).items():
        if part == set(group):
            return f"mean of {name}"
        if part == everyone & set(group) != everyone:
            return f"mean of {len(part)} {name}"
    return f"mean of {'all ' * (len(part) == number_of_classes(dataset))}{len(part)}"
