"""Evidence under networks: one mechanism, added to the pixels' logits; windows and single passes agree."""

from typing import Any

import numpy as np
import pytest
import torch

from sparsefacs.evidence.linear import LinearEvidence, evidence_logits
from sparsefacs.evidence.vectors import VECTOR_WIDTH as W
from sparsefacs.facs.landmarks import mean_face
from sparsefacs.methods.contract import Setting
from sparsefacs.methods.registry import method_class
from sparsefacs.networks.config import NetworkConfig
from sparsefacs.networks.evidence import EvidenceHead, joined

AUS = (1, 4, 12)
SIDE, FACES = 48, 6
TINY = {"backbone": "resnet10t", "options": {"channels": [8, 8, 16, 16]}, "input_size": SIDE}
ROI = {"recogniser": {"kind": "roi", "level": 1, "cells": 2, "heads": 2, "feedforward": 16}}
PLAIN = {"auxiliary": (), "semi_supervised": "none"}
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("supervised", {}),
    "areas": ("kdsrl", {"frozen": False, "level": 2}),
    "regions": ("wsrtl", PLAIN | ROI),
    "patches": ("jigsaw", {}),
    "clips": ("tcl", {"clip_length": 3}),
    "spreader": ("knowledge-spreader", {"clip_length": 3, "width": 8, "heads": 2, "hidden": 8, "feedforward": 8}),
    "instant": ("instant", {}),
}


def weights(width: int = W, seed: int = 0) -> LinearEvidence:
    rng = np.random.default_rng(seed)
    blank = LinearEvidence.blank(width, len(AUS)).arrays()
    made = {name: rng.normal(0, 0.3, value.shape).astype(np.float32) for name, value in blank.items()}
    scales = {name: rng.uniform(0.5, 2, width).astype(np.float32) for name in ("scale_E", "changed_E")}
    return LinearEvidence(**made | scales)


def network(kind: str, use: str = "person") -> Any:
    torch.manual_seed(0)
    name, settings = METHODS[kind]
    method = method_class(name)
    sees = NetworkConfig(**TINY | {"evidence": use})
    made: Any = method.build_predictor(Setting("occurrence", AUS, sees), method.Config(**settings)).eval()
    if made.evidence is not None:
        made.evidence.take(weights())
    return made


def faces() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    evidence = torch.randn(FACES, 2 * W + 1)
    evidence[:, -1] = torch.tensor([0.0, 1.0, 3.0, 10.0, 50.0, 2.0])
    evidence[2, 5] = float("nan")
    landmarks = torch.from_numpy((mean_face() * SIDE).astype(np.float32)).expand(FACES, 68, 2)
    return torch.rand(FACES, 3, SIDE, SIDE), landmarks, evidence


@pytest.mark.parametrize("kind", [kind for kind in METHODS if kind != "instant"])
def test_evidence_adds_its_logits_to_those_of_the_pixels(kind: str) -> None:
    made, (image, landmarks, evidence) = network(kind), faces()
    with torch.no_grad():
        pixels = made(image, landmarks)
        both = made(image, landmarks, evidence)
    known = evidence_logits(evidence.numpy(), weights(), np)
    np.testing.assert_allclose((both - pixels).numpy(), known, atol=2e-5)
    assert np.abs(known).max() > 1


@pytest.mark.parametrize("kind", list(METHODS))
def test_features_then_answers_equal_one_pass(kind: str) -> None:
    made, (image, landmarks, evidence) = network(kind), faces()
    with torch.no_grad():
        whole = made(image, landmarks, evidence)
        encoded = made.frame_features(image, landmarks, evidence[:, :W])
        window = encoded[:, None].expand(-1, made.clip_length, -1)
        answered = made.from_windows(window, evidence[:, W:])
        unknown = made.from_windows(window)
        alone = made(image, landmarks, joined(evidence[:, :W], None))
    torch.testing.assert_close(answered, whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(unknown, alone, atol=1e-5, rtol=1e-5)
    assert made.known == W and torch.equal(encoded[:, -W:].nan_to_num(), evidence[:, :W].nan_to_num())


@pytest.mark.parametrize("kind", [kind for kind in METHODS if kind != "instant"])
def test_a_network_of_pixels_is_what_it_was(kind: str) -> None:
    made, (image, landmarks, evidence) = network(kind, "pixels"), faces()
    assert made.known == 0 and not [name for name in made.state_dict() if "evidence" in name]
    with torch.no_grad():
        assert torch.equal(made(image, landmarks), made(image, landmarks, evidence))


@pytest.mark.parametrize("kind", list(METHODS))
def test_no_optimiser_moves_evidence_and_it_travels_with_the_weights(kind: str) -> None:
    made = network(kind)
    assert not [name for name, _ in made.named_parameters() if "evidence" in name]
    assert {f"evidence.{name}" for name in weights().arrays()} <= set(made.state_dict())


@pytest.mark.parametrize("kind", list(METHODS))
def test_a_representation_holds_the_evidence(kind: str) -> None:
    made, (image, landmarks, evidence) = network(kind), faces()
    with torch.no_grad():
        first = made.features(image, landmarks, evidence)
        other = made.features(image, landmarks, evidence + 1)
    assert first.ndim == 2 and torch.isfinite(first).all() and not torch.equal(first, other)


def test_evidence_is_summed_in_float32_whatever_a_training_does() -> None:
    head = EvidenceHead(len(AUS), person=True)
    head.take(weights())
    evidence = faces()[2]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        within = head(evidence)
    assert within.dtype == torch.float32 and torch.equal(within, head(evidence))


def test_a_head_that_learned_nothing_adds_nothing() -> None:
    assert not EvidenceHead(len(AUS), person=True)(faces()[2]).any()
