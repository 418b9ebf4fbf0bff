"""Knowledge-Spreader's algorithm: who teaches whom at which frame, what is left out, order that only motion tells."""

import itertools
from collections import Counter
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor
from torch.nn import functional as F

from sparsefacs import InputError
from sparsefacs.data.batches import Batch
from sparsefacs.engine.config import RunConfig
from sparsefacs.methods import chance, knowledge_spreader
from sparsefacs.methods.contract import Setting, Update
from sparsefacs.methods.knowledge_spreader import KnowledgeSpreader, KnowledgeSpreaderConfig, other_orders
from sparsefacs.networks.config import NetworkConfig

AUS, L, B, SIDE = (1, 2, 4), 3, 6, 32
NETWORK = NetworkConfig(backbone="test_resnet", input_size=SIDE)
SMALL: dict[str, Any] = {
    "clip_length": L,
    "width": 16,
    "heads": 2,
    "layers": 1,
    "feedforward": 32,
    "hidden": 24,
    "dropout": 0.0,
    "ramp": 0,
    "unlabelled_after": None,
}


def clips(seed: int, key: int = 0, labelled: bool = True, still: bool = False, count: int = B) -> Batch:
    """Clips in which a square grows brighter from frame to frame (or stands still); only key frames are labelled."""
    generator = torch.Generator().manual_seed(seed)
    level_B = torch.rand(count, generator=generator) * 0.4
    rate_B = torch.rand(count, generator=generator) * 0.2 + 0.1
    level_BL = level_B[:, None] + rate_B[:, None] * (torch.zeros(L) if still else torch.arange(L))
    image = torch.rand(count, 1, 3, SIDE, SIDE, generator=generator).repeat(1, L, 1, 1, 1) * 0.2
    image[..., 8:24, 8:24] += level_BL[:, :, None, None, None]
    occurrence = (level_BL[..., None] > torch.tensor([0.3, 0.5, 0.7])).float()
    hidden = torch.ones(L, dtype=torch.bool)
    hidden[key] = not labelled
    occurrence[:, hidden] = -1
    return Batch(
        image=image.flatten(0, 1),
        landmarks=torch.zeros(count * L, 68, 2),
        occurrence=occurrence.flatten(0, 1),
        intensity=torch.full((count * L, len(AUS)), torch.nan),
        row=torch.arange(count * L),
        length=L,
        key=key,
        key_image=1 - image[:, key],  # another picture of the same frame
    )


