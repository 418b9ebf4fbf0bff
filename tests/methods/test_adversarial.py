"""Algorithm 1 of Adversarial: who is updated, in which order, on what; how strong the adversary is told to be."""

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from sparsefacs.data.batches import Batch
from sparsefacs.engine.config import recipe_names, resolve
from sparsefacs.experiments.reproduction import plan_item
from sparsefacs.methods import adversarial as adversarial_module
from sparsefacs.methods import chance as chance_module
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

    def every(self) -> Batch:
        batch = self.batch("every")
        batch.occurrence = torch.randint(0, 2, (4, 3), generator=torch.Generator().manual_seed(4)).float()
        batch.occurrence[1:] = -1  # one of four carries labels
        return batch

    def labels(self, count: int) -> torch.Tensor:
        self.drawn["labels"] += 1
        drawn = torch.randint(0, 2, (count, 3), generator=torch.Generator().manual_seed(9)).float()
        if self.missing:
            drawn[:, 1] = -1
        return drawn


def method(**settings: Any) -> Adversarial:
    torch.manual_seed(0)
    network = NetworkConfig(backbone="test_resnet", input_size=32)
    config = AdversarialConfig(**({"draw": "halves"} | settings))
    return Adversarial(config, Setting("occurrence", AUS, network))


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
    assert len(seen) == 5  # real, fake, both again for how often D is right, confusion
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


def test_faces_are_drawn_from_all_as_they_come() -> None:
    """Algorithm 1, line 4, and the expectations of eqs 3 and 4: X holds labelled faces in their own proportion."""
    adversarial, source = method(draw="all", alpha=0.5), Source()
    needs = adversarial.needs()
    assert needs.every and not needs.unlabelled
    halves = method().needs()
    assert halves.unlabelled and not halves.every
    assert method(alpha=0, draw="all").needs().every, "as many labelled faces as with any other α"
    alone, drawn = method(alpha=0, draw="all"), Source()
    (update,) = alone.updates(drawn, 0)
    assert drawn.drawn["every"] == 1 and set(update.terms) == {"recognition"}
    seen: list[torch.Tensor] = []
    adversarial.recogniser.register_forward_hook(lambda _, inputs, output: seen.append(output))
    update = [*adversarial.updates(source, 0)][-1]
    assert source.drawn == {"every": 2, "labels": 2}
    occurrence = source.every().occurrence
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(seen[-1][:1], occurrence[:1])
    assert float(update.terms["recognition"].detach()) == pytest.approx(3 * float(entropy.detach()), rel=1e-5)


def test_paper_recipes_draw_as_the_paper_and_small_ones_see_their_few_labels() -> None:
    drawn = {
        name: AdversarialConfig(**resolve("adversarial", name).method).draw for name in recipe_names("adversarial")
    }
    assert drawn == {"paper-bp4d": "all", "paper-disfa": "all", "small": "halves", "imagenet": "halves"}


@pytest.mark.parametrize("item", ["table-1", "table-3", "figure-4", "control"])
def test_the_network_without_d_differs_by_alpha_alone(item: str, tmp_path: Path) -> None:
    """4.1: "we set the tradeoff rate α = 0 in Equation 2": the same draws, so the same labels, however many miss."""
    configs = {}
    for run in plan_item("adversarial", item, tmp_path, scale="paper", stand_in=True).runs:
        config = resolve(run.row.method, run.recipe, run.settings)
        configs[run.row.name, run.data, run.labels] = (config, config.method.pop("alpha"))
    without = {key[1:]: config for key, config in configs.items() if key[0] == "O-wlc"}
    assert without
    for key, (config, alpha) in without.items():
        assert alpha == 0 and configs["Ours", *key][1] > 0
        assert config == configs["Ours", *key][0]


def test_the_ratio_of_the_losses_is_told() -> None:
    terms = [*method(alpha=0.01).updates(Source(), 0)][-1].terms
    ratio = float((terms["recognition"] / terms["confusion"]).detach())
    assert float(terms["ratio"]) == pytest.approx(ratio, rel=1e-5)
    assert float(terms["weighted_ratio"]) == pytest.approx(99 * ratio, rel=1e-5)
    assert not terms["ratio"].requires_grad


