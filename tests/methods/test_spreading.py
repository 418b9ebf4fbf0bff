"""What Knowledge-Spreader learns in short trainings, the orders it draws, and its recipes."""

import itertools
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor

from made_clips import AUS, NETWORK, SMALL, Fixed, L, Source, clips, method, only, slopes
from sparsefacs import InputError
from sparsefacs.engine.config import RunConfig
from sparsefacs.methods import chance, knowledge_spreader
from sparsefacs.methods.contract import Setting
from sparsefacs.methods.knowledge_spreader import KnowledgeSpreader, KnowledgeSpreaderConfig, other_orders


def test_positives_are_weighted_by_the_training_labels_once() -> None:
    made, source = method(), Source()
    list(made.updates(source, 0))
    assert made.model.positive_weight.tolist() == pytest.approx([3, 1, 1])  # AU2 has no positive
    list(made.updates(source, 1))
    assert source.drawn["labels"] == 1
    again = method()
    again.load_state_dict(made.state_dict())  # as a resume does
    assert torch.equal(again.model.positive_weight, made.model.positive_weight)


def test_a_shuffled_order_is_never_the_true_one() -> None:
    for length, count in ((2, 1), (3, 5), (4, 23)):
        orders = [tuple(order) for order in other_orders(torch.arange(count), length).tolist()]
        assert orders == [o for o in itertools.permutations(range(length)) if o != tuple(range(length))]
    last = other_orders(torch.tensor([0, 362878]), 9)
    assert last.tolist() == [[0, 1, 2, 3, 4, 5, 6, 8, 7], [8, 7, 6, 5, 4, 3, 2, 1, 0]]


def test_orders_are_a_function_of_seed_and_step() -> None:
    def orders(made: KnowledgeSpreader, step: int) -> Tensor:
        empty = torch.zeros(0)
        return made._orders(knowledge_spreader._Drawn(empty, empty, empty, 0, 20, 12), step)

    first = method()
    assert orders(first, 3).shape == (32, L)
    assert (orders(first, 3) != torch.arange(L)).any(dim=1).all()
    assert torch.equal(orders(first, 3), orders(first, 3))
    assert torch.equal(orders(first, 3), orders(method(), 3))
    assert not torch.equal(orders(first, 3), orders(first, 4))
    torch.manual_seed(1)
    other = KnowledgeSpreader(KnowledgeSpreaderConfig(**SMALL), Setting("occurrence", AUS, NETWORK, steps=100))
    assert not torch.equal(orders(first, 3), orders(other, 3))


def test_two_processes_draw_the_orders_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = torch.zeros(0)
    made = method()
    whole = made._orders(knowledge_spreader._Drawn(empty, empty, empty, 0, 20, 12), 3)
    monkeypatch.setattr(chance, "process_count", lambda: 2)
    parts = []
    for rank in range(2):
        monkeypatch.setattr(chance, "process_rank", lambda rank=rank: rank)
        parts.append(made._orders(knowledge_spreader._Drawn(empty, empty, empty, 0, 10, 6), 3))
    assert torch.equal(torch.cat([part[:10] for part in parts]), whole[:20])
    assert torch.equal(torch.cat([part[10:] for part in parts]), whole[20:])


def test_narrow_numbers_are_enough() -> None:
    made = method(pseudo_labels="ensemble", unlabelled_after=0)
    source = Fixed(clips(3), clips(7, labelled=False))
    with torch.autocast("cpu", torch.bfloat16):
        update = only(made, source)
    update.loss.backward()
    assert update.loss.dtype == torch.float32
    assert all(torch.isfinite(term) for term in (update.loss, *update.terms.values()))
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in made.parameters())


def trained(students: str, still: bool, steps: int = 40) -> list[float]:
    """Train and return the accuracy of order in each step, on clips that were not seen before."""
    made, source, told = method(students=students, dropout=0.2), Source(still=still), []
    optimiser = torch.optim.AdamW(made.parameters(), lr=3e-3)
    for step in range(steps):
        update = only(made, source, step)
        optimiser.zero_grad()
        update.loss.backward()
        optimiser.step()
        told.append(float(update.terms["order_accuracy"]))
    return told


