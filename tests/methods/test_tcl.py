"""TCL: what a clip's two speeds see, and what teaches."""

import torch

from sparsefacs.data.batches import Batch
from sparsefacs.methods.contract import Setting
from sparsefacs.methods.tcl import TCL, TCLConfig
from sparsefacs.networks.config import NetworkConfig

AUS, LENGTH, CLIPS, SIDE = (1, 4, 12), 4, 3, 32


def clips(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    faces = CLIPS * LENGTH
    return Batch(
        image=torch.rand(faces, 3, SIDE, SIDE, generator=generator),
        landmarks=torch.zeros(faces, 68, 2),
        occurrence=(torch.rand(faces, len(AUS), generator=generator) < 0.5).float(),
        intensity=torch.full((faces, len(AUS)), torch.nan),
        row=torch.arange(faces),
        length=LENGTH,
        key=1,
    )


class Source:
    def __init__(self, labelled: Batch, free: Batch | None) -> None:
        self._labelled, self._free = labelled, free

    def labelled(self) -> Batch:
        return self._labelled

    def unlabelled(self) -> Batch | None:
        return self._free


def made() -> TCL:
    torch.manual_seed(0)
    network = NetworkConfig(backbone="test_resnet", input_size=SIDE)
    return TCL(TCLConfig(clip_length=LENGTH), Setting("occurrence", AUS, network)).eval()


def test_the_two_speeds_are_all_frames_and_every_second() -> None:
    method, batch = made(), clips(0)
    dense, sparse = method.network.at_two_speeds(batch.image)
    frames = method.network.frame_features(batch.image).view(CLIPS, LENGTH, -1)
    for clip in range(CLIPS):
        torch.testing.assert_close(dense[clip], method.network.from_windows(frames[clip][None])[0])
        torch.testing.assert_close(sparse[clip], method.network.from_windows(frames[clip, [0, 2]][None])[0])


def test_only_the_key_frames_labels_teach() -> None:
    batch, other = clips(0), clips(0)
    rows = torch.arange(CLIPS * LENGTH)
    other.occurrence[rows % LENGTH != batch.key] = 1 - other.occurrence[rows % LENGTH != batch.key]
    losses = [next(iter(made().updates(Source(each, None), 0))).loss for each in (batch, other)]
    assert torch.equal(*losses)
    other.occurrence[batch.key] = 1 - other.occurrence[batch.key]
    assert not torch.equal(losses[0], next(iter(made().updates(Source(other, None), 0))).loss)


def test_the_total_is_weighted_as_in_the_paper() -> None:
    update = next(iter(made().updates(Source(clips(0), clips(1)), 0)))
    terms = update.terms
    torch.testing.assert_close(update.loss, terms["recognition"] + 9 * terms["instance"] + terms["group"])


def test_a_still_clip_is_coded_as_its_frame() -> None:
    method, batch = made(), clips(0)
    features = method.network.frame_features(batch.image)
    still = features[:, None].expand(-1, LENGTH, -1)
    torch.testing.assert_close(method.network(batch.image, batch.landmarks), method.network.from_windows(still))
