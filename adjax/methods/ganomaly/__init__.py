"""GANomaly (Akcay et al. 2018), which compares an image's code with its reconstruction's."""

from adjax.methods.info import MethodInfo
from adjax.methods.reproducing_settings import ReproducingGAN, on_datasets, smoke

METHODS = (
    MethodInfo(
        name="ganomaly",
        title="GANomaly",
        paper="Akcay et al. 2018",
        builder="ganomaly.method:ganomaly",
        sections={"ganomaly": ReproducingGAN()},
        image_score="latent",
        on=on_datasets("ganomaly"),
        smoke=smoke("ganomaly"),
        steps="ganomaly",
    ),
)
