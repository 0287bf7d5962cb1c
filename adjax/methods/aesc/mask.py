"""AESc with a mask: our variant, which says where an image was changed besides taking it off [D].

One more channel of the last convolution is the logit of a mask. It learns where a patch was pasted,
as far as that can be seen: its target is the blurred difference of pasted and clean image over a
contrast, cut at one, so that a patch that changes nothing counts as normal.
"""

import jax
import jax.numpy as jnp
import optax

from adjax import losses
from adjax.methods.info import Sections
from adjax.methods.precision import in_training
from adjax.methods.reconstruction import (
    AUTOENCODER,
    autoencoder_method,
    corruption_of,
    map_scores,
)
from adjax.methods.stage import DATA_AXIS, Method, drawn_share, network_stage
from adjax.models.aesc import AESc
from adjax.ops import gaussian_filter


def aesc_mask(sections: Sections) -> Method:
    """Build AESc with a mask; the map is the mask's probability."""
    own, mask = sections.autoencoder, sections.mask
    model = AESc(own.depth, own.width, own.kernel, mask=True, batch_axis=DATA_AXIS)
    trained = in_training(model, sections.precision)
    corruption = corruption_of(sections)
    source = "image" if corruption is None else "corrupted"

    def loss(image, changed, reconstruction, others):
        """Return the squared error and the cross entropy of the mask, `[B]` both."""
        target = visible_change(image, changed, mask.sigma, mask.contrast)
        entropy = optax.sigmoid_binary_cross_entropy(others["mask_logit"], target)
        return losses.mean_squared_error(image, reconstruction), entropy.mean((1, 2))

    def objective(variables, frozen, batch, key, member):
        draws = drawn_share(jax.random.uniform, key, (len(batch["image"]),))
        lamp = (1 + mask.lamp * (2 * draws - 1))[:, None, None, None]
        image, changed = (jnp.clip(lamp * batch[name], 0, 1) for name in ("image", source))
        output, model_state = trained.apply(variables, changed, train=True, mutable=["batch_stats"])
        squared, entropy = (part.mean() for part in loss(image, changed, *output))
        terms = {"squared": squared, "cross_entropy": entropy}
        return squared + mask.weight * entropy, (terms, model_state)

    def validate(variables, frozen, image):
        squared, entropy = loss(image, image, *model.apply(variables, image))
        return squared + mask.weight * entropy

    def score(variables, image, key):
        reconstruction, others = model.apply(variables[AUTOENCODER], image)
        return map_scores(jax.nn.sigmoid(others["mask_logit"]), {"AESc": reconstruction})

    depends_on = ("data", AUTOENCODER, "mask", "network=aesc_mask")
    if corruption is not None:
        depends_on += (f"corruption.{corruption[0]}",)
    stage = network_stage(
        AUTOENCODER, own, model, objective, validate, depends_on, corruption=corruption
    )
    return autoencoder_method("aesc_mask", stage, score)


def visible_change(
    image: jax.Array, changed: jax.Array, sigma: float, contrast: float
) -> jax.Array:
    """Return how visible a change is, in [0, 1]: `[B, H, W, C]` twice -> `[B, H, W]`.

    Args:
      image: clean.
      changed: the same with a patch.
      sigma: of the Gaussian that blurs the absolute difference, as a part of the height; 0: none.
      contrast: the difference that counts as 1.

    """
    difference = losses.absolute_error(image, changed).mean(-1)
    blurred = gaussian_filter(difference, sigma * image.shape[1])
    return jnp.clip(blurred / contrast, 0, 1)