def test_the_ratio_is_that_of_one_process_once_two_have_logged_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes with the same faces, whose logged terms are added."""
    monkeypatch.setattr(adversarial_module, "process_count", lambda: 2)
    monkeypatch.setattr(adversarial_module, "global_sum", lambda value: 2 * value.detach())
    terms = [*method(alpha=0.01).updates(Source(), 0)][-1].terms
    ratio = float((terms["recognition"] / terms["confusion"]).detach())
    assert 2 * float(terms["ratio"]) == pytest.approx(ratio, rel=1e-5)


def fooled_by(*, soft: bool) -> Adversarial:
    """D that says "real" of vectors of whole numbers, or of all, and R that is never quite sure."""
    adversarial = method()

    def judge(labels: torch.Tensor) -> torch.Tensor:
        whole = ((labels - labels.round()).abs() < 0.02).all(dim=1)
        return torch.where(whole | torch.tensor(not soft), 4.0, -4.0)

    adversarial.discriminator.forward = judge  # type: ignore[method-assign]
    return adversarial


def test_how_often_d_is_right_is_told_of_cut_predictions_too() -> None:
    """D that tells soft predictions from labels by their being soft tells nothing once they are cut."""
    terms = next(iter(fooled_by(soft=True).updates(Source(), 0))).terms
    assert float(terms["right"]) == 1 and float(terms["right_thresholded"]) == 0.5
    terms = next(iter(fooled_by(soft=False).updates(Source(), 0))).terms
    assert float(terms["right"]) == 0.5 == float(terms["right_thresholded"])


def test_straight_through_fakes_are_whole_and_pass_the_gradient_of_soft_ones() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.3]], requires_grad=True)
    fakes = {kind: method(fakes=kind)._predicted(logits) for kind in ("soft", "straight-through")}
    assert fakes["straight-through"].tolist() == [[1, 0, 1]]
    slopes = [torch.autograd.grad(fake.sum(), logits)[0] for fake in fakes.values()]
    assert torch.equal(*slopes)


def test_softened_labels_keep_their_side_and_repeat() -> None:
    labels = torch.tensor([[0.0, 1.0, 0.0, 1.0]]).repeat(50, 1)
    adversarial = method(soften=0.3)
    drawn = adversarial._softened(labels, 50, 5, 0)
    assert float((drawn - labels).abs().max()) <= 0.3 and float((drawn - labels).abs().mean()) > 0.1
    assert torch.equal(drawn > 0.5, labels > 0.5)
    assert torch.equal(drawn, adversarial._softened(labels, 50, 5, 0))
    assert not torch.equal(drawn, adversarial._softened(labels, 50, 6, 0))
    assert method()._softened(labels, 50, 5, 0) is labels


def test_two_processes_soften_labels_as_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    adversarial, labels = method(soften=0.3, draw="halves"), torch.zeros(6, 3)
    whole = adversarial._softened(labels, 4, 5, 0)  # beside four labelled faces and two others
    monkeypatch.setattr(chance_module, "process_count", lambda: 2)
    for rank, rows in enumerate(([0, 1, 4], [2, 3, 5])):
        monkeypatch.setattr(chance_module, "process_rank", lambda rank=rank: rank)
        assert torch.equal(adversarial._softened(labels[rows], 2, 5, 0), whole[rows])


def test_next_to_no_alpha_draws_as_the_method_and_learns_as_the_baseline() -> None:
    """The control: batches and statistics of the method, gradients of labels alone."""
    control, source, other = method(alpha=1e-12), Source(), Source()
    update = [*control.updates(source, 0)][-1]
    [*method(alpha=0.01).updates(other, 0)]
    assert source.drawn == other.drawn
    assert math.isclose(float(update.loss.detach()), float(update.terms["recognition"].detach()), rel_tol=1e-6)


def test_predictor_holds_no_discriminator() -> None:
    adversarial = method()
    assert not any("discriminator" in name for name, _ in adversarial.predictor().named_modules())
