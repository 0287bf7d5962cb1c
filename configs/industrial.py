"""What experiments on industrial images share: defaults, methods, tables, their names.

A data set is a folder of categories with normal and defective images: `config.data.dir` is that
folder, or with `dir` empty the one of the set's name below the environment variable ADJAX_DATA_DIR.
"""

from ml_collections import ConfigDict

from configs import base, baselines

RECONSTRUCTION = (
    *("aesc_residual", "aesc_uncertainty", "ae_d6_residual", "ae_d6_uncertainty"),
    *("ssim_ae", "ae_l2", "unet_ae"),
)
DISTILLATION = ("ae", "sdn", "oe_sdn")
METHODS = (*RECONSTRUCTION, *DISTILLATION, *baselines.INDUSTRIAL)
BERGMANN = ("ssim_ae", "ae_l2")  # networks for patches of 128 or 256 px only
# Tables that any data set can have: what training on corrupted images brings, with stains or
# `--config.autoencoder.corruption=none`, and what the loss does for one network.
TABLES = {
    "corruption_table": ("aesc_residual", "aesc_uncertainty", "ae_d6_residual"),
    "loss_table": BERGMANN,
}
# Whose steps `steps=` is, where it is not `autoencoder`.
TRAINED = {name: name for name in ("vae", "anogan", "ganomaly", "skip_ganomaly", "itae")}
TRAINED["f_anogan"] = "wgan"
VARIANTS = ("texture", "smoke")
CHOICES = ("categories", "seeds", "steps", "methods")
TEXTURES = ("carpet", "grid", "leather", "tile", "wood")

# Corruptions of training images, as in the code of the AESc's authors, where not marked.
STAIN = {
    "size_low": 0.01,
    "size_high": 0.12,
    "colour_low": 10,
    "colour_high": 220,
    "irregularity": 0.1,
    "blur": 0.0,
    "noise_variance": 0.05 / 255,
}
SCRATCH = {"colour_low": 150, "colour_high": 150, "deviation": 20.0, "brush": 3}
DROPS = {
    "number": 10,
    "radius_low": 0.01,
    "radius_high": 0.02,
    "scatter": 0.01,
    "colour_low": 220,
    "colour_high": 220,
}
_ANY_GREY = {"colour_low": 10, "colour_high": 220}  # of scratches and drops in mixtures
CORRUPTION = {
    "stain": STAIN,
    "scratch": SCRATCH,
    "drops": DROPS,
    "gaussian": {"sigma": 0.1},
    "structural": {
        "parts": (0.6, 0.2, 0.2),  # as meant; a slip in their code makes it 0.2, 0.2, 0.6
        "stain": {**STAIN, "blur": 0.15},
        "scratch": {**SCRATCH, **_ANY_GREY},
        "drops": {**DROPS, **_ANY_GREY},
    },
    "stain_or_gaussian": {
        "parts": (0.6, 0.4),
        "stain": {**STAIN, "blur": 0.15},
        "gaussian": {"sigma": 0.1**0.5},
    },
}

# Crops to train on; their size is `data.patch`. How far MVTec's objects move is not stated: [D].
CROPS = {
    "rotated_crops": {},
    "translation_rotation": {"translation": 0.05, "angle": 10, "mirror": False},
}


def defaults() -> ConfigDict:
    """The AESc on whole images of 256 px; values marked [D] are ours, no source states them."""
    config = base.defaults()
    config.method = "aesc_residual"
    config.data = ConfigDict(
        {
            "name": "mvtec_ad",
            "dir": "",
            "normal_class": "bottle",  # the category
            "validation_fraction": 0.2,  # of the normal training images
            "size": 256,  # images are resized to
            "channels": 1,
            "patch": 0,  # size of the patches that a network sees; 0: whole images
            "crops": "",  # how patches to train on are cut; a section of `crops`
            "samples": 0,  # patches an epoch, the same in every one; 0: anew, one an image
        }
    )
    config.autoencoder = ConfigDict(
        {
            "batch_size": 16,
            "steps": 31250,  # 250 epochs of 2000 images
            "learning_rate": 1e-3,  # what the released code trains with
            "weight_decay": 0.0,
            "schedule": "cosine",  # [D]; the released code halves it on a plateau
            "corruption": "stain",
            "depth": 6,
            "kernel": 5,
            "width": 16,  # 48 in the U-Net
            "code_size": 100,
            "extra_layers": 0,
        }
    )
    # Monte-Carlo dropout, while scoring only; rates by level of the encoder, largest first.
    config.uncertainty = ConfigDict(
        {
            "passes": 30,
            "aesc": (0.0, 0.0, 0.1, 0.2, 0.4, 0.5),
            "ae_d6": (0.0, 0.0, 0.0, 0.0, 0.1, 0.2),
        }
    )
    config.corruption = ConfigDict(CORRUPTION)
    config.crops = ConfigDict(CROPS)
    config.windows = ConfigDict({"stride": 32, "at_once": 4})  # of patches, while scoring
    config.threshold = ConfigDict(
        {
            "rule": "quantile",  # [D] what decisions are made by
            "quantile": 0.995,  # [D] of the pixels of held-out normal images
            "k": 3.0,  # [D] standard deviations above their mean
            "area": 25,  # [D] pixels; the paper's minimum areas are not stated
            "image_quantile": 0.95,  # [D] of the scores of held-out normal images
        }
    )
    config.select = "best"
    config.image_score = "l2"  # [D] root mean square of the map
    config.log_every = 25
    config.checkpoint_every = 250
    config.evaluation = ConfigDict({"batch_size": 16, "robustness": False})
    return config


