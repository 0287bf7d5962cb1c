"""Cases: the product's configs that are measured, and the sizes of their images.

No JAX and no PyTorch: both sides read it.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from adjax.errors import UserError

PRECISIONS = ("float32", "bfloat16")
LEARNING_RATE = 1e-3  # Adam's, on every side
HOST_BATCHES = 4  # drawn once, and used in turn


@dataclasses.dataclass(frozen=True)
class Case:
    """A method of the product in training and in use; the training is that of its last stage.

    Attributes:
      name: name in tables and in `--cases`.
      method: `config.method`.
      dataset: `config.data.name`, whose defaults the config has.
      size: height and width of the images.
      channels: 1 for grey images, 3 for colour.
      batch_size: normal images per training step; a student sees as many auxiliary ones.
      score_batch_size: images scored at once.
      texture: crop in px of a texture's config, see `adjax.config.layout.new_config`; 0: none.

    """

    name: str
    method: str
    dataset: str
    size: int
    channels: int
    batch_size: int
    score_batch_size: int
    texture: int = 0

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(H, W, C)`."""
        return self.size, self.size, self.channels

    @property
    def is_student(self) -> bool:
        """True if a frozen teacher and auxiliary images take part."""
        return self.method in ("oe_sdn", "oe_sdn_fast")


@dataclasses.dataclass(frozen=True)
class Program:
    """A piece of work that a side repeats while being timed.

    Attributes:
      name: "train", "score", "input" (a batch of the pipeline) or "matmul" (the machine's peak).
      variant: how "train" computes its loss: "own", as the method does, "squared", without SSIM, or
        "windows", with local means by depthwise convolutions, as SSIM is commonly written.
      members: size of the population in "train" or "input".
      axis: form of the population in "train", see `adjax.training.members_axis`.
      images: images that "input" makes: "own", as the method trains, or a name of `PIPELINE`.

    """

    name: str
    variant: str = "own"
    members: int = 1
    axis: str = "map"
    images: str = "own"


ZOO = (
    Case("ssim_ae_128", "ssim_ae", "mvtec_ad", 128, 1, 64, 64, texture=128),
    Case("rnan_28", "oe_sdn", "mnist", 28, 1, 8, 200),
    Case("rnan_32", "oe_sdn", "cifar10", 32, 3, 8, 200),
    Case("residual_28", "oe_sdn_fast", "mnist", 28, 1, 8, 200),
    Case("residual_32", "oe_sdn_fast", "cifar10", 32, 3, 8, 200),
    Case("ae_28", "ae", "mnist", 28, 1, 128, 200),
    Case("ae_32", "ae", "cifar10", 32, 3, 128, 200),
)
# Only its input pipeline is measured.
AESC = Case("aesc_256", "aesc_residual", "mvtec_ad", 256, 1, 16, 16)
OTHERS = (AESC,)
# Ten of these make a sweep over classes; its batch is the one for which populations were designed.
POPULATION = dataclasses.replace(ZOO[-1], batch_size=64)
# Images that the input pipeline makes besides normal ones, by method.
PIPELINE = {
    "oe_sdn": (
        "rotation",
        "horizontal_flip",
        "vertical_flip",
        "shearing",
        "gaussian_noise",
        "gaussian_blurring",
        "svd_blurring",
    ),
    "aesc_residual": ("stain", "scratch", "drops", "gaussian"),
}


def choose(names: Sequence[str]) -> list[Case]:
    """Return the cases of these names, or all cases if there are no names."""
    by_name = {case.name: case for case in (*ZOO, *OTHERS)}
    for name in names:
        if name not in by_name:
            raise UserError(f"--cases={name}: choose among {', '.join(by_name)}")
    return [by_name[name] for name in names] or list(by_name.values())


def training_batches(
    case: Case, names: Sequence[str], members: int = 1
) -> list[dict[str, np.ndarray]]:
    """Return batches of noise `{name: [P, B, H, W, C]}` in host memory.

    Args:
      case: the case, which decides their sizes.
      names: the images that a step takes, see `adjax.methods.stage.Stage.update`.
      members: number of members, P.

    """
    shape = (members, case.batch_size, *case.image_shape)
    arrays = {name: random_images(HOST_BATCHES, shape, seed) for seed, name in enumerate(names)}
    return [{name: arrays[name][i] for name in names} for i in range(HOST_BATCHES)]


def score_batches(case: Case) -> list[np.ndarray]:
    """Return images to score, `[B, H, W, C]` each."""
    return random_images(HOST_BATCHES, (case.score_batch_size, *case.image_shape))


def random_images(count: int, shape: tuple[int, ...], seed: int = 0) -> list[np.ndarray]:
    """Draw arrays of a shape, float32 in [0, 1), the same in every process."""
    rng = np.random.default_rng(seed)
    return [rng.random(shape, np.float32) for _ in range(count)]
