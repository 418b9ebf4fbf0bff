"""TCL: its three stages, what a clip's two speeds see, what teaches whom, and that it learns."""

import math
from typing import Any

import pytest
import torch

from sparsefacs.data.batches import Batch
from sparsefacs.engine.config import resolve
from sparsefacs.methods.contract import Setting, Update
from sparsefacs.methods.tcl import TCL, TCLConfig
from sparsefacs.networks.config import NetworkConfig

AUS, LENGTH, CLIPS, SIDE, STEPS = (1, 4, 12), 4, 3, 32, 48
WARM, CONTRAST, LAST = 3, 20, 45  # a step of each stage


def clips(seed: int, count: int = CLIPS) -> Batch:
    """Clips whose three labels are in how bright each colour of a square is; noise in all frames."""
    generator = torch.Generator().manual_seed(seed)
    faces = count * LENGTH
    occurrence_CA = (torch.rand(count, len(AUS), generator=generator) < 0.5).float()
    image = torch.rand(faces, 3, SIDE, SIDE, generator=generator) * 0.5
    image[:, :, 8:24, 8:24] += 0.4 * occurrence_CA.repeat_interleave(LENGTH, 0)[:, :, None, None]
    return Batch(
        image=image,
        landmarks=torch.zeros(faces, 68, 2),
        occurrence=occurrence_CA.repeat_interleave(LENGTH, 0),
        intensity=torch.full((faces, len(AUS)), torch.nan),
        row=torch.arange(faces),
        length=LENGTH,
        key=1,
    )


class Source:
    def __init__(self, labelled: Batch, views: tuple[Batch, Batch] | None) -> None:
        self._labelled, self._views, self.drawn = labelled, views, 0

    def labelled(self) -> Batch:
        return self._labelled

    def unlabelled_views(self) -> tuple[Batch, Batch] | None:
        self.drawn += 1
        return self._views


def made(**changed: Any) -> TCL:
    torch.manual_seed(0)
    network = NetworkConfig(backbone="test_resnet", input_size=SIDE)
    return TCL(TCLConfig(clip_length=LENGTH, **changed), Setting("occurrence", AUS, network, steps=STEPS)).eval()


def only(method: TCL, source: Any, step: int) -> Update:
    (update,) = method.updates(source, step)
    return update


def test_labels_alone_then_contrast_then_pseudo_labels() -> None:
    source = Source(clips(0), (clips(1), clips(1)))
    terms = [set(only(made(threshold=0.5), source, step).terms) for step in (WARM, CONTRAST, LAST)]
    assert terms == [{"recognition"}, {"recognition", "instance", "group"}, {"recognition", "pseudo"}]
    assert source.drawn == 2, "none before the contrast begins"
    needs = made().needs()
    assert needs.unlabelled and needs.two_views and needs.clip_length == LENGTH
    paper = TCLConfig(**resolve("tcl", "paper").method)
    assert (paper.supervised_until, paper.pseudo_from) == (50 / 400, 350 / 400)
    data = resolve("tcl", "paper").data
    assert data.unlabelled_batch == 3 * data.labelled_batch, "their mu"
    small = resolve("tcl", "small").data
    assert (small.labelled_batch, small.unlabelled_batch) == (13, 13)


