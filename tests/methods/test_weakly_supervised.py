"""WSRTL's algorithm and its comparisons: who is moved by which loss, what is left out, teachers, needs."""

import math
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from made_stores import build_store
from sparsefacs import InputError, api
from sparsefacs.data.batches import Batch
from sparsefacs.engine.config import resolve
from sparsefacs.facs.landmarks import mean_face
from sparsefacs.methods.auxiliary import Inpainting
from sparsefacs.methods.chance import Chance, Purpose
from sparsefacs.methods.contract import Setting, Update
from sparsefacs.methods.parts import Drawn
from sparsefacs.methods.registry import method_class
from sparsefacs.methods.weakly_supervised import WeaklySupervised
from sparsefacs.networks.config import NetworkConfig
from sparsefacs.networks.rois import hidden_aus

AUS = (1, 4, 12, 15, 24)
SIDE, FACES = 64, 4
NETWORK = NetworkConfig(backbone="test_resnet", input_size=SIDE)
ROI = {"kind": "roi", "level": 2, "cells": 2, "heads": 2, "feedforward": 16, "dropout": 0.0}
SMALL: dict[str, Any] = {"recogniser": ROI, "inpainting": {"width": 16}}


def faces(seed: int, labelled: bool) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    points = torch.from_numpy(mean_face()).float() * SIDE - 0.5
    occurrence = (torch.rand(FACES, len(AUS), generator=generator) < 0.5).float()
    return Batch(
        image=torch.rand(FACES, 3, SIDE, SIDE, generator=generator),
        landmarks=(points + torch.randn(FACES, 68, 2, generator=generator)),
        occurrence=occurrence if labelled else torch.full_like(occurrence, -1),
        intensity=torch.full((FACES, len(AUS)), torch.nan),
        row=torch.arange(FACES),
        flow=torch.randn(FACES, 2, 8, 8, generator=generator),
    )


class Source:
    """The same faces at every draw."""

    def __init__(self, unlabelled: bool = True, change: Callable[[Batch], Batch] = lambda batch: batch) -> None:
        self._labelled = change(faces(0, True))
        self._free = (faces(1, False), faces(2, False)) if unlabelled else None

    def labelled(self) -> Batch:
        return self._labelled

    def unlabelled(self) -> Batch | None:
        return None if self._free is None else self._free[0]

    def unlabelled_views(self) -> tuple[Batch, Batch] | None:
        return self._free

    def labels(self, count: int) -> torch.Tensor:
        return self._labelled.occurrence.repeat(count, 1)[:count]


def made(name: str = "wsrtl", steps: int = 0, **settings: Any) -> WeaklySupervised:
    torch.manual_seed(0)
    kind = method_class(name)
    method: Any = kind(kind.Config(**settings), Setting("occurrence", AUS, NETWORK, steps=steps))
    return method.train()


def gradients(method: WeaklySupervised, source: Source, step: int = 0) -> list[tuple[Update, dict[str, float]]]:
    """Each update with the gradient norm it leaves in every part."""
    result = []
    for update in method.updates(source, step):
        method.zero_grad(set_to_none=True)
        update.loss.backward()
        norms: dict[str, float] = {}
        for name, parameter in method.named_parameters():
            if parameter.grad is not None:
                part = ".".join(name.split(".")[:3]) if name.startswith("auxiliary") else name.split(".")[0]
                norms[part] = norms.get(part, 0.0) + float(parameter.grad.norm())
        result.append((update, norms))
    return result


def test_algorithm_1_updates_the_backbone_twice_and_the_critics_once() -> None:
    found = gradients(made(**SMALL), Source())
    assert [(update.optimiser, update.also) for update, _ in found] == [
        ("backbone", ()),  # line 7
        ("critics", ()),
        ("backbone", ("auxiliary",)),  # line 9
    ]
    semi, critics, rest = (norms for _, norms in found)
    assert set(semi) == {"recogniser"}
    assert set(critics) == {"auxiliary.inpainting.discriminator", "auxiliary.inpainting.classifier"}
    assert set(rest) == {"recogniser", "auxiliary.flow.head", "auxiliary.inpainting.generator"}
    assert all(norm > 0 for norms in (semi, critics, rest) for norm in norms.values())