def test_order_is_learned_from_motion() -> None:
    told = trained("shared", still=False)
    assert sum(told[-15:]) / 15 > 0.75  # 180 sequences, chance 0.5


def test_every_network_learns_what_labels_say() -> None:
    """Branch B once stood at chance unnoticed: the ensemble's score was branch A's."""
    small = {"students": "shared", "pseudo_labels": "ensemble", "most_weight": 3, "order": 0.05, "ramp": 0.5}
    made, source = method(**small, dropout=0.2), Source()
    optimiser = torch.optim.AdamW(made.parameters(), lr=3e-3)
    for step in range(30):
        update = only(made, source, step)
        optimiser.zero_grad()
        update.loss.backward()
        optimiser.step()
    unseen, model = clips(5000, key=1, count=64), made.eval().model
    with torch.no_grad():
        within = model.branch_b(model.trunk(unseen.image).view(64, L, -1))
        found = [made.spatial_teacher(unseen.key_image), within.temporal_BLA[:, 1], within.student_BLA[:, 1]]
    truth = unseen.occurrence.view(64, L, -1)[:, 1] > 0
    for logits in found:
        ranked = [(logits[truth[:, a], a][:, None] > logits[~truth[:, a], a]).float().mean() for a in range(2)]
        assert min(map(float, ranked)) > 0.9


def test_features_of_students_of_their_own_are_told_without_any_motion() -> None:
    """Why small recipes share one: by its student's weights a feature out of place is known even in a still clip."""
    told = trained("places", still=True)
    assert sum(told[-15:]) / 15 > 0.9
    told = trained("shared", still=True)
    assert sum(told[-15:]) / 15 < 0.65


def test_the_ramp_leaves_labels_alone() -> None:
    batch, labels = Fixed(clips(3)), ("recognition", "spatial_recognition", "temporal_recognition")
    made = method(ramp=1).eval()
    early, late = (only(made, batch, step) for step in (1, 100))
    rest = [update.loss - sum(update.terms[name] for name in labels) for update in (early, late)]
    assert torch.allclose(rest[0], rest[1] * torch.exp(torch.tensor(-5 * 0.99**2)), rtol=0.2)
    assert rest[1] > 0.5


def test_labels_alone_teach_every_network() -> None:
    """The counterpart's branch B too, and not through the ensemble alone, which M_A fits before it."""
    made = method(ksm=False, tpl=False, semi_supervised=0, unlabelled_after=None)
    update = only(made, Fixed(clips(3, key=1)))
    parts = [update.terms[name] for name in ("recognition", "spatial_recognition", "temporal_recognition")]
    torch.testing.assert_close(update.loss, sum(parts))
    assert slopes(made, update.terms["spatial_recognition"])["model.students.head.weight"].any()
    assert slopes(made, update.terms["temporal_recognition"])["model.temporal.head.weight"].any()


def test_clips_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="frames were drawn"):
        only(method(), Fixed(replace(clips(3), length=1)))
    with pytest.raises(InputError, match="heads"):
        method(heads=5)


def test_recipes_are_of_this_method() -> None:
    folder = resources.files("sparsefacs.recipes") / "knowledge-spreader"
    found = {Path(str(entry)).stem: yaml.safe_load(entry.read_text()) for entry in folder.iterdir()}
    for name in ("paper", "small"):
        run = RunConfig.model_validate(found[name] | {"name": "knowledge-spreader", "recipe": name})
        config = KnowledgeSpreaderConfig(**run.method)
        assert config.clip_length == {"paper": 5, "small": 3}[name] and config.distillation == 0.5
        assert config.sil and config.ksm and config.tpl
        of_labels = (config.students, config.pseudo_labels, config.undo_weights)
        assert (
            of_labels == {"paper": ("places", "temporal-teacher", False), "small": ("shared", "ensemble", True)}[name]
        )
    for part in ("sil", "ksm", "tpl"):
        assert found[f"ablation-no-{part}"] == {"base": "paper", "method": {part: False}}
    for length in found["clip-length"]["sweep"]["method.clip_length"]:
        KnowledgeSpreaderConfig(clip_length=length)