def test_the_slow_speed_is_drawn_from_the_other_view_one_of_each_two_frames() -> None:
    method, other = made(), clips(2)
    seen: list[torch.Tensor] = []
    method.network.frames.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    pictures = other.image.view(CLIPS, LENGTH, 3, SIDE, SIDE)
    picked = set()
    for step in range(CONTRAST, CONTRAST + 6):
        slow = method._slowed(other, step).view(CLIPS, LENGTH // 2, 3, SIDE, SIDE)
        for clip in range(CLIPS):
            for place in range(LENGTH // 2):
                which = [n for n in range(LENGTH) if torch.equal(slow[clip, place], pictures[clip, n])]
                assert which[0] // 2 == place
                picked.add(which[0])
    assert picked == set(range(LENGTH))
    assert torch.equal(method._slowed(other, CONTRAST), method._slowed(other, CONTRAST))


def test_each_speed_has_a_pass_of_its_own_and_the_fast_one_is_not_moved() -> None:
    method = made().train()
    passes: list[tuple[int, bool]] = []
    method.network.frames.backbone.register_forward_hook(
        lambda _, inputs, output: passes.append((len(inputs[0]), output.requires_grad))
    )
    terms = only(method, Source(clips(0), (clips(1), clips(2))), CONTRAST).terms
    whole = CLIPS * LENGTH
    assert passes == [(whole, True), (whole, False), (whole // 2, True)]
    for name in ("instance", "group"):  # contrast is of what is answered, through the last layer
        assert torch.autograd.grad(terms[name], method.network.frames.head.weight, retain_graph=True)[0].any()


def test_contrast_is_of_answers_as_the_authors_program_has_it() -> None:
    """NT-Xent of probabilities, written out pair by pair; where they have a softmax over classes, AUs have sigmoids."""
    method, views = made(), (clips(1), clips(2))
    found = only(method, Source(clips(0), views), CONTRAST).terms["instance"]
    fast = torch.sigmoid(method.network.of_clips(views[0].image, LENGTH))
    slow = torch.sigmoid(method.network.of_clips(method._slowed(views[1], CONTRAST), LENGTH // 2))
    every = [*fast, *slow]
    alike = [[float(torch.dot(a, b) / a.norm() / b.norm()) / 0.5 for b in every] for a in every]
    losses = []
    for one in range(2 * CLIPS):
        others = sum(math.exp(alike[one][other]) for other in range(2 * CLIPS) if other != one)
        losses.append(math.log(others) - alike[one][(one + CLIPS) % (2 * CLIPS)])
    assert float(found.detach()) == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_labels_count_as_all_aus_of_a_clip_together() -> None:
    """As much beside contrast as one cross-entropy a clip, whatever the number of AUs."""
    method, batch = made(), clips(0)
    update = only(method, Source(batch, None), WARM)
    logits = method.network.of_clips(batch.image, LENGTH)
    labels = batch.occurrence.view(CLIPS, LENGTH, -1)[:, batch.key]
    wanted = -(labels * logits.sigmoid().log() + (1 - labels) * (1 - logits.sigmoid()).log()).sum(dim=1).mean()
    torch.testing.assert_close(update.terms["recognition"], wanted)


def test_only_the_key_frames_labels_teach() -> None:
    batch, other = clips(0), clips(0)
    rows = torch.arange(CLIPS * LENGTH)
    other.occurrence[rows % LENGTH != batch.key] = 1 - other.occurrence[rows % LENGTH != batch.key]
    losses = [only(made(), Source(each, None), WARM).loss for each in (batch, other)]
    assert torch.equal(*losses)
    other.occurrence[batch.key] = 1 - other.occurrence[batch.key]
    assert not torch.equal(losses[0], only(made(), Source(other, None), WARM).loss)


def test_the_total_is_weighted_as_in_the_paper() -> None:
    source = Source(clips(0), (clips(1), clips(1)))
    update = only(made(), source, CONTRAST)
    terms = update.terms
    torch.testing.assert_close(update.loss, terms["recognition"] + 9 * terms["instance"] + terms["group"])
    last = only(made(threshold=0.5), source, LAST)
    torch.testing.assert_close(last.loss, last.terms["recognition"] + last.terms["pseudo"])


def test_a_still_clip_is_coded_as_its_frame() -> None:
    method, batch = made(), clips(0)
    features = method.network.frame_features(batch.image)
    still = features[:, None].expand(-1, LENGTH, -1)
    torch.testing.assert_close(method.network(batch.image, batch.landmarks), method.network.from_windows(still))
    logits = method.network.of_clips(batch.image, LENGTH)
    torch.testing.assert_close(logits, method.network.from_windows(features.view(CLIPS, LENGTH, -1)))


def test_it_learns() -> None:
    """All three stages, from six labelled clips: clips never seen are ranked well above chance; contrast falls."""
    method = made().train()
    optimiser = torch.optim.AdamW(method.parameters(), lr=3e-3)
    told = []
    for step in range(STEPS):
        free = clips(100 + step, 4), clips(100 + step, 4)
        free[1].image = free[1].image * 0.9 + 0.02
        update = only(method, Source(clips(step % 2, CLIPS), free), step)
        optimiser.zero_grad()
        update.loss.backward()
        optimiser.step()
        if "instance" in update.terms:
            told.append(float(update.terms["instance"].detach()))
    unseen = clips(999, 32)
    with torch.no_grad():
        logits = method.eval().network.of_clips(unseen.image, LENGTH)
    truth = unseen.occurrence.view(32, LENGTH, -1)[:, 0] > 0
    ranked = [(logits[truth[:, au], au][:, None] > logits[~truth[:, au], au]).float().mean() for au in range(len(AUS))]
    assert sum(map(float, ranked)) / len(AUS) > 0.8
    assert sum(told[-5:]) < sum(told[:5])