def test_the_paper_s_weights_make_up_equation_9() -> None:
    *_, last = made(**SMALL).updates(Source(), 0)
    term = last.terms
    restored = 0.1 * term["fooling"] + 0.9 * term["restoring"] + 0.1 * term["meaning"]
    torch.testing.assert_close(last.loss, term["recognition"] + 0.2 * term["flow"] + restored)
    first = next(iter(made(**SMALL).updates(Source(), 0)))
    torch.testing.assert_close(first.loss, first.terms["mixed_labelled"] + first.terms["mixed_unlabelled"])


def test_the_paper_s_recipe_keeps_what_was_once_ours() -> None:
    """An AU counts as hidden when any of its regions is; the average of weights is MixMatch's own."""
    method = resolve("wsrtl", "paper").method
    assert method["inpainting"]["hidden_share"] == 0 and method["mixmatch"]["momentum"] == 0.999


def drawn(source: Source) -> Drawn:
    return Drawn(source.labelled(), source.unlabelled(), None, 0, Chance(3))


def contribution(method: WeaklySupervised, source: Source) -> tuple[Any, Drawn]:
    task, given = method.auxiliary["inpainting"], drawn(source)
    labelled = given.labelled
    run = task.run(method.recogniser, given, method.recogniser.recognise(labelled.image, labelled.landmarks))
    while True:
        try:
            next(run)
        except StopIteration as stop:
            return stop.value, given


def test_labels_of_hidden_aus_are_left_out_of_the_supervised_loss() -> None:
    method, source = made(**SMALL), Source()
    part, given = contribution(method, source)
    task = method.auxiliary["inpainting"]
    assert isinstance(task, Inpainting)
    hidden = given.chance.choices(0, Purpose.HIDDEN_LABELLED, FACES, len(AUS))
    corners = method.recogniser.rois(given.labelled.landmarks, SIDE)
    roi = method.recogniser.roi_side
    covered = hidden_aus(corners, corners[torch.arange(FACES), hidden], roi, SIDE)
    assert covered[torch.arange(FACES), hidden].all()
    assert (covered[:, 2] == covered[:, 3]).all()  # AU12 and AU15 share their RoIs
    assert torch.equal(part.occurrence == -1, covered)
    assert torch.equal(part.occurrence[~covered], given.labelled.occurrence[~covered])


def test_every_face_is_restored_once_a_side_and_white_is_what_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    method, source, seen = made(**SMALL), Source(), []
    recognise = method.recogniser.recognise

    def spy(image: torch.Tensor, landmarks: torch.Tensor, evidence: torch.Tensor | None = None) -> Any:
        seen.append(image)
        return recognise(image, landmarks, evidence)

    monkeypatch.setattr(method.recogniser, "recognise", spy)
    generated: list[torch.Tensor] = []
    method.auxiliary["inpainting"].generator.register_forward_hook(lambda *parts: generated.append(parts[2]))
    contribution(method, source)
    blank = seen[-1]
    white = (blank == 1).all(dim=1).flatten(1).sum(dim=1)
    roi = method.recogniser.roi_side
    assert len(blank) == 2 * FACES and (white >= roi * roi).all() and (white <= 2 * roi * roi).all()
    assert generated[0].shape == (4 * FACES, 3, roi, roi)


@pytest.mark.parametrize("semi", ["none", "mixmatch", "fixmatch", "mean-teacher", "cutmix", "pseudo-label"])
def test_missing_labels_get_no_gradient_and_change_nothing(semi: str) -> None:
    def hide(batch: Batch, value: float) -> Batch:
        batch.occurrence[:, 1] = value
        return batch

    def logit_gradient(value: float) -> dict[str, float]:
        method = made(**SMALL | {"auxiliary": (), "semi_supervised": semi, "recogniser": {"kind": "whole-face"}})
        first = next(iter(method.updates(Source(False, lambda batch: hide(batch, value)), 0)))
        first.loss.backward()
        return {"missing": float(method.recogniser.head.weight.grad[1].norm()), "loss": float(first.loss.detach())}

    assert logit_gradient(-1)["missing"] == 0
    assert logit_gradient(1)["missing"] > 0


