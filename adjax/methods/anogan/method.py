"""AnoGAN: Schlegl et al., "Unsupervised Anomaly Detection with Generative Adversarial Networks to
Guide Marker Discovery" (2017).

A GAN learns to make normal images. An image is scored by how well the generator can make it, found
by descent in the latent space:

    L(z) = (1 - lambda) sum |x - G(z)| + lambda sum |f(x) - f(G(z))|

with f the discriminator's last map and sums over images of [-1, 1]. The last L(z) is the score.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jax import lax

from adjax.methods import adversarial
from adjax.methods.info import Sections
from adjax.methods.latent_gan import LatentGAN
from adjax.methods.networks import variables_of, with_state
from adjax.methods.precision import in_training
from adjax.methods.stage import DATA_AXIS, Method, Scores, Stage, dynamic_keys
from adjax.models.dcgan import DCDiscriminator, DCGenerator

ANOGAN = "anogan"
IMAGE_SCORES = ("loss", "residual", "features")
_DISCRIMINATOR = "discriminator"
_BETAS = {"b1": 0.5, "b2": 0.999}  # DCGAN's


def anogan(sections: Sections) -> Method:
    """Build AnoGAN: score L(z) after `anogan_search.steps` steps, map |x - G(z)|."""
    scores_in = latent_loss(sections)
    latent_size, search = sections.anogan.latent_size, sections.anogan_search

    def score(variables, image, key):
        image_scores = scores_in(variables[ANOGAN], image)
        start = draw_latents(key, (1, latent_size))  # one for all images
        start = jnp.broadcast_to(start, (image.shape[0], latent_size))
        z = search_latents(
            lambda z: image_scores(z)[0]["loss"], start, search.steps, search.learning_rate
        )
        scores, made = image_scores(z)
        return Scores(
            image_score=scores,
            anomaly_map=jnp.abs(image - made).mean(-1),
            reconstruction={"AnoGAN": made},
        )

    return Method(ANOGAN, (_stage(sections),), score, IMAGE_SCORES, dynamic_keys(ANOGAN))


def latent_loss(sections: Sections) -> Callable:
    """Return what is searched: `(variables of the stage, image [B, H, W, C]) -> (z -> values)`.

    `z` is `[B, Z]`; `values` is `(scores, G(z) in [0, 1])`, the scores `[B]` L(z) as `loss` and its
    two sums without their weights.
    """
    gan = _gan(sections)
    weight = sections.anogan_search.feature_weight

    def features_of(variables, signed):
        own = variables_of(variables, _DISCRIMINATOR)
        return gan.judge.apply(own, signed)[1]["features"]

    def image_scores_of(variables, image):
        signed = adversarial.to_signed(image)
        wanted = features_of(variables, signed)

        def image_scores(z):
            made = gan.generate(variables, z, image)
            residual = jnp.abs(signed - made).sum((1, 2, 3))
            features = jnp.abs(wanted - features_of(variables, made)).sum((1, 2, 3))
            loss = (1 - weight) * residual + weight * features
            scores = {"loss": loss, "residual": residual, "features": features}
            return scores, adversarial.to_unit(made)

        return image_scores

    return image_scores_of


def draw_latents(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Draw latents as DCGAN does, uniform in [-1, 1]."""
    return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)


def search_latents(loss_of: Callable, start: jax.Array, steps: int, rate: float) -> jax.Array:
    """Return the latents at which Adam arrives from `start` `[B, Z]`, each on its own.

    Args:
      loss_of: `[B, Z] -> [B]`; no loss depends on another's latent.
      start: latents to begin with.
      steps: number of Adam's updates.
      rate: its learning rate.

    """
    optimizer = optax.adam(rate)
    gradient = jax.grad(lambda z: loss_of(z).sum())

    def step(carry, _):
        z, opt_state = carry
        with jax.numpy_dtype_promotion("standard"):  # Optax raises floats to integer powers
            update, opt_state = optimizer.update(gradient(z), opt_state)
        return (z + update, opt_state), None

    (z, _), _ = lax.scan(step, (start, optimizer.init(start)), length=steps)
    return z


def _gan(sections: Sections) -> LatentGAN:
    own = sections.anogan
    widths, kernel = own.widths, own.kernel
    generator = functools.partial(DCGenerator, widths=widths, kernel=kernel, batch_axis=DATA_AXIS)
    discriminator = DCDiscriminator(widths[::-1], kernel, DATA_AXIS)
    optimizer = optax.scale_by_adam(**_BETAS)
    return LatentGAN(
        generator, discriminator, _DISCRIMINATOR, own.latent_size, draw_latents, optimizer
    )


def _stage(sections: Sections) -> Stage:
    own, gan = sections.anogan, _gan(sections)

    def validate(variables, frozen, image):
        judge = variables_of(variables, _DISCRIMINATOR)
        logit, _ = gan.judge.apply(judge, adversarial.to_signed(image))
        return adversarial.binary_cross_entropy(logit, 1.0)

    return Stage(
        name=ANOGAN,
        steps=own.steps,
        batch_size=own.batch_size,
        images_per_update=own.batch_size,
        depends_on=("data", ANOGAN),
        init=gan.init,
        update=_update(gan, sections.precision),
        validate=validate,
        limits=(adversarial.spread_limit(own.least_spread, own.spread_after),),
    )


def _update(gan: LatentGAN, precision: str):
    """Return the update: a step of the discriminator, then one of the generator.

    Real and made images go through the discriminator apart, each with their own batch statistics;
    its running ones follow both. Those of a network follow in its own steps only.
    """
    judge = in_training(gan.judge, precision)
    rate, weight_decay = dynamic_keys(ANOGAN)

    def judged(own, image):
        (logit, _), statistics = judge.apply(own, image, train=True, mutable=["batch_stats"])
        return logit, {**own, **statistics}

    def generator_loss(variables, made):
        logit, _ = judged(variables_of(variables, _DISCRIMINATOR), made)
        return adversarial.generator_loss(logit)

    def update(state, frozen, batch, key, member):
        rates = member[rate], member[weight_decay]

        def discriminator_turn(state, image, key):
            fake, _ = gan.make(state.variables, image, key, precision)

            def objective(variables):
                own = variables_of(variables, _DISCRIMINATOR)
                on_real, own = judged(own, adversarial.to_signed(image))
                on_fake, own = judged(own, fake)
                loss = adversarial.discriminator_loss(on_real, on_fake)
                return loss, ({}, with_state(state.model_state, _DISCRIMINATOR, own))

            return adversarial.step_network(state, _DISCRIMINATOR, objective, gan.optimizer, *rates)

        generator_turn = gan.generator_turn(generator_loss, precision, *rates)
        turns = adversarial.in_turns(discriminator_turn, generator_turn)
        state, metrics = turns(state, batch["image"], key)
        return state, {**metrics, "loss": metrics["discriminator_loss"]}

    return update
