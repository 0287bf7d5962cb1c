"""Import of data sets into a TFDS data directory."""

import contextlib
import os
import re
import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import tensorflow_datasets as tfds

from adjax import paths
from adjax.datasets.catalog import INDUSTRIAL
from adjax.datasets.sources import CIFAR10_CLASSES, Source, read_source
from adjax.datasets.tables import check_image_classification, find_prepared
from adjax.errors import UserError, disk_full, first_line

_NAME = re.compile(r"[a-z][a-z0-9_]*(/[\w.-]+)?", re.ASCII)
_NEW_SET_VERSION = "1.0.0"
_FILLED = (tfds.features.Text, tfds.features.ClassLabel)  # features that `_filler` can fill


def import_dataset(name: str, source: str, data_dir: str) -> str:
    """Prepare a set in TFDS's own format, so that `tfds.load(name, data_dir=data_dir)` reads it.

    Splits are "train" and "test", one PNG an example, in the order of the source. TFDS writes to an
    `incomplete.*` folder and renames it at the end, so an interrupted import leaves nothing that
    loads. A name that TFDS knows must agree with its image shape and number of classes; any other
    name gets version 1.0.0 and the source's own.

    Args:
      name: a TFDS name ("mnist", "emnist/balanced") or a new one in snake case.
      source: an `.npz` as described by `sources.read_source`; empty lets TFDS download the set.
      data_dir: the TFDS data directory; created if it does not exist.

    Returns:
      The folder of the prepared set.

    Raises:
      UserError: if an argument or the source is not usable, the set is an industrial one or exists
        already, or the download fails.

    """
    if name.partition("/")[0] in INDUSTRIAL:
        raise UserError(
            f"dataset {name!r} needs no preparation: industrial sets are read where they lie, "
            "give --config.data.dir=FOLDER"
        )
    if not _NAME.fullmatch(name):
        raise UserError(f"dataset name {name!r} must be snake case, e.g. mnist or emnist/balanced")
    content = None
    if source:
        content = read_source(source)
        if name == "cifar10" and content.class_names is None:  # TFDS downloads the names too
            content = content._replace(class_names=CIFAR10_CLASSES)
    with _made(name, data_dir), paths.plain(data_dir) as folder:
        prepared = find_prepared(name, data_dir, folder)
        if prepared is not None:
            where = _below(data_dir, folder, prepared)
            raise UserError(
                f"dataset {name!r} is already prepared: delete {where} to import it again"
            )
        known = _known_builder(name, folder)
        if content is not None:
            builder = _store(name, known, content, source, folder)
        else:
            builder = _download(name, known)
        return _below(data_dir, folder, builder)


@contextlib.contextmanager
def _made(name: str, folder: str) -> Iterator[None]:
    """Make a folder; it goes again if the block raises and has left nothing in it."""
    new = not os.path.exists(folder)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write dataset {name!r} to {folder!r}: {error.strerror}") from error
    try:
        yield
    except BaseException:
        if new:
            with contextlib.suppress(OSError):
                os.rmdir(folder)
        raise


def _below(data_dir: str, folder: Path, builder: tfds.core.DatasetBuilder) -> str:
    """Return where a set lies, as the user names the data directory that is open as `folder`."""
    return os.path.join(data_dir, os.path.relpath(builder.data_dir, folder))


def _known_builder(name: str, data_dir: Path) -> tfds.core.DatasetBuilder | None:
    """Return TFDS's own builder of that name, or None. Needs no network."""
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError:
        return None
    except ValueError as error:  # an unknown config
        raise UserError(f"dataset {name!r}: {first_line(error)}") from error


def _download(name: str, known: tfds.core.DatasetBuilder | None) -> tfds.core.DatasetBuilder:
    """Let TFDS download and prepare the set; return its builder."""
    offline = (
        "give the data as a file: --source=FILE.npz with x_train, y_train, x_test, y_test, "
        f"or prepare {name} with TFDS on a machine with network and copy its folder"
    )
    if known is None:
        raise UserError(f"TFDS knows no dataset {name!r} to download: check the name, or {offline}")
    check_image_classification(name, known.info.features)
    if host := _unreachable(known):
        raise UserError(f"TFDS cannot download {name!r}, there is no way to {host}: {offline}")
    print(
        f"TFDS downloads {name}; if that does not go on, stop it and give a file, "
        "--source=FILE.npz",
        file=sys.stderr,
    )
    try:
        known.download_and_prepare()
    except Exception as error:  # network, checksum, manual download: TFDS has no common base
        raise UserError(
            f"TFDS could not download {name!r} ({first_line(error)}): {offline}"
        ) from error
    return known