@pytest.mark.parametrize("semi", ["mixmatch", "fixmatch", "mean-teacher", "cutmix", "pseudo-label"])
@pytest.mark.parametrize("kind", ["roi", "areas", "whole-face"])
def test_semi_supervised_parts_work_on_any_recogniser(semi: str, kind: str) -> None:
    recogniser = ROI if kind == "roi" else {"kind": kind}
    method = made(auxiliary=(), semi_supervised=semi, recogniser=recogniser)
    found = gradients(method, Source(), step=5)
    assert [update.optimiser for update, _ in found] == ["backbone"]
    assert set(found[0][1]) == {"recogniser"} and found[0][1]["recogniser"] > 0
    alone = gradients(made(auxiliary=(), semi_supervised=semi, recogniser=recogniser), Source(False), step=5)
    assert torch.isfinite(alone[0][0].loss)


@pytest.mark.parametrize("task", ["rotation", "exemplar", "jigsaw", "flow", "inpainting"])
def test_each_auxiliary_task_teaches_the_trunk(task: str) -> None:
    kind = {"jigsaw": {"kind": "patches"}, "inpainting": ROI}.get(task, {"kind": "whole-face"})
    method = made(**SMALL | {"auxiliary": (task,), "semi_supervised": "none", "recogniser": kind})
    plain = made(**SMALL | {"auxiliary": (), "semi_supervised": "none", "recogniser": kind})
    *_, last = gradients(method, Source())
    assert last[0].also == (("auxiliary",) if task not in ("exemplar",) else ())
    base = gradients(plain, Source())[0]
    assert float(last[0].loss) > float(base[0].terms["recognition"]) * 0.5
    assert last[1]["recogniser"] != base[1]["recogniser"]


def same_statistics(one: nn.Module, other: nn.Module) -> bool:
    found, wanted = dict(one.named_buffers()), dict(other.named_buffers())
    assert any("running_mean" in name for name in wanted)
    return all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize(
    "altering",
    [
        *({"auxiliary": (task,)} for task in ("rotation", "inpainting")),
        *({"semi_supervised": name} for name in ("cutmix", "fixmatch")),
    ],
)
def test_altered_faces_leave_running_statistics_alone(altering: dict[str, Any]) -> None:
    """Those are of faces as they are coded."""
    plain = {"auxiliary": (), "semi_supervised": "none"}
    methods = [made(**SMALL | plain | more) for more in (altering, {})]
    for method in methods:
        list(method.updates(Source(), 0))
    assert same_statistics(methods[0].recogniser, methods[1].recogniser)


def test_mixtures_leave_running_statistics_to_whole_faces() -> None:
    """Labelled and other faces, as they are, move them once a step."""
    method, other = (made(auxiliary=(), **SMALL) for _ in range(2))
    list(method.updates(Source(), 0))
    whole = [faces(0, True), faces(1, False)]
    other.recogniser(*(torch.cat([getattr(each, name) for each in whole]) for name in ("image", "landmarks")))
    assert same_statistics(method.recogniser, other.recogniser)


def test_faces_without_flow_do_not_pass_the_trunk_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    method, passed = made(auxiliary=("flow",), semi_supervised="none", recogniser={"kind": "whole-face"}), []
    maps = method.recogniser.maps
    monkeypatch.setattr(method.recogniser, "maps", lambda image: passed.append(image) or maps(image))
    source = Source()
    assert source._free is not None and source._free[0].flow is not None
    list(method.updates(source, 0))
    source._free[0].flow[1:3] = torch.nan
    list(method.updates(source, 0))
    source._free[0].flow[:] = torch.nan
    *_, last = method.updates(source, 0)
    assert torch.equal(passed[0], source._free[0].image) and torch.equal(passed[1], source._free[0].image[[0, 3]])
    assert len(passed) == 2 and float(last.terms["flow"].detach()) > 0  # of labelled faces


