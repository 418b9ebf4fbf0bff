"""Algorithm 1 of Adversarial: who is updated, in which order, on what."""

from collections import Counter

import pytest
import torch

from sparsefacs.data.batches import Batch
from sparsefacs.methods.adversarial import UNKNOWN, Adversarial, AdversarialConfig
from sparsefacs.methods.contract import Setting
from sparsefacs.networks.config import NetworkConfig
from sparsefacs.networks.statistics import frozen_statistics

AUS = (1, 2, 4)


class Source:
    """Batches of noise that count how often each kind is drawn."""

    def __init__(self, missing: bool = False) -> None:
        self.drawn: Counter[str] = Counter()
        self.missing = missing

    def batch(self, kind: str) -> Batch:
        self.drawn[kind] += 1
        generator = torch.Generator().manual_seed(sum(self.drawn.values()))
        labels = torch.randint(0, 2, (4, 3), generator=generator).float()
        return Batch(
            image=torch.rand(4, 3, 32, 32, generator=generator),
            landmarks=torch.zeros(4, 68, 2),
            occurrence=labels if kind == "labelled" else torch.full((4, 3), -1.0),
            intensity=torch.full((4, 3), float("nan")),
            row=torch.arange(4),
        )

    def labelled(self) -> Batch:
        return self.batch("labelled")

    def unlabelled(self) -> Batch | None:
        return self.batch("unlabelled")

    def labels(self, count: int) -> torch.Tensor:
        self.drawn["labels"] += 1
        drawn = torch.randint(0, 2, (count, 3), generator=torch.Generator().manual_seed(9)).float()
        if self.missing:
            drawn[:, 1] = -1
        return drawn


def method(**settings: float) -> Adversarial:
    torch.manual_seed(0)
    network = NetworkConfig(backbone="test_resnet", input_size=32)
    return Adversarial(AdversarialConfig(**settings), Setting("occurrence", AUS, network))  # type: ignore[arg-type]


def test_schedule_is_h_d_then_h_r_updates() -> None:
    adversarial, source = method(discriminator_updates=3, recogniser_updates=2), Source()
    order = [update.optimiser for update in adversarial.updates(source, 0)]
    assert order == ["discriminator"] * 3 + ["recogniser"] * 2
    assert source.drawn == {"labelled": 5, "unlabelled": 5, "labels": 10}


def test_recogniser_loss_weighs_both_terms_as_equation_4() -> None:
    last = [*method(alpha=0.3).updates(Source(), 0)][-1]
    expected = 0.3 * last.terms["confusion"] + 0.7 * last.terms["recognition"]
    assert float(last.loss) == pytest.approx(float(expected), rel=1e-6)


def test_each_loss_reaches_only_what_it_should() -> None:
    adversarial = method(alpha=0.5)
    updates = adversarial.updates(Source(), 0)
    next(updates).loss.backward()
    assert all(p.grad is None for p in adversarial.recogniser.parameters())
    assert all(p.grad is not None for p in adversarial.discriminator.parameters())
    next(updates).loss.backward()
    assert all(p.grad is not None for p in adversarial.recogniser.parameters())
    parts = adversarial.parameters_by_optimiser()
    assert not {id(p) for p in parts["recogniser"]} & {id(p) for p in parts["discriminator"]}


def test_confusion_pulls_predictions_towards_the_labels_distribution() -> None:
    """Labels say AU2 is always present; unlabelled faces alone must raise its probability."""
    torch.manual_seed(0)
    adversarial = method(alpha=0.99)
    source = Source()
    source.labels = lambda count: torch.tensor([[0.0, 1.0, 0.0]]).repeat(count, 1)  # type: ignore[method-assign]
    optimisers = {
        name: torch.optim.Adam(parameters, lr=3e-3)
        for name, parameters in adversarial.parameters_by_optimiser().items()
    }
    probe = torch.rand(16, 3, 32, 32, generator=torch.Generator().manual_seed(77))
    with torch.no_grad(), frozen_statistics(adversarial.recogniser):
        before = torch.sigmoid(adversarial.recogniser(probe)).mean(0)
    for step in range(40):
        for update in adversarial.updates(source, step):
            optimisers[update.optimiser].zero_grad()
            update.loss.backward()
            optimisers[update.optimiser].step()
    with torch.no_grad(), frozen_statistics(adversarial.recogniser):
        after = torch.sigmoid(adversarial.recogniser(probe)).mean(0)
    assert after[1] > before[1] + 0.1
    assert after[0] < before[0] - 0.1


def test_missing_labels_are_hidden_from_d_in_both_vectors() -> None:
    adversarial = method()
    seen: list[torch.Tensor] = []
    adversarial.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    list(adversarial.updates(Source(missing=True), 0))
    assert len(seen) == 3  # real, fake, confusion
    assert all((labels[:, 1] == UNKNOWN).all() for labels in seen)
    assert not (seen[1][:, 0] == UNKNOWN).all()


def test_statistics_stay_while_d_learns() -> None:
    adversarial = method()
    before = {k: v.clone() for k, v in adversarial.recogniser.state_dict().items() if "running" in k}
    updates = adversarial.updates(Source(), 0)
    next(updates)
    kept = adversarial.recogniser.state_dict()
    assert all(torch.equal(value, kept[key]) for key, value in before.items())
    next(updates)
    assert any(not torch.equal(value, adversarial.recogniser.state_dict()[key]) for key, value in before.items())


def test_predictor_holds_no_discriminator() -> None:
    adversarial = method()
    assert not any("discriminator" in name for name, _ in adversarial.predictor().named_modules())
