"""Skip-GANomaly (Akcay et al. 2019), a U-Net that a discriminator helps to train and to score."""

from adjax.methods.info import MethodInfo
from adjax.methods.reproducing_settings import ReproducingGAN, on_datasets, smoke

METHODS = (
    MethodInfo(
        name="skip_ganomaly",
        title="Skip-GANomaly",
        paper="Akcay et al. 2019",
        builder="skip_ganomaly.method:skip_ganomaly",
        sections={"skip_ganomaly": ReproducingGAN()},
        image_score="combined",
        on=on_datasets("skip_ganomaly"),
        smoke=smoke("skip_ganomaly"),
        steps="skip_ganomaly",
    ),
)