def test_restoring_may_be_a_sum_and_faces_with_hidden_regions_left_out_of_recognition() -> None:
    def last(**settings: Any) -> Update:
        given = SMALL | {"auxiliary": ("inpainting",), "semi_supervised": "none"}
        *_, update = made(**given | {"inpainting": {"width": 16, **settings}}).updates(Source(), 0)
        return update

    mean, summed, bare = last(), last(restoring="sum"), last(supervised=False)
    roi = made(**SMALL).recogniser.roi_side
    torch.testing.assert_close(summed.loss - mean.loss, 0.9 * (3 * roi**2 - 1) * mean.terms["restoring"])
    plain = next(iter(made(**SMALL | {"auxiliary": (), "semi_supervised": "none"}).updates(Source(), 0)))
    assert torch.equal(bare.terms["recognition"], plain.terms["recognition"])
    assert not torch.equal(mean.terms["recognition"], plain.terms["recognition"])


@pytest.mark.parametrize(
    ("relation", "positions"),
    [("transformer", "none"), ("transformer", "sinusoidal"), ("transformer", "learnable"), ("encoder", "none")]
    + [("encoder", "learnable"), ("gcn", "none")],
)
def test_every_relation_of_table_1_learns(relation: str, positions: str) -> None:
    recogniser = ROI | {"relation": relation, "positions": positions}
    method = made(auxiliary=(), semi_supervised="none", recogniser=recogniser)
    assert gradients(method, Source())[0][1]["recogniser"] > 0


def test_the_gcn_s_graph_comes_from_the_training_labels_and_is_kept() -> None:
    method = made(auxiliary=(), semi_supervised="none", recogniser=ROI | {"relation": "gcn"})
    before = {key: value.clone() for key, value in method.recogniser.relation.named_buffers()}
    list(method.updates(Source(), 0))
    after = dict(method.recogniser.relation.named_buffers())
    assert any(not torch.equal(before[key], after[key]) for key in after)
    assert "recogniser.relation.graph.adjacency" in method.state_dict()
    kept = {key: value.clone() for key, value in after.items()}
    list(method.updates(Source(), 1))
    assert all(torch.equal(kept[key], value) for key, value in method.recogniser.relation.named_buffers())


@pytest.mark.parametrize("name", ["mean-teacher", "mixmatch"])
def test_the_teacher_is_not_the_student_and_moves_by_1_minus_m(name: str) -> None:
    method: Any = made(name, **{name.replace("-", "_"): {"momentum": 0.9}})
    teacher, student = method.predictor(), method.recogniser
    assert teacher is not student
    shared = {id(p) for p in teacher.parameters()} & {id(p) for p in student.parameters()}
    assert not shared and not any(p.requires_grad for p in teacher.parameters())
    old = [p.clone() for p in teacher.parameters()]
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(torch.randn_like(parameter))
    method.after_step(999)
    for now, before, new in zip(teacher.parameters(), old, student.parameters(), strict=True):
        torch.testing.assert_close(now, 0.9 * before + 0.1 * new)
    owned = {id(p) for group in method.parameters_by_optimiser().values() for p in group}
    assert not owned & {id(p) for p in teacher.parameters()}


@pytest.mark.parametrize("name", ["mean-teacher", "mixmatch"])
def test_an_average_has_running_statistics_of_its_own(name: str) -> None:
    """Those of the network that it follows do not fit its weights."""
    method: Any = made(name)
    average, alike = method.predictor(), deepcopy(method.predictor())
    with torch.no_grad():
        for parameter in method.recogniser.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    list(method.updates(Source(), 0))
    method.after_step(0)
    free = faces(1 if name == "mixmatch" else 2, False)
    seen = [faces(0, True), free] if name == "mixmatch" else [free]
    alike(*(torch.cat([getattr(each, part) for each in seen]) for part in ("image", "landmarks")))
    assert same_statistics(average, alike) and not same_statistics(average, method.recogniser)