class Source:
    """Draw after draw of made clips; the key moves by one with each."""

    def __init__(self, first: int = 0, still: bool = False) -> None:
        self.drawn: Counter[str] = Counter()
        self.first, self.still = first, still
        self.training_labels = torch.tensor([[1, 0, -1], [0, 0, 1], [0, -1, 0], [0, 0, -1]]).float()

    def labelled(self) -> Batch:
        number = self.first + self.drawn["labelled"]
        self.drawn["labelled"] += 1
        return clips(number, number % L, still=self.still)

    def unlabelled(self) -> Batch | None:
        self.drawn["unlabelled"] += 1
        return clips(1000 + self.drawn["unlabelled"], labelled=False, count=4)

    def unlabelled_views(self) -> tuple[Batch, Batch] | None:
        raise AssertionError("never drawn")

    def labels(self, count: int) -> Tensor:
        self.drawn["labels"] += 1
        return self.training_labels.repeat(count // 4, 1)


def method(**changed: Any) -> KnowledgeSpreader:
    torch.manual_seed(0)
    made = KnowledgeSpreader(
        KnowledgeSpreaderConfig(**(SMALL | changed)), Setting("occurrence", AUS, NETWORK, steps=100)
    )
    return made.train()


def only(made: KnowledgeSpreader, source: Any, step: int = 1) -> Update:
    (update,) = made.updates(source, step)
    return update


class Fixed(Source):
    """The same clips at every draw."""

    def __init__(self, batch: Batch, free: Batch | None = None) -> None:
        super().__init__()
        self.batch, self.free = batch, free

    def labelled(self) -> Batch:
        return self.batch

    def unlabelled(self) -> Batch | None:
        return self.free


def slopes(made: KnowledgeSpreader, term: Tensor) -> dict[str, Tensor]:
    """Return the gradient of `term` in every parameter that it reaches."""
    names, parameters = zip(*made.named_parameters(), strict=True)
    found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    return {name: slope for name, slope in zip(names, found, strict=True) if slope is not None and slope.any()}


def test_one_network_is_spatial_teacher_and_temporal_student() -> None:
    made = method()
    assert made.spatial_teacher is made.temporal_student is made.model.spatial
    assert made.temporal_teacher is made.model.temporal
    assert made.spatial_students is made.model.students
    assert made.temporal_teacher not in list(made.temporal_student.modules())
    assert made.predictor() is made.model
    optimised = made.parameters_by_optimiser()
    assert list(optimised) == ["spreader"]
    assert {id(p) for p in optimised["spreader"]} == {id(p) for p in made.parameters()}
    assert made.kept_beside() == {}


def test_the_built_predictor_takes_the_trained_weights() -> None:
    made = method()
    config = KnowledgeSpreaderConfig(**SMALL)
    built = KnowledgeSpreader.build_predictor(Setting("occurrence", AUS, NETWORK, steps=100), config)
    built.load_state_dict(made.predictor().state_dict())


def test_the_loss_is_equations_3_to_8_literally() -> None:
    """Without dropout, against the networks one by one."""
    settings = {
        "distillation": 0.7,
        "semi_supervised": 0.6,
        "pseudo": 0.4,
        "order": 0.3,
        "ramp": 0.1,
        "unlabelled_after": 0.04,
    }
    labelled, free = clips(5, key=2), clips(6, labelled=False, count=4)
    made = method(**settings, students="shared")
    made.model.positive_weight.copy_(torch.tensor([3.0, 0.5, 1.0]))
    made.eval()  # batch statistics stand still, so that frames can be seen one by one
    with torch.no_grad():  # confirm half of the clips
        features = made.model.trunk(torch.cat([labelled.image, free.image])).view(B + 4, L, -1)
        made.temporal_teacher.order.bias.sub_(made.model.branch_b(features).order_B.sort().values[4:6].mean())
    source = Fixed(labelled, free)
    step = 6
    update = only(made, source, step)

    model, weight = made.model, made.model.positive_weight
    image = torch.cat([labelled.image, free.image]).view(-1, L, 3, SIDE, SIDE)
    pooled = torch.stack([model.trunk(image[:, i]) for i in range(L)], dim=1)

    def in_order(sequence: Tensor) -> Tensor:
        moved = torch.stack([sequence[:, i] - sum(sequence[:, j] for j in range(L)) / L for i in range(L)], dim=1)
        tokens = model.temporal.relate(moved)
        return torch.stack([model.temporal.order(clip.flatten())[0] for clip in tokens])

    features, students = model.students(pooled)
    temporal = model.temporal(features)
    order = in_order(features)
    alone = model.spatial(labelled.key_image)
    y = labelled.occurrence.view(B, L, -1)[:, 2]

    def entropy(z: Tensor, y: Tensor, w: Tensor | float = 1.0) -> Tensor:
        p = torch.sigmoid(z)
        return -(w * y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()

    def towards_mean(z: Tensor, other: Tensor) -> Tensor:
        p, q = torch.sigmoid(z), torch.sigmoid(other)
        t = (p + q) / 2
        kl = [t * torch.log(t / r) + (1 - t) * torch.log((1 - t) / (1 - r)) for r in (p, q)]
        return kl[0].mean() + kl[1].mean()

    student, teacher = students[:B, 2], temporal[:B, 2]
    labels = sum(entropy(z, y, weight) for z in ((alone + teacher) / 2, alone, student, teacher, alone))
    between = 0.7 * (towards_mean(alone, student) + towards_mean(teacher, alone))
    confirmed = [c for c in range(B + 4) if torch.sigmoid(order[c]) > 0.5]
    assert 0 < len(confirmed) < B + 4
    taught = [(c, i) for c in confirmed for i in range(L) if not (c < B and i == 2)]
    likelier = torch.sigmoid(temporal) / (1 - torch.sigmoid(temporal)) > weight  # odds, the loss's weights undone
    pseudo = torch.stack([entropy(students[c, i], likelier[c, i].float()) for c, i in taught]).mean()
    orders = made._orders(knowledge_spreader._Drawn(image, alone, y, 2, B, 4), step)
    shuffled = torch.stack([features[c, orders[c]] for c in range(B + 4)])
    other = in_order(shuffled)
    told = (entropy(order, torch.ones(B + 4)) + entropy(other, torch.zeros(B + 4))) / 2
    ramp = torch.exp(torch.tensor(-5 * (1 - step / 10) ** 2))
    expected = labels + ramp * (0.6 * (between + 0.4 * pseudo) + 0.3 * told)
    assert float(update.loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert float(update.terms["pseudo_kept"]) == pytest.approx(len(confirmed) / (B + 4))
    right = float(((order > 0).sum() + (other <= 0).sum()) / (2 * (B + 4)))
    assert float(update.terms["order_accuracy"]) == pytest.approx(right)


def test_distillation_reaches_the_key_frames_student_alone() -> None:
    made = method()
    for key in range(L):
        terms = only(made, Fixed(clips(3, key)), step=key).terms
        for name in ("spatial_distillation", "spatial_recognition"):
            found = slopes(made, terms[name])
            head = found["model.students.head.weight"].flatten(1).any(dim=1)
            assert head.nonzero().flatten().tolist() == [key], name
            assert any(name.startswith("model.spatial.") for name in found)
            assert not any(name.startswith("model.temporal.") for name in found)
        between = slopes(made, terms["temporal_distillation"])
        assert any(name.startswith("model.spatial.") for name in between)  # two-way
        assert any(name.startswith("model.temporal.") for name in between)
        assert "model.students.head.weight" not in between
        assert between["model.students.outer.weight"].flatten(1).any(dim=1).all()  # by their features


def test_pseudo_labels_teach_the_other_students_alone() -> None:
    made = method(tpl=False)
    for key in range(L):
        found = slopes(made, only(made, Fixed(clips(3, key))).terms["pseudo"])
        taught = found["model.students.head.weight"].flatten(1).any(dim=1).nonzero().flatten().tolist()
        assert taught == [i for i in range(L) if i != key]
        assert all(name.startswith(("model.students.", "model.trunk.")) for name in found)


def test_the_key_moves_with_the_batch() -> None:
    made, source = method(), Source()
    reached = []
    for step in range(2 * L):
        found = slopes(made, only(made, source, step).terms["spatial_distillation"])
        reached.append(int(found["model.students.head.weight"].flatten(1).any(dim=1).nonzero()))
    assert reached == [0, 1, 2, 0, 1, 2]


def test_only_the_key_frames_labels_count_and_no_other_visible_label_is_guessed_at() -> None:
    batch = clips(4, key=1)
    hidden = batch.occurrence.view(B, L, -1).clone()
    hidden[:2, 1, 0] = -1
    other = torch.where(torch.arange(L)[:, None] == 1, hidden, torch.ones(()))  # labels at other frames
    partly = hidden.clone()
    partly[:, 0, 2] = 0  # of one AU
    terms = {}
    for name, occurrence in (("hidden", hidden), ("other", other), ("partly", partly), ("whole", batch.occurrence)):
        made = method(tpl=False)
        terms[name] = only(made, Fixed(replace(batch, occurrence=occurrence.reshape(B * L, -1)))).terms
        if name == "partly":
            taught = slopes(made, terms[name]["pseudo"])["model.students.head.bias"]
            assert not taught[0, 2].any() and taught[0, :2].any() and taught[2].all()
    assert torch.equal(terms["hidden"]["recognition"], terms["other"]["recognition"])
    assert float(terms["hidden"]["pseudo"].detach()) > 0 and float(terms["other"]["pseudo"].detach()) == 0
    assert not torch.isclose(terms["hidden"]["recognition"], terms["whole"]["recognition"])


def test_teacher_and_students_see_different_pictures() -> None:
    """Noise by augmentation (3.1.2): M_A the key frame in a view of its own, the students the clip's."""
    batch, made = clips(3), method().eval()
    seen: dict[str, list[Tensor]] = {"a": [], "b": []}
    for name, trunk in (("a", made.model.spatial.trunk), ("b", made.model.trunk)):
        trunk.register_forward_pre_hook(lambda _, inputs, name=name: seen[name].append(inputs[0]))
    only(made, Fixed(batch))
    assert torch.equal(seen["a"][0], batch.key_image) and torch.equal(seen["b"][0], batch.image)
    assert made.needs().key_view
    with pytest.raises(ValueError, match="no view of the key frames apart"):
        only(made, Fixed(replace(batch, key_image=None)))


def test_a_shared_student_is_taught_at_every_place_by_every_key() -> None:
    made = method(students="shared").eval()
    features, _ = made.model.students(torch.rand(2, 1, made.model.trunk.width).expand(-1, L, -1))
    assert torch.equal(features[:, 0], features[:, 2]), "no place has weights of its own"
    found = slopes(made, only(made, Fixed(clips(3, key=1))).terms["spatial_distillation"])
    assert found["model.students.head.weight"].shape[0] == 1
    noisy = method(students="shared", dropout=0.5)
    same = noisy.model.students(torch.ones(2, L, noisy.model.trunk.width))[0]
    assert torch.equal(same[:, 0], same[:, 1]), "a clip's frames share their noise"
    assert not torch.equal(same[0], same[1])


def test_a_confidence_cut_leaves_unsure_labels_out() -> None:
    batch, made = clips(3), method(tpl=False, confidence=0.9).eval()
    with torch.no_grad():
        made.temporal_teacher.head.weight.zero_()
        made.temporal_teacher.head.bias.copy_(torch.tensor([5.0, -5.0, 0.5]))
    terms = only(made, Fixed(batch)).terms
    assert float(terms["pseudo_sure"]) == pytest.approx(2 / 3)
    taught = slopes(made, terms["pseudo"])["model.students.head.bias"]
    assert taught[1, :2].all() and not taught[1, 2].any()


def test_clips_without_labels_come_late_and_give_pseudo_labels_and_order_alone() -> None:
    batch = clips(3, key=1)
    free = clips(7, labelled=False, count=4)
    made, source = method(unlabelled_after=0.05), Source()
    assert made.needs().unlabelled and made.needs().clip_length == L
    for step in range(5):
        only(made, source, step)
        assert source.drawn["unlabelled"] == 0
    only(made, source, 5)
    assert source.drawn["unlabelled"] == 1
    assert not method().needs().unlabelled
    never = Source()
    only(method(), never, 10**6)
    assert never.drawn["unlabelled"] == 0

    made = method(unlabelled_after=0, tpl=False).eval()  # with still statistics, other clips change no feature
    with_free, without = only(made, Fixed(batch, free)).terms, only(made, Fixed(batch)).terms
    same = {name for name in without if torch.allclose(with_free[name], without[name], atol=1e-5)}
    assert set(without) - same == {"pseudo"}
    found = slopes(made, with_free["pseudo"])
    assert found["model.students.head.weight"].flatten(1).any(dim=1).all()  # the key's place too


def test_no_pseudo_label_of_an_unconfirmed_clip_counts() -> None:
    made = method().eval()
    batch = clips(3)
    with torch.no_grad():
        made.temporal_teacher.order.weight.zero_()
        made.temporal_teacher.order.bias.fill_(-1)
    terms = only(made, Fixed(batch)).terms
    assert float(terms["pseudo"].detach()) == 0 and float(terms["pseudo_kept"]) == 0
    with torch.no_grad():
        made.temporal_teacher.order.bias.fill_(1)
    terms = only(made, Fixed(batch)).terms
    assert float(terms["pseudo"].detach()) > 0 and float(terms["pseudo_kept"]) == 1
    assert torch.equal(terms["pseudo"], only(method(tpl=False).eval(), Fixed(batch)).terms["pseudo"])


def test_left_out_parts_take_their_terms_with_them() -> None:
    batch = Fixed(clips(3))
    whole = set(only(method(), batch).terms)
    assert whole - set(only(method(ksm=False), batch).terms) == {"spatial_distillation", "temporal_distillation"}
    assert whole - set(only(method(tpl=False), batch).terms) == {"order", "order_accuracy"}
    assert whole == set(only(method(sil=False), batch).terms)
    losses = [only(method(**changed), batch) for changed in ({}, {"ksm": False}, {"distillation": 0.0})]
    assert losses[0].loss > losses[1].loss
    assert torch.isclose(losses[1].loss, losses[2].loss)
    for changed in ({"ksm": False}, {"sil": False}, {"tpl": False}):  # labels still reach the key frame's student
        made = method(**changed)
        head = slopes(made, only(made, batch).loss)["model.students.head.weight"]
        assert head[0].any()


@pytest.mark.parametrize("source", ["temporal-teacher", "spatial-teacher", "students", "ensemble"])
def test_pseudo_labels_come_from_whom_they_should(source: str) -> None:
    made = method(pseudo_labels=source, tpl=False).eval()
    batch = clips(3)
    term = only(made, Fixed(batch)).terms["pseudo"]
    features = made.model.frame_features(batch.image).view(B, L, -1)
    single, clip = made.model.by_branch(features)
    labels = made.model.pseudo_labels(clip, single).label_BLA
    logits = made.model.branch_b(clip).student_BLA
    expected = F.binary_cross_entropy_with_logits(logits[:, 1:], labels[:, 1:])
    assert float(term.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)


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
