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
from adjax.methods.info import Sections
from adjax.methods.latent_gan import LatentGAN
from adjax.methods.networks import variables_of
from adjax.methods.precision import in_training
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
from adjax.models.wgan_resnet import ResNetCritic, ResNetEncoder, ResNetGenerator

F_ANOGAN, WGAN, ENCODER = "f_anogan", "wgan", "izi_encoder"
IMAGE_SCORES = ("loss", "residual", "features")
_CRITIC = "critic"
_BETAS = {"b1": 0.0, "b2": 0.9}
_RMSPROP = {"decay": 0.9, "eps": 1e-10, "initial_scale": 1.0}  # TensorFlow's


def f_anogan(sections: Sections) -> Method:
    """Build f-AnoGAN: score L, map |x - G(E(x))|."""
    gan, encoder = _gan(sections), _encoder(sections)
    kappa = sections.izi_encoder.kappa

    def score(variables, image, key):
        z, _ = encoder.apply(variables[ENCODER], adversarial.to_signed(image))
        terms, made = _terms(gan, variables[WGAN], image, z)
        made = adversarial.to_unit(made)
        return Scores(
            image_score=_with_loss(terms, kappa),
            anomaly_map=jnp.abs(image - made).mean(-1),
            reconstruction={"f-AnoGAN": made},
        )

    stages = _wgan_stage(sections, gan), _encoder_stage(sections, gan, encoder)
    dynamic = dynamic_keys(WGAN) + dynamic_keys(ENCODER)
    return Method(F_ANOGAN, stages, score, IMAGE_SCORES, dynamic)


def _gan(sections: Sections) -> LatentGAN:
    own = sections.wgan
    generator = functools.partial(ResNetGenerator, widths=own.widths, batch_axis=DATA_AXIS)
    critic, optimizer = ResNetCritic(own.widths), optax.scale_by_adam(**_BETAS)
    return LatentGAN(generator, critic, _CRITIC, own.latent_size, jax.random.normal, optimizer)


def _encoder(sections: Sections) -> ResNetEncoder:
    return ResNetEncoder(sections.wgan.latent_size, sections.wgan.widths, DATA_AXIS)


def _terms(gan: LatentGAN, variables: Variables, image: jax.Array, z: jax.Array):
    """Return both mean squares, `[B]` by name, between images and G(z), and G(z) in [-1, 1]."""
    signed, made = adversarial.to_signed(image), gan.generate(variables, z, image)
    critic = variables_of(variables, _CRITIC)
    real, fake = (gan.judge.apply(critic, x)[1]["features"] for x in (signed, made))
    return {
        "residual": jnp.square(signed - made).mean((1, 2, 3)),
        "features": jnp.square(real - fake).mean(1),
    }, made


def _with_loss(terms: dict[str, jax.Array], kappa: float) -> dict[str, jax.Array]:
    return {"loss": terms["residual"] + kappa * terms["features"], **terms}


def _encoder_stage(sections: Sections, gan: LatentGAN, encoder: ResNetEncoder) -> Stage:
    own = sections.izi_encoder
    trained = in_training(encoder, sections.precision)

    def objective(variables, frozen, batch, key, member):
        signed = adversarial.to_signed(batch["image"])
        (z, _), statistics = trained.apply(variables, signed, train=True, mutable=["batch_stats"])
        terms, _ = _terms(gan, frozen[WGAN], batch["image"], z)
        means = {name: value.mean() for name, value in terms.items()}
        loss = _with_loss(means, own.kappa)["loss"]
        return loss, (means, statistics)

    def validate(variables, frozen, image):
        z, _ = encoder.apply(variables, adversarial.to_signed(image))
        return _with_loss(_terms(gan, frozen[WGAN], image, z)[0], own.kappa)["loss"]

    return network_stage(
        ENCODER,
        own,
        encoder,
        objective,
        validate,
        ("data", WGAN, ENCODER),
        optimizer=optax.scale_by_rms(**_RMSPROP),
        curve=learning_curve("constant", own.steps),
    )


def _wgan_stage(sections: Sections, gan: LatentGAN) -> Stage:
    own = sections.wgan

    def validate(variables, frozen, image):
        critic = variables_of(variables, _CRITIC)
        return -gan.judge.apply(critic, adversarial.to_signed(image))[0]

    images = own.critic_steps * own.batch_size
    return Stage(
        name=WGAN,
        steps=own.steps,
        batch_size=images,
        images_per_update=images,
        depends_on=("data", WGAN),
        init=gan.init,
        update=_wgan_update(sections, gan),
        validate=validate,
        limits=(adversarial.spread_limit(own.least_spread, own.spread_after),),
    )


def _wgan_update(sections: Sections, gan: LatentGAN):
    """Return the update: `critic_steps` of the critic, each on its own images, then one of G."""
    own, precision = sections.wgan, sections.precision
    critic = in_training(gan.judge, precision)
    rate, weight_decay = dynamic_keys(WGAN)

    def generator_loss(variables, made):
        return -critic.apply(variables_of(variables, _CRITIC), made)[0].mean()

    def update(state, frozen, batch, key, member):
        rates = member[rate], member[weight_decay]

        def critic_turn(state, image, key):
            latent_key, mix_key = jax.random.split(key)
            fake, _ = gan.make(state.variables, image, latent_key, precision)
            real = adversarial.to_signed(image)
            mix = drawn_share(jax.random.uniform, mix_key, (len(image),))

            def objective(variables):
                judged = variables_of(variables, _CRITIC)

                def judge(image):
                    return critic.apply(judged, image)[0]

                distance = judge(real).mean() - judge(fake).mean()
                penalty = adversarial.gradient_penalty(judge, real, fake, mix).mean()
                metrics = {"distance": distance, "penalty": penalty}
                return own.gp_weight * penalty - distance, (metrics, state.model_state)

            return adversarial.step_network(state, _CRITIC, objective, gan.optimizer, *rates)

        generator_turn = gan.generator_turn(generator_loss, precision, *rates)
        turns = adversarial.in_turns(critic_turn, generator_turn, own.critic_steps)
        state, metrics = turns(state, batch["image"], key)
        return state, {**metrics, "loss": metrics["critic_loss"]}

    return update