def industrial(dataset: str, argument: str, tables: tuple[str, ...] = ()) -> ConfigDict:
    """A run of the method that `argument` names, or what a table's runs have in common.

    Args:
      dataset: a name of `adjax.datasets.INDUSTRIAL`.
      argument: see `parse`.
      tables: names of the sweeps.

    """
    name, variants, chosen = parse(argument, tables)
    config = defaults()
    config.data.name = dataset
    config.update_from_flattened_dict(of_method(name if name in METHODS else METHODS[0]))
    if "texture" in variants:
        config.update_from_flattened_dict(patches(128))
    if "smoke" in variants:
        config.update_from_flattened_dict(smoke(config.method, bool(config.data.patch)))
    if "steps" in chosen:
        config.autoencoder.steps = chosen["steps"][0]
    return config


def of_method(method: str) -> dict:
    """What a method has of its own, by dotted keys: on whole images, but for style distillation."""
    if method in BERGMANN:
        return {
            "method": method,
            "autoencoder.batch_size": 128,
            "autoencoder.steps": 15600,  # 200 epochs of 10,000 images
            "autoencoder.learning_rate": 2e-4,
            "autoencoder.weight_decay": 1e-5,
            "autoencoder.schedule": "constant",
            "autoencoder.corruption": "none",
            "autoencoder.code_size": 500,  # of objects; 100 of textures
            "autoencoder.extra_layers": 1,
            "data.crops": "translation_rotation",
            "data.patch": 256,
            "data.samples": 10000,
        }
    if method == "unet_ae":
        return {
            "method": method,
            "autoencoder.batch_size": 4,
            "autoencoder.steps": 10000,  # 50 epochs of 800 images
            "autoencoder.schedule": "constant",
            "autoencoder.corruption": "none",
            "autoencoder.width": 48,
        }
    if method in DISTILLATION:
        return {"method": method, "image_score": "d", **patches(64)}
    if method in baselines.INDUSTRIAL:
        return baselines.of_method(method, "industrial")
    return {"method": method}


def patches(size: int) -> dict:
    """Train on patches cut out at random, score by windows: for textures, and for attention."""
    return {
        "data.crops": "rotated_crops",
        "data.patch": size,
        "data.samples": 10000,
        "autoencoder.code_size": 100,
        "autoencoder.extra_layers": 0,
    }


def smoke(method: str, patches: bool) -> dict:
    """A method cut down to a minute, by dotted keys; patches are scored by windows if they can."""
    size = 128 if method in BERGMANN else 64
    patch = size if method in BERGMANN else 32
    return {
        "data.size": size,
        "data.patch": patch if patches else 0,
        "autoencoder.steps": 8,
        "autoencoder.batch_size": 4,
        "autoencoder.depth": 3,
        "autoencoder.width": 4,
        "autoencoder.code_size": 8,
        "autoencoder.extra_layers": 0,
        "uncertainty.passes": 2,
        "uncertainty.aesc": (0.0, 0.1, 0.2),
        "uncertainty.ae_d6": (0.0, 0.0, 0.1),
        "teacher.steps": 8,
        "teacher.widths": (4, 8, 8),
        "teacher.batch_size": 4,
        "teacher.code_size": 4,
        "student.steps": 4,
        "student.features": 4,
        "student.batch_size": 2,
        "evaluation.batch_size": 4,
        **baselines.SMOKE,
        "log_every": 2,
        "checkpoint_every": 4,
    }


def industrial_sweep(add, argument: str, tables: dict[str, tuple[str, ...]], categories) -> None:
    """Add the runs of a table, named METHOD/CATEGORY/seedS; of a method's name, none.

    The one category of a folder of one's own has no name. What a method has of its own the command
    line may overrule.

    Args:
      add: as the planner gives it.
      argument: see `parse`: `categories`, `seeds` and `methods` choose, the last among all of
        `METHODS`; `steps` is that of `TRAINED`.
      tables: for each table its methods.
      categories: all of them; a planner leaves out those that are not there.

    """
    name, variants, chosen = parse(argument, tuple(tables))
    for method in chosen.get("methods", tables.get(name, ())):
        base.check(method, METHODS)
        for category in chosen.get("categories", categories):
            own = of_method(method)
            if method in BERGMANN and (category in TEXTURES or "texture" in variants):
                own |= patches(128)
            if "smoke" in variants:
                own |= smoke(method, "data.patch" in own)
            if "steps" in chosen:
                own[f"{TRAINED.get(method, 'autoencoder')}.steps"] = chosen["steps"][0]
            for seed in chosen.get("seeds", (0,)):
                run = {"method": method, "data.normal_class": category, "seed": seed}
                parts = method, category, f"seed{seed}"
                add("/".join(filter(None, parts)), run, own)


def parse(argument: str, tables: tuple[str, ...] = ()) -> tuple[str, list[str], dict]:
    """Split `NAME[,VARIANT ...][,CHOICE=A+B ...]`, the part of --config after the colon."""
    words = ("categories", "methods")
    return base.split(argument or METHODS[0], (*METHODS, *tables), VARIANTS, CHOICES, words)
