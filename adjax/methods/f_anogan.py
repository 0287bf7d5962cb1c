"""f-AnoGAN: Schlegl et al., "f-AnoGAN: Fast unsupervised anomaly detection with generative
adversarial networks" (2019).

A Wasserstein GAN learns to make normal images; then, G and the critic D frozen, an encoder learns
to find the latent of an image ("izi_f"):

    L = mean (x - G(E(x)))^2 + kappa mean (f(x) - f(G(E(x))))^2

with f the critic's features and images of [-1, 1]. L is the score too; nothing is searched.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from adjax.methods import adversarial
from adjax.methods.networks import Network, init_networks, variables_of, with_state
from adjax.methods.stage import (
    DATA_AXIS,
    Method,
    Scores,
    Stage,
    drawn_share,
    dynamic_keys,
    init_with,
    learning_curve,
    minimise,
)
from adjax.models import ResNetCritic, ResNetEncoder, ResNetGenerator

F_ANOGAN, WGAN, ENCODER = "f_anogan", "wgan", "izi_encoder"
IMAGE_SCORES = ("loss", "residual", "features")
_GENERATOR, _CRITIC = "generator", "critic"
_BETAS = {"b1": 0.0, "b2": 0.9}
_RMSPROP = {"decay": 0.9, "eps": 1e-10, "initial_scale": 1.0}  # TensorFlow's


class _Networks(NamedTuple):
    generator: functools.partial  # of the shape of an image
    critic: nn.Module
    encoder: nn.Module


def f_anogan(config) -> Method:
    """`method = "f_anogan"`: score L, map |x - G(E(x))|."""
    networks = _networks(config)

    def score(variables, image, key):
        z, _ = networks.encoder.apply(variables[ENCODER], adversarial.to_signed(image))
        terms, made = _terms(networks, variables[WGAN], image, z)
        made = adversarial.to_unit(made)
        return Scores(
            image_score=_with_loss(terms, config[ENCODER].kappa),
            anomaly_map=jnp.abs(image - made).mean(-1),
            reconstruction={"f-AnoGAN": made},
        )

    stages = _wgan_stage(config, networks), _encoder_stage(config, networks)
    dynamic = dynamic_keys(WGAN) + dynamic_keys(ENCODER)
    return Method(F_ANOGAN, stages, score, IMAGE_SCORES, dynamic)


def _networks(config) -> _Networks:
    settings = config[WGAN]
    widths = tuple(settings.widths)
    generator = functools.partial(ResNetGenerator, widths=widths, batch_axis=DATA_AXIS)
    encoder = ResNetEncoder(settings.latent_size, widths, DATA_AXIS)
    return _Networks(generator, ResNetCritic(widths), encoder)


def _terms(networks: _Networks, gan, image: jax.Array, z: jax.Array):
    """Both mean squares, `[B]` by name, of images and what is made of `z`, and that in [-1, 1]."""
    signed = adversarial.to_signed(image)
    generator, own = networks.generator(image.shape[1:]), variables_of(gan, _GENERATOR)
    made, _ = generator.apply(own, z)
    own = variables_of(gan, _CRITIC)
    wanted, found = (networks.critic.apply(own, x)[1]["features"] for x in (signed, made))
    return {
        "residual": jnp.square(signed - made).mean((1, 2, 3)),
        "features": jnp.square(wanted - found).mean(1),
    }, made


def _with_loss(terms: dict[str, jax.Array], kappa: float) -> dict[str, jax.Array]:
    return {"loss": terms["residual"] + kappa * terms["features"], **terms}


def _encoder_stage(config, networks: _Networks) -> Stage:
    settings = config[ENCODER]
    trained = networks.encoder.copy(dtype=config.precision)
    optimizer = optax.scale_by_rms(**_RMSPROP)

    def objective(variables, frozen, batch, key, member):
        signed = adversarial.to_signed(batch["image"])
        (z, _), statistics = trained.apply(variables, signed, train=True, mutable=["batch_stats"])
        terms, _ = _terms(networks, frozen[WGAN], batch["image"], z)
        means = {name: value.mean() for name, value in terms.items()}
        loss = _with_loss(means, settings.kappa)["loss"]
        return loss, (means, statistics)

    def validate(variables, frozen, image):
        z, _ = networks.encoder.apply(variables, adversarial.to_signed(image))
        return _with_loss(_terms(networks, frozen[WGAN], image, z)[0], settings.kappa)["loss"]

    return Stage(
        name=ENCODER,
        steps=settings.steps,
        batch_size=settings.batch_size,
        images_per_update=settings.batch_size,
        auxiliary=None,
        sections=("data", WGAN, ENCODER),
        init=init_with(networks.encoder, optimizer),
        update=minimise(ENCODER, objective, optimizer, learning_curve("constant", settings.steps)),
        validate=validate,
    )


def _wgan_stage(config, networks: _Networks) -> Stage:
    settings = config[WGAN]
    optimizer = optax.scale_by_adam(**_BETAS)

    def init(key, image):
        of_stage = {
            _GENERATOR: Network(
                networks.generator(image.shape[1:]),
                lambda image: jnp.zeros((1, settings.latent_size)),
                optimizer,
            ),
            _CRITIC: Network(networks.critic, lambda image: image, optimizer),
        }
        return init_networks(of_stage)(key, image)

    def validate(variables, frozen, image):
        value, _ = networks.critic.apply(
            variables_of(variables, _CRITIC), adversarial.to_signed(image)
        )
        return -value

    images = settings.critic_steps * settings.batch_size
    return Stage(
        name=WGAN,
        steps=settings.steps,
        batch_size=images,
        images_per_update=images,
        auxiliary=None,
        sections=("data", WGAN),
        init=init,
        update=_wgan_update(config, networks, optimizer),
        validate=validate,
        limits=(adversarial.spread_limit(settings.least_spread, settings.spread_after),),
    )


def _wgan_update(config, networks: _Networks, optimizer):
    """`critic_steps` of the critic, each on images and latents of its own, then one of G."""
    settings = config[WGAN]
    critic = networks.critic.copy(dtype=config.precision)
    rate, weight_decay = dynamic_keys(WGAN)

    def make(variables, image, key):
        """Images of fresh latents, and the generator's new statistics."""
        z = drawn_share(jax.random.normal, key, (len(image), settings.latent_size))
        model = networks.generator(image.shape[1:], dtype=config.precision)
        own = variables_of(variables, _GENERATOR)
        (made, _), statistics = model.apply(own, z, train=True, mutable=["batch_stats"])
        return made, statistics

    def update(state, frozen, batch, key, member):
        rates = member[rate], member[weight_decay]

        def critic_turn(state, image, key):
            latent_key, mix_key = jax.random.split(key)
            fake, _ = make(state.variables, image, latent_key)
            real = adversarial.to_signed(image)
            mix = drawn_share(jax.random.uniform, mix_key, (len(image),))

            def objective(variables):
                own = variables_of(variables, _CRITIC)

                def judge(image):
                    return critic.apply(own, image)[0]

                distance = judge(real).mean() - judge(fake).mean()
                penalty = adversarial.gradient_penalty(judge, real, fake, mix).mean()
                metrics = {"distance": distance, "penalty": penalty}
                return settings.gp_weight * penalty - distance, (metrics, state.model_state)

            return adversarial.step_network(state, _CRITIC, objective, optimizer, *rates)

        def generator_turn(state, image, key):
            def objective(variables):
                fake, statistics = make(variables, image, key)
                value, _ = critic.apply(variables_of(variables, _CRITIC), fake)
                metrics = adversarial.spread_of(fake, adversarial.to_signed(image))
                model_state = with_state(state.model_state, _GENERATOR, statistics)
                return -value.mean(), (metrics, model_state)

            return adversarial.step_network(state, _GENERATOR, objective, optimizer, *rates)

        turns = adversarial.in_turns(critic_turn, generator_turn, settings.critic_steps)
        state, metrics = turns(state, batch["image"], key)
        return state, {**metrics, "loss": metrics["critic_loss"]}

    return update
