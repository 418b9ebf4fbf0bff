"""Knowledge-Spreader's algorithm: who teaches whom at which frame, what is left out, order that only motion tells."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from made_clips import AUS, NETWORK, SIDE, SMALL, B, Fixed, L, Source, clips, method, only, slopes
from sparsefacs.methods import knowledge_spreader
from sparsefacs.methods.contract import Setting
from sparsefacs.methods.knowledge_spreader import KnowledgeSpreader, KnowledgeSpreaderConfig


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
