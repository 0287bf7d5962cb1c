"""What experiments on industrial images share: defaults, methods, sweeps, the parser of their names.

A data set is a folder of categories with normal and defective images: `config.data.dir` is that
folder, or with `dir` empty the one of the set's name below the environment variable ADJAX_DATA_DIR.
"""

from ml_collections import ConfigDict

from configs import base

RECONSTRUCTION = (
    *("aesc_residual", "aesc_uncertainty", "ae_d6_residual", "ae_d6_uncertainty"),
    *("ssim_ae", "ae_l2", "unet_ae"),
)
METHODS = (*RECONSTRUCTION, "ae", "sdn", "oe_sdn")
VARIANTS = ("texture", "object", "smoke")
CHOICES = ("categories", "seeds")

# Corruptions of training images and their parameters: those of the stain are published in the
# authors' code, so are scratch and drops; the other values are [D].
CORRUPTION = {}

# Crops and their parameters; sizes come from `data.patch`.
CROPS = {}


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
            "width": 16,
            "dropout_rates": (0.0, 0.0, 0.1, 0.2, 0.4, 0.5),
            "code_size": 100,
            "extra_layers": 0,
        }
    )
    config.corruption = ConfigDict(CORRUPTION)
    config.crops = ConfigDict(CROPS)
    config.windows = ConfigDict({"stride": 32, "chunk": 64})  # of patches while scoring
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


def industrial(dataset: str, argument: str, sweeps: tuple[str, ...] = ()) -> ConfigDict:
    """A set of industrial images; `argument` as for `parse`: a method's run, or what a sweep varies."""
    name, variants, _ = parse(argument, sweeps)
    config = defaults()
    config.data.name = dataset
    if name in METHODS:
        set_method(config, name)
    if "texture" in variants:
        use_patches(config)
    if "smoke" in variants:
        config.data.update(size=64)
        config.autoencoder.update(steps=8, batch_size=4, depth=3, width=4, code_size=8)
        config.autoencoder.dropout_rates = (0.0, 0.1, 0.2)
        config.teacher.update(steps=8, widths=(4, 8, 8), batch_size=4, code_size=4)
        config.student.update(steps=4, features=4, batch_size=2)
        config.log_every, config.checkpoint_every = 2, 4
    return config


def set_method(config: ConfigDict, method: str) -> None:
    """The settings of a method, on whole images."""
    config.method = method
    if method in ("ssim_ae", "ae_l2"):
        config.autoencoder.update(
            batch_size=128,
            steps=15600,  # 200 epochs of 10,000 images
            learning_rate=2e-4,
            weight_decay=1e-5,
            schedule="constant",
            corruption="none",
            code_size=500,  # objects; 100 for textures
            extra_layers=1,
        )
        config.data.update(crops="translation_rotation", patch=256, samples=10000)
    if method == "unet_ae":
        config.autoencoder.update(batch_size=4, steps=10000, schedule="constant", corruption="none")
    if method in ("ae", "sdn", "oe_sdn"):
        config.image_score = "d"
        use_patches(config, 64)


def use_patches(config: ConfigDict, size: int = 128) -> None:
    """Train on patches cut out at random, score by windows: for textures."""
    config.data.update(crops="rotated_crops", patch=size, samples=10000)
    config.autoencoder.update(code_size=100, extra_layers=0)


def parse(argument: str, sweeps: tuple[str, ...] = ()) -> tuple[str, list[str], dict]:
    """Split `NAME[,VARIANT ...][,CHOICE=A+B ...]`, the part of --config after the colon."""
    return base.split_argument(
        argument or METHODS[0], (*METHODS, *sweeps), VARIANTS, CHOICES if sweeps else ()
    )
