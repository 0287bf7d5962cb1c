"""The industrial sets as TFDS builders, prepared from a folder that the user has.

`import_folder` prepares a category; then `tfds.load("mvtec_ad/bottle", data_dir=...)` reads it.
Examples are those of the index in its order, at their own size, decoded strictly and stored as PNG.
"""

import os
import re
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from adjax.datasets.images import to_array
from adjax.datasets.industrial import item_image, item_mask
from adjax.datasets.layouts import Index, categories, read_index
from adjax.datasets.tables import find_prepared, first_line
from adjax.errors import UserError

_CATEGORY = re.compile(r"[\w.-]+", re.ASCII)


class IndustrialBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A set read from its own layout; the category is the config, the folder `manual_dir`.

    Features: `image` uint8 `[H, W, 1 or 3]`; `mask` uint8 `[H, W, 1]`, 255 where there is a defect;
    `has_mask`, False for a defective image without ground truth (its mask is 0); `label`, 1 for a
    defect; `defect`, its kind; `file`, relative to the folder of the category.
    """

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Point manual_dir at the folder that holds the set."

    def _info(self) -> tfds.core.DatasetInfo:
        features = {
            "image": tfds.features.Image(shape=(None, None, None)),
            "mask": tfds.features.Image(shape=(None, None, 1)),
            "has_mask": np.bool_,
            "label": tfds.features.ClassLabel(names=["normal", "anomalous"]),
            "defect": tfds.features.Text(),
            "file": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        index = _index(self.name, os.fspath(dl_manager.manual_dir), self.builder_config.name)
        splits = sorted({item.split for item in index.items})
        return {split: self._generate_examples(index, split) for split in splits}

    def _generate_examples(self, index: Index, split: str) -> Iterator[tuple[int, dict]]:
        for row, item in enumerate(index.of(split)):
            image = to_array(item_image(item), None)
            mask = np.zeros(image.shape[:2], bool) if item.mask is None else item_mask(item)
            yield (
                row,
                {
                    "image": image,
                    "mask": mask[..., None] * np.uint8(255),
                    "has_mask": item.is_good or item.mask is not None,
                    "label": int(not item.is_good),
                    "defect": item.defect,
                    "file": index.name_of(item),
                },
            )


def _configs(name: str) -> list[tfds.core.BuilderConfig]:
    return [tfds.core.BuilderConfig(name=category) for category in categories(name)]


class MvtecAd(IndustrialBuilder):
    """MVTec AD, 15 categories."""

    name = "mvtec_ad"
    BUILDER_CONFIGS = _configs(name)


class Mvtec3dRgb(IndustrialBuilder):
    """MVTec 3D-AD without its depth, 10 categories."""

    name = "mvtec_3d_rgb"
    BUILDER_CONFIGS = _configs(name)


class Dagm2007(IndustrialBuilder):
    """DAGM 2007, 10 classes."""

    name = "dagm2007"
    BUILDER_CONFIGS = _configs(name)


class Rsdds(IndustrialBuilder):
    """RSDDs, types I and II; examples are square crops."""

    name = "rsdds"
    BUILDER_CONFIGS = _configs(name)


class Nanotwice(IndustrialBuilder):
    """NanoTWICE."""

    name = "nanotwice"
    BUILDER_CONFIGS = _configs(name)


class KolektorSdd(IndustrialBuilder):
    """KolektorSDD."""

    name = "kolektor_sdd"
    BUILDER_CONFIGS = _configs(name)


class Folder(IndustrialBuilder):
    """A folder of one's own; its config is any name."""

    name = "folder"


_BUILDERS = {
    builder.name: builder
    for builder in (MvtecAd, Mvtec3dRgb, Dagm2007, Rsdds, Nanotwice, KolektorSdd, Folder)
}


def import_folder(name: str, category: str, source: str, data_dir: str) -> str:
    """Prepare a category in TFDS's own format, without network.

    Args:
      name: of the set, one of `layouts.INDUSTRIAL`.
      category: of the set; for "folder" any name, for sets of one category empty or their name.
      source: the folder that holds the set; for "folder" the images themselves.
      data_dir: the TFDS data directory; created if it does not exist.

    Returns:
      The folder of the prepared set.

    Raises:
      UserError: if an argument or a file of the source is not usable, or the set exists already.

    """
    index = _index(name, source, category)
    if not _CATEGORY.fullmatch(index.category):
        raise UserError(f"category {index.category!r} must be of letters, digits, '_', '-' and '.'")
    full_name = f"{name}/{index.category}"
    if (prepared := find_prepared(full_name, data_dir)) is not None:
        raise UserError(
            f"dataset {full_name!r} is already prepared: delete {prepared.data_dir} to import it "
            "again"
        )
    config = next(
        (known for known in _BUILDERS[name].BUILDER_CONFIGS if known.name == index.category),
        tfds.core.BuilderConfig(name=index.category),
    )
    builder = _BUILDERS[name](config=config, data_dir=os.fspath(data_dir))
    try:
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=source, try_download_gcs=False)
        )
    except UserError as error:  # TFDS puts a line of its own before the message
        raise UserError(str(error).rpartition("\n")[2]) from error
    except OSError as error:
        raise UserError(
            f"cannot write dataset {full_name!r} to {data_dir!r}: {first_line(error)}"
        ) from error
    return os.fspath(builder.data_dir)


def _index(name: str, source: str, category: str) -> Index:
    """The index under the name of a TFDS config."""
    if name != "folder":
        return read_index(name, source, category)
    return read_index(name, source)._replace(category=category or "images")
