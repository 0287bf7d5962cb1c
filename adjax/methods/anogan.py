"""AnoGAN: Schlegl et al., "Unsupervised Anomaly Detection with Generative Adversarial Networks to
Guide Marker Discovery" (2017).

A GAN learns to make normal images. An image is scored by how well the generator can make it, found
by descent in the latent space:

    L(z) = (1 - lambda) sum |x - G(z)| + lambda sum |f(x) - f(G(z))|

with f the discriminator's last map and sums over images of [-1, 1]. The last L(z) is the score.
"""

import functools

import jax
import jax.numpy as jnp
import optax
from jax import lax

from adjax.methods import adversarial
from adjax.methods.latent_gan import LatentGAN
from adjax.methods.networks import variables_of, with_state
from adjax.methods.stage import DATA_AXIS, Method, Scores, Stage, dynamic_keys
from adjax.models import DCDiscriminator, DCGenerator

ANOGAN = "anogan"
SEARCH = "anogan_search"
IMAGE_SCORES = ("loss", "residual", "features")
_DISCRIMINATOR = "discriminator"
_BETAS = {"b1": 0.5, "b2": 0.999}  # DCGAN's


def anogan(config) -> Method:
    """`method = "anogan"`: score L(z) after `config.anogan_search.steps` steps, map |x - G(z)|."""
    found_in = latent_loss(config)
    latent_size, settings = config.anogan.latent_size, config[SEARCH]

    def score(variables, image, key):
        image_scores = found_in(variables[ANOGAN], image)
        start = draw_latents(key, (1, latent_size))  # one for all images
        start = jnp.broadcast_to(start, (image.shape[0], latent_size))
        z = search_latents(
            lambda z: image_scores(z)[0]["loss"], start, settings.steps, settings.learning_rate
        )
        scores, made = image_scores(z)
        return Scores(
            image_score=scores,
            anomaly_map=jnp.abs(image - made).mean(-1),
            reconstruction={"AnoGAN": made},
        )

    return Method(ANOGAN, (_stage(config),), score, IMAGE_SCORES, dynamic_keys(ANOGAN))


def latent_loss(config):
    """What is searched: `(variables of the stage, image [B, H, W, C]) -> (z [B, Z] -> found)`.

    `found` is `(scores, G(z) in [0, 1])`, the scores L(z) as `loss` and its two sums without their
    weights, `[B]`.
    """
    gan = _gan(config)
    weight = config[SEARCH].feature_weight

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
    """Latents as DCGAN draws them, uniform in [-1, 1]."""
    return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)


def search_latents(loss_of, start: jax.Array, steps: int, rate: float) -> jax.Array:
    """Where Adam arrives from `start` `[B, Z]`, each latent on its own.

    Args:
      loss_of: `[B, Z] -> [B]`; no loss depends on another's latent.
      start: of the search.
      steps: of Adam.
      rate: its learning rate.

    """
    optimizer = optax.adam(rate)
    gradient = jax.grad(lambda z: loss_of(z).sum())

    def step(carry, _):
        z, opt_state = carry
        with jax.numpy_dtype_promotion("standard"):  # Optax raises floats to integer powers
            update, opt_state = optimizer.update(gradient(z), opt_state)
        return (z + update, opt_state), None

    (found, _), _ = lax.scan(step, (start, optimizer.init(start)), length=steps)
    return found


def _gan(config) -> LatentGAN:
    settings = config[ANOGAN]
    widths, kernel = tuple(settings.widths), settings.kernel
    generator = functools.partial(DCGenerator, widths=widths, kernel=kernel, batch_axis=DATA_AXIS)
    discriminator = DCDiscriminator(widths[::-1], kernel, DATA_AXIS)
    optimizer = optax.scale_by_adam(**_BETAS)
    return LatentGAN(
        *(generator, discriminator, _DISCRIMINATOR),
        *(settings.latent_size, draw_latents, optimizer),
    )


def _stage(config) -> Stage:
    settings, gan = config[ANOGAN], _gan(config)

    def validate(variables, frozen, image):
        own = variables_of(variables, _DISCRIMINATOR)
        logit, _ = gan.judge.apply(own, adversarial.to_signed(image))
        return adversarial.binary_cross_entropy(logit, 1.0)

    return Stage(
        name=ANOGAN,
        steps=settings.steps,
        batch_size=settings.batch_size,
        images_per_update=settings.batch_size,
        sections=("data", ANOGAN),
        init=gan.init,
        update=_update(gan, config.precision),
        validate=validate,
        limits=(adversarial.spread_limit(settings.least_spread, settings.spread_after),),
    )


def _update(gan: LatentGAN, dtype: str):
    """A step of the discriminator, then one of the generator.

    Real and made images go through the discriminator apart, each with their own batch statistics;
    its running ones follow both. Those of a network follow in its own steps only.
    """
    judge = gan.judge.copy(dtype=dtype)
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
            fake, _ = gan.make(state.variables, image, key, dtype)

            def objective(variables):
                own = variables_of(variables, _DISCRIMINATOR)
                on_real, own = judged(own, adversarial.to_signed(image))
                on_fake, own = judged(own, fake)
                loss = adversarial.discriminator_loss(on_real, on_fake)
                return loss, ({}, with_state(state.model_state, _DISCRIMINATOR, own))

            return adversarial.step_network(state, _DISCRIMINATOR, objective, gan.optimizer, *rates)

        generator_turn = gan.generator_turn(generator_loss, dtype, *rates)
        turns = adversarial.in_turns(discriminator_turn, generator_turn)
        state, metrics = turns(state, batch["image"], key)
        return state, {**metrics, "loss": metrics["discriminator_loss"]}

    return update