@pytest.mark.parametrize("name", ["mean-teacher", "pseudo-label"])
def test_weights_grow_over_a_share_of_the_training_whatever_its_length(name: str) -> None:
    def weight(step: int, steps: int) -> float:
        method = made(name, steps=steps)
        update = next(iter(method.updates(Source(), step)))
        supervised, other = (
            update.terms["supervised"],
            update.terms["consistency" if name == "mean-teacher" else "pseudo"],
        )
        return float(((update.loss - supervised) / other).detach())

    for step in (0, 15, 30):
        assert weight(step, 90) == pytest.approx(math.exp(-5 * (1 - step / 30) ** 2), rel=0.01)
        assert weight(3 * step, 270) == pytest.approx(weight(step, 90), rel=0.01)
    assert weight(60, 90) == pytest.approx(1, rel=0.01)


def test_mixmatch_mixes_as_written_out() -> None:
    method, source = made(auxiliary=(), **SMALL | {"recogniser": {"kind": "whole-face"}}), Source()
    given = drawn(source)
    image = torch.cat([given.labelled.image, given.first.image])  # type: ignore[union-attr]
    guess = torch.rand(FACES, len(AUS))
    labels = [given.labelled.occurrence, guess]
    evidence = torch.rand(2 * FACES, 9)
    parts = [given.labelled.image, given.first.image]  # type: ignore[union-attr]
    mixed, targets, shared = method.semi._mixed(parts, labels, given, evidence)  # type: ignore
    partner = given.chance.generator(0, Purpose.MIX_PARTNER).permutation(2 * FACES)
    beta = given.chance.generator(0, Purpose.MIX_WEIGHT).beta(0.75, 0.75, 2 * FACES)
    every = torch.cat(labels)
    for row in range(2 * FACES):
        share = max(beta[row], 1 - beta[row])
        torch.testing.assert_close(mixed[row], (share * image[row] + (1 - share) * image[partner[row]]).float())
        torch.testing.assert_close(targets[row], (share * every[row] + (1 - share) * every[partner[row]]).float())
        expected = (share * evidence[row] + (1 - share) * evidence[partner[row]]).float()
        torch.testing.assert_close(shared[row], expected)


def test_needs_follow_the_parts() -> None:
    plain = {"recogniser": {"kind": "whole-face"}, "semi_supervised": "none"}
    assert not made(auxiliary=(), **plain).needs().unlabelled
    needs = made(**SMALL).needs()
    assert needs.unlabelled and not needs.two_views and needs.flow_side == 8
    assert made("fixmatch").needs().two_views and made("fixmatch").needs().flow_side is None
    assert made("exemplar").needs().two_views and not made("rotation").needs().two_views
    assert made(auxiliary=(), semi_supervised="mixmatch", mixmatch={"guesses": 2}).needs().two_views


def test_what_does_not_go_together_is_said() -> None:
    with pytest.raises(InputError, match="recogniser of patches"):
        made("jigsaw", recogniser={"kind": "whole-face"})
    with pytest.raises(InputError, match="recogniser of RoIs"):
        made(recogniser={"kind": "whole-face"})


def test_no_auxiliary_module_is_loaded_to_code_faces(
    tmp_path: Path, tiny_settings: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sparsefacs.methods import auxiliary
    from sparsefacs.networks.backbone import read_safetensors

    store = build_store(tmp_path / "store", size=SIDE, faces=True)
    settings = [*tiny_settings, "network.options={}", f"network.input_size={SIDE}", "training.steps=2"]
    settings += ["method.auxiliary=[inpainting]", "method.inpainting.width=16", "method.recogniser.cells=2"]
    api.train("wsrtl", store.path, tmp_path / "run", labels="50%", settings=settings)
    for name in ("PatchGenerator", "PatchCritic", "FlowHead"):
        monkeypatch.setattr(auxiliary, name, lambda *parts: pytest.fail("an auxiliary module was built"))
    coder = api.load(tmp_path / "run")
    names = set(read_safetensors(tmp_path / "run" / "model.safetensors"))
    assert names == set(coder.network.state_dict())
    kept = {key.split(".")[0] for key in read_safetensors(tmp_path / "run" / "auxiliary.safetensors")}
    assert kept == {"recogniser", "generator"}
    assert isinstance(coder.network, nn.Module)
