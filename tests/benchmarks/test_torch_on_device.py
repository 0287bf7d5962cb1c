"""PyTorch's ensembles: each member is the network that it would be alone."""

import pytest

torch = pytest.importorskip("torch")

from torch.func import functional_call  # noqa: E402

from benchmarks import torch_on_device  # noqa: E402
from benchmarks.cases import choose  # noqa: E402


def test_members_of_an_ensemble_have_the_losses_that_they_have_alone():
    (case,) = choose(["residual_28"])
    ensemble = torch_on_device.Ensemble(case, "float32", 2)
    batch = [ensemble.tensor(image[0]) for image in ensemble.batches[0].values()]
    alone = []
    own = ensemble.network
    for member in range(2):
        parameters = {name: p[member].detach() for name, p in ensemble.parameters.items()}
        ensemble.network = lambda image, p=parameters: functional_call(own, p, (image,))
        alone.append(ensemble._loss(*batch).detach())
    ensemble.network = own
    first = ensemble().detach()
    torch.testing.assert_close(first, torch.stack(alone))
    for _ in range(5):
        last = ensemble()
    assert (last < first).all()


def test_eager_steps_are_timed():
    (case,) = choose(["residual_28"])
    assert torch_on_device.images_per_second(case, "float32", "eager", 1, 0.01, 2) > 0