def _unreachable(known: tfds.core.DatasetBuilder) -> str:
    """Return a host of the set whose name is not known here, empty if there is none.

    Asked first, because TFDS tries for minutes. Behind a proxy only the proxy knows names.
    """
    if urllib.request.getproxies():
        return ""
    for host in {urlsplit(url).hostname for url in known.url_infos}:
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            return host
    return ""


def _store(
    name: str,
    known: tfds.core.DatasetBuilder | None,
    source: Source,
    path: str,
    data_dir: Path,
) -> tfds.core.DatasetBuilder:
    """Write the source under the features of TFDS's builder, or its own; return the builder."""
    if known is None:
        if "/" in name:
            raise UserError(f"TFDS knows no dataset {name!r}: a new name has no /config")
        features, version, about = _inferred_features(source), _NEW_SET_VERSION, {}
    else:
        check_image_classification(name, known.info.features)
        features, version = known.info.features, known.version
        about = {
            "config": known.builder_config,
            "description": known.info.description,
            "homepage": known.info.homepage,
            "citation": known.info.citation,
        }
    _match(name, path, source, features)
    try:
        return tfds.dataset_builders.store_as_tfds_dataset(
            name=name.partition("/")[0],
            version=version,
            features=features,
            split_datasets={split: _examples(source, split, features) for split in source.image},
            data_dir=os.fspath(data_dir),
            disable_shuffling=True,
            **about,
        )
    except OSError as error:
        if disk_full(error):
            raise
        raise UserError(f"cannot write dataset {name!r}: {error}") from error


def _inferred_features(source: Source) -> tfds.features.FeaturesDict:
    """Return image and label features that fit the source."""
    if source.class_names:
        label = tfds.features.ClassLabel(names=source.class_names)
    else:
        label = tfds.features.ClassLabel(
            num_classes=1 + max(int(label.max()) for label in source.label.values())
        )
    image = tfds.features.Image(shape=source.image["train"].shape[1:])
    return tfds.features.FeaturesDict({"image": image, "label": label})


def _match(name: str, path: str, source: Source, features: tfds.features.FeaturesDict) -> None:
    """Check the source against `features` and give these the source's class names if they lack any.

    Raises a UserError that names the file, the key and what was expected.
    """
    for key, feature in features.items():
        if key not in ("image", "label") and type(feature) not in _FILLED:
            raise UserError(
                f"dataset {name!r} has the feature {key}, which an .npz cannot give: leave "
                "--source empty to let TFDS prepare the dataset"
            )
    shape, classes = tuple(features["image"].shape), features["label"].num_classes
    for split, image in source.image.items():
        if image.shape[1:] != shape:
            raise UserError(
                f"{path}: images of x_{split} are {image.shape[1:]} but those of {name} are {shape}"
            )
        largest = source.label[split].max()
        if largest >= classes:
            raise UserError(
                f"{path}: y_{split} holds the label {largest} but labels of {name} are "
                f"0 to {classes - 1}"
            )
    if source.class_names:
        try:
            features["label"].names = list(source.class_names)
        except ValueError as error:
            raise UserError(
                f"{path}: class_names do not fit {name}: leave them out or give its {classes}: "
                f"{', '.join(features['label'].names[:5])} ..."
            ) from error


def _examples(
    source: Source, split: str, features: tfds.features.FeaturesDict
) -> Iterator[tuple[int, dict[str, object]]]:
    """Yield (row, example); the row is the key and so fixes the order in the file."""
    others = [key for key in features if key not in ("image", "label")]
    for row, (image, label) in enumerate(
        zip(source.image[split], source.label[split], strict=True)
    ):
        example = {"image": image, "label": int(label)}
        yield row, example | {key: _filler(features[key], split, row) for key in others}


def _filler(feature: tfds.features.FeatureConnector, split: str, row: int) -> str | int:
    """Return a value for a set's further feature, which the source does not have.

    A text gets TFDS's example id (`cifar10` has "train_00000"), a label gets -1, TFDS's "no label"
    (`cifar100` has a coarse one).
    """
    return f"{split}_{row:05d}" if isinstance(feature, tfds.features.Text) else -1
