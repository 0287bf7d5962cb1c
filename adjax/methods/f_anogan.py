"""f-AnoGAN: Schlegl et al., "f-AnoGAN: Fast unsupervised anomaly detection with generative
adversarial networks" (2019).

A Wasserstein GAN learns to make normal images; then, G and the critic D frozen, an encoder learns
to find the latent of an image ("izi_f"):

    L = mean (x - G(E(x)))^2 + kappa mean (f(x) - f(G(E(x))))^2

with f the critic's features and images of [-1, 1]. L is the score too; nothing is searched.
"""

import functools

import jax
import jax.numpy as jnp
import optax

from adjax.methods import adversarial
from adjax.methods.latent_gan import LatentGAN
from adjax.methods.networks import variables_of
from adjax.methods.stage import (
    DATA_AXIS,
    Method,
    Scores,
    Stage,
    Variables,
    drawn_share,
    dynamic_keys,
    learning_curve,
    network_stage,
)
from adjax.models import ResNetCritic, ResNetEncoder, ResNetGenerator

F_ANOGAN, WGAN, ENCODER = "f_anogan", "wgan", "izi_encoder"
IMAGE_SCORES = ("loss", "residual", "features")
_CRITIC = "critic"
_BETAS = {"b1": 0.0, "b2": 0.9}
_RMSPROP = {"decay": 0.9, "eps": 1e-10, "initial_scale": 1.0}  # TensorFlow's


def f_anogan(config) -> Method:
    """`method = "f_anogan"`: score L, map |x - G(E(x))|."""
    gan, encoder = _gan(config), _encoder(config)

    def score(variables, image, key):
        z, _ = encoder.apply(variables[ENCODER], adversarial.to_signed(image))
        terms, made = _terms(gan, variables[WGAN], image, z)
        made = adversarial.to_unit(made)
        return Scores(
            image_score=_with_loss(terms, config[ENCODER].kappa),
            anomaly_map=jnp.abs(image - made).mean(-1),
            reconstruction={"f-AnoGAN": made},
        )

    stages = _wgan_stage(config, gan), _encoder_stage(config, gan, encoder)
    dynamic = dynamic_keys(WGAN) + dynamic_keys(ENCODER)
    return Method(F_ANOGAN, stages, score, IMAGE_SCORES, dynamic)


def _gan(config) -> LatentGAN:
    settings = config[WGAN]
    widths = tuple(settings.widths)
    generator = functools.partial(ResNetGenerator, widths=widths, batch_axis=DATA_AXIS)
    optimizer = optax.scale_by_adam(**_BETAS)
    return LatentGAN(
        *(generator, ResNetCritic(widths), _CRITIC),
        *(settings.latent_size, jax.random.normal, optimizer),
    )


def _encoder(config) -> ResNetEncoder:
    settings = config[WGAN]
    return ResNetEncoder(settings.latent_size, tuple(settings.widths), DATA_AXIS)


def _terms(gan: LatentGAN, variables: Variables, image: jax.Array, z: jax.Array):
    """Both mean squares, `[B]` by name, of images and what is made of `z`, and that in [-1, 1]."""
    signed, made = adversarial.to_signed(image), gan.generate(variables, z, image)
    own = variables_of(variables, _CRITIC)
    wanted, found = (gan.judge.apply(own, x)[1]["features"] for x in (signed, made))
    return {
        "residual": jnp.square(signed - made).mean((1, 2, 3)),
        "features": jnp.square(wanted - found).mean(1),
    }, made


def _with_loss(terms: dict[str, jax.Array], kappa: float) -> dict[str, jax.Array]:
    return {"loss": terms["residual"] + kappa * terms["features"], **terms}


def _encoder_stage(config, gan: LatentGAN, encoder: ResNetEncoder) -> Stage:
    settings = config[ENCODER]
    trained = encoder.copy(dtype=config.precision)

    def objective(variables, frozen, batch, key, member):
        signed = adversarial.to_signed(batch["image"])
        (z, _), statistics = trained.apply(variables, signed, train=True, mutable=["batch_stats"])
        terms, _ = _terms(gan, frozen[WGAN], batch["image"], z)
        means = {name: value.mean() for name, value in terms.items()}
        loss = _with_loss(means, settings.kappa)["loss"]
        return loss, (means, statistics)

    def validate(variables, frozen, image):
        z, _ = encoder.apply(variables, adversarial.to_signed(image))
        return _with_loss(_terms(gan, frozen[WGAN], image, z)[0], settings.kappa)["loss"]

    sections = ("data", WGAN, ENCODER)
    return network_stage(
        *(config, ENCODER, encoder, objective, validate, sections),
        optimizer=optax.scale_by_rms(**_RMSPROP),
        curve=learning_curve("constant", settings.steps),
    )


def _wgan_stage(config, gan: LatentGAN) -> Stage:
    settings = config[WGAN]

    def validate(variables, frozen, image):
        own = variables_of(variables, _CRITIC)
        return -gan.judge.apply(own, adversarial.to_signed(image))[0]

    images = settings.critic_steps * settings.batch_size
    return Stage(
        name=WGAN,
        steps=settings.steps,
        batch_size=images,
        images_per_update=images,
        sections=("data", WGAN),
        init=gan.init,
        update=_wgan_update(config, gan),
        validate=validate,
        limits=(adversarial.spread_limit(settings.least_spread, settings.spread_after),),
    )


def _wgan_update(config, gan: LatentGAN):
    """`critic_steps` of the critic, each on images and latents of its own, then one of G."""
    settings, dtype = config[WGAN], config.precision
    critic = gan.judge.copy(dtype=dtype)
    rate, weight_decay = dynamic_keys(WGAN)

    def generator_loss(variables, made):
        return -critic.apply(variables_of(variables, _CRITIC), made)[0].mean()

    def update(state, frozen, batch, key, member):
        rates = member[rate], member[weight_decay]

        def critic_turn(state, image, key):
            latent_key, mix_key = jax.random.split(key)
            fake, _ = gan.make(state.variables, image, latent_key, dtype)
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

            return adversarial.step_network(state, _CRITIC, objective, gan.optimizer, *rates)

        generator_turn = gan.generator_turn(generator_loss, dtype, *rates)
        turns = adversarial.in_turns(critic_turn, generator_turn, settings.critic_steps)
        state, metrics = turns(state, batch["image"], key)
        return state, {**metrics, "loss": metrics["critic_loss"]}

    return update
