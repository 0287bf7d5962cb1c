"""What earns the gain of AESc with a mask: its recipe, and one change of it at a time.

    adjax sweep --config=mask_ablation.py \\
        --workdir=runs/mvtec_ad/ablation

trains each on MVTec's bottle and toothbrush with three seeds; `:600` trains all for 600 steps
instead of 2,000. Folders are named CHANGE/CATEGORY/seedS.
"""

from adjax import grid
from adjax.config.layout import new_config
from adjax.errors import UserError

CHANGES = {
    "recipe": {},
    "stain": {"autoencoder.corruption": "stain"},
    "nsa_like": {"autoencoder.corruption": "nsa_like"},
    "no_mask": {"method": "aesc_residual"},
    "no_lamp": {"mask.lamp": 0.0},
    "no_smoothing": {"maps.sigma": 0.0},
}


def get_config(arg: str = ""):
    """Return the config of the recipe, of so many steps."""
    if arg and not (arg.isascii() and arg.isdigit() and int(arg)):
        raise UserError(f"--config=mask_ablation.py:{arg}: give a number of steps, or none")
    changes = {"autoencoder.steps": int(arg)} if arg else {}
    return new_config("mvtec_ad", "aesc_mask", changes=changes)


def sweep(add, argument):
    """Add the runs: every change of the recipe, two categories, three seeds."""
    categories = grid.axis("data.normal_class", ("bottle", "toothbrush"))
    for change, values in CHANGES.items():
        for point in grid.product(categories, grid.axis("seed", range(3))):
            category, seed = point.values()
            add(f"{change}/{category}/seed{seed}", values | point)
