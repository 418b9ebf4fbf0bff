"""Knowledge-Spreader's networks: who sees what, literal attention and perceptrons, size, clips and single faces."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsefacs import InputError
from sparsefacs.networks.config import NetworkConfig
from sparsefacs.networks.spreader import (
    Encoder,
    FrameTrunk,
    Perceptrons,
    PlaceLinear,
    SpatialModel,
    SpatialStudents,
    SpreaderConfig,
    SpreaderPredictor,
    TemporalModel,
)

A, L, SIDE = 4, 3, 32
NETWORK = NetworkConfig(backbone="test_resnet", input_size=SIDE)
SMALL = {"clip_length": L, "width": 16, "heads": 1, "layers": 2, "feedforward": 24, "hidden": 20, "dropout": 0.5}


def settings(**changed: Any) -> SpreaderConfig:
    return SpreaderConfig(**(SMALL | changed))


def predictor(**changed: Any) -> SpreaderPredictor:
    torch.manual_seed(0)
    return SpreaderPredictor(NETWORK, A, settings(**changed)).eval()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def faces(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def normed(layer: nn.LayerNorm, rows: Tensor) -> Tensor:
    centred = rows - rows.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + layer.eps).sqrt() * layer.weight + layer.bias


def attended(layer: nn.MultiheadAttention, rows: Tensor) -> Tensor:
    """Equations 9 and 10 for one head."""
    queries, keys, values = (
        rows @ w.T + b for w, b in zip(layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3), strict=True)
    )
    result = torch.zeros_like(rows)
    for i, query in enumerate(queries):
        scores = torch.stack([query @ key / math.sqrt(len(query)) for key in keys])
        weights = scores.exp() / scores.exp().sum()
        result[i] = sum(weight * value for weight, value in zip(weights, values, strict=True))
    return layer.out_proj(result)


def test_the_encoder_is_the_literal_transcription() -> None:
    torch.manual_seed(1)
    encoder = Encoder(A, settings())
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.3)
    given = drawn(2, A, 16)
    expected = torch.zeros_like(given)
    for face in range(2):
        rows = given[face] + encoder.embedding
        *layers, last = encoder.layers
        for layer in layers:
            rows = rows + attended(layer.self_attn, normed(layer.norm1, rows))
            hidden = F.gelu(normed(layer.norm2, rows) @ layer.linear1.weight.T + layer.linear1.bias)
            rows = rows + hidden @ layer.linear2.weight.T + layer.linear2.bias
        expected[face] = normed(last, rows)
    assert torch.allclose(encoder(given), expected, atol=1e-5)  # in training: no dropout
    assert torch.allclose(encoder.eval()(given), expected, atol=1e-5)


def test_places_have_embeddings_of_their_own() -> None:
    encoder = Encoder(A, settings()).eval()
    order = torch.tensor([2, 0, 3, 1])
    given = drawn(2, A, 16)
    assert not torch.allclose(encoder(given[:, order]), encoder(given)[:, order], atol=1e-4)
    with torch.no_grad():
        encoder.embedding.zero_()
    assert torch.allclose(encoder(given[:, order]), encoder(given)[:, order], atol=1e-5)


def test_each_place_has_a_map_of_its_own() -> None:
    layer = PlaceLinear(L, 5, 7)
    given = drawn(6, L, 5)
    for b in range(6):
        for place in range(L):
            assert torch.allclose(
                layer(given)[b, place], given[b, place] @ layer.weight[place] + layer.bias[place], atol=1e-6
            )


def test_students_are_perceptrons_of_their_own_frame() -> None:
    torch.manual_seed(0)
    students = SpatialStudents(L, 6, A, settings()).eval()
    given = drawn(5, L, 6).requires_grad_()
    features, logits = students(given)
    for place in range(L):
        hidden = (given[:, place] @ students.inner.weight[place] + students.inner.bias[place]).clamp(min=0)
        own = hidden @ students.outer.weight[place] + students.outer.bias[place]
        assert torch.allclose(features[:, place], own, atol=1e-5)
        assert torch.allclose(
            logits[:, place], own @ students.head.weight[place] + students.head.bias[place], atol=1e-5
        )
    (slope,) = torch.autograd.grad(logits[:, 1].sum(), given)
    assert slope[:, 1].any() and not slope[:, [0, 2]].any()


def test_noise_is_dropout_in_training_that_can_be_left_out() -> None:
    students = SpatialStudents(L, 6, A, settings()).train()
    given = drawn(5, L, 6)
    assert not torch.equal(students(given)[1], students(given)[1])
    assert torch.equal(students(given, noise=False)[1], students(given, noise=False)[1])
    assert torch.equal(students(given, noise=False)[1], students.eval()(given)[1])


def test_the_spatial_model_relates_aus_and_perceptrons_do_not() -> None:
    """A map of one AU reaches another AU's logit by the transformer alone."""
    for sil in (True, False):
        torch.manual_seed(0)
        model = SpatialModel(NETWORK, A, settings(sil=sil)).eval()
        pooled = drawn(3, model.trunk.width)
        slope = torch.autograd.grad(model.classify(pooled)[:, 2].sum(), model.decouple.weight)[0]
        reached = slope.view(A, 16, -1).flatten(1).any(dim=1).tolist()
        assert reached == ([True] * A if sil else [False, False, True, False])
        assert torch.equal(model(faces(3)), model.classify(model.trunk(faces(3))))


def test_perceptrons_are_the_encoder_s_layers_without_attention() -> None:
    encoder = Encoder(A, settings(layers=2)).eval()
    alone = Perceptrons(16, settings(layers=2)).eval()
    for layer, attending in zip(alone.layers, list(encoder.layers)[:-1], strict=True):
        torch.nn.init.zeros_(attending.self_attn.out_proj.weight)
        torch.nn.init.zeros_(attending.self_attn.out_proj.bias)
        for mine, its in ((layer[0], attending.norm2), (layer[1], attending.linear1), (layer[3], attending.linear2)):
            mine.load_state_dict(its.state_dict())
    torch.nn.init.zeros_(encoder.embedding)
    given = drawn(3, A, 16)
    assert torch.allclose(alone(given), encoder(given), atol=1e-6)


def test_the_temporal_model_sees_the_whole_clip() -> None:
    for sil in (True, False):
        torch.manual_seed(0)
        model = TemporalModel(L, A, settings(sil=sil)).eval()
        given = drawn(2, L, 16).requires_grad_()
        logits, order = model(given), model.order_of(given)
        assert logits.shape == (2, L, A)
        assert order is not None and order.shape == (2,)
        for output in (logits[:, 1], order):
            (slope,) = torch.autograd.grad(output.sum(), given, retain_graph=True)
            assert slope.flatten(2).any(dim=2).all(), sil
        turned, other = model(given.flip(1)), model.order_of(given.flip(1))
        assert other is not None
        assert not torch.allclose(order, other, atol=1e-4)
        tokens = model.relate(given)
        literal = sum(tokens[:, i] @ model.order.weight[0, 16 * i : 16 * i + 16] for i in range(L)) + model.order.bias
        assert torch.allclose(order, literal, atol=1e-5)
        assert torch.allclose(turned, model.head(model.relate(given.flip(1))))


def test_the_order_of_a_shared_student_s_features_hangs_on_how_they_differ_alone() -> None:
    model = TemporalModel(L, A, settings(students="shared")).eval()
    features = drawn(2, L, 16).requires_grad_()
    order = model.order_of(features)
    assert order is not None
    shifted = model.order_of(features + drawn(2, 1, 16))
    assert shifted is not None and torch.allclose(order, shifted, atol=1e-4)
    still = model.order_of(features[:, :1].expand(-1, L, -1))
    assert still is not None and torch.allclose(still[0], still[1], atol=1e-6)
    turned = model.order_of(features.flip(1))
    assert turned is not None and not torch.allclose(order, turned, atol=1e-4)
    (slope,) = torch.autograd.grad(order.sum(), features)
    assert slope.flatten(2).any(dim=2).all()


def test_the_paper_has_about_25_million_parameters() -> None:
    model = SpreaderPredictor(NetworkConfig(backbone="resnet18"), 12, SpreaderConfig())
    count = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    trunks = 2 * 11_176_512  # ResNet-18 without its classifier
    layer = 4 * (128 * 128 + 128) + 2 * 128 * 512 + 512 + 128 + 4 * 128
    encoders = 2 * (2 * layer + 2 * 128) + (12 + 5) * 128
    spatial = 512 * 12 * 128 + 12 * 128 + 12 * 129
    students = 5 * (513 * 256 + 257 * 128 + 129 * 12)
    assert count == trunks + encoders + spatial + students + 129 * 12 + 5 * 128 + 1
    assert count == pytest.approx(25e6, rel=0.05)


def test_branches_share_no_weight() -> None:
    model = predictor()
    first, second = model.spatial.trunk, model.trunk
    assert isinstance(second, FrameTrunk)
    assert not {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}
    assert not torch.equal(first(faces(2)), second(faces(2)))


@pytest.mark.parametrize("changed", [{}, {"sil": False}, {"tpl": False}, {"clip_length": 2}, {"clip_length": 9}])
def test_a_still_clip_is_a_single_face(changed: dict[str, Any]) -> None:
    model = predictor(**changed)
    length = model.clip_length
    assert model.key == length // 2
    with torch.no_grad():
        features = model.frame_features(faces(3))
        assert features.shape == (3, model.spatial.trunk.width + model.trunk.width)
        assert torch.equal(model.features(faces(3)), features)
        for key in (0, length - 1, length // 2):
            model.key = key
            clip = model.frame_features(faces(3).repeat_interleave(length, dim=0)).view(3, length, -1)
            assert torch.allclose(model.from_windows(clip), model(faces(3)), atol=1e-5)
    with pytest.raises(ValueError, match="clip of"):
        model.from_windows(features[:, None])


def test_codes_are_the_mean_of_both_branches_at_the_key() -> None:
    model = predictor()
    clips = faces(2 * L).view(2, L, 3, SIDE, SIDE)
    features = model.frame_features(clips.flatten(0, 1)).view(2, L, -1)
    codes = {}
    for key in range(L):
        model.key = key
        codes[key] = model.from_windows(features)
        alone = model.spatial(clips[:, key])
        pooled = torch.stack([model.trunk(clips[:, i]) for i in range(L)], dim=1)
        within = model.temporal(model.students(pooled)[0])[:, key]
        assert torch.allclose(codes[key], (alone + within) / 2, atol=1e-5)
    assert not torch.allclose(codes[0], codes[1], atol=1e-4)
    model.key = 1
    other = features.clone()
    other[:, 2] = features[:, 0]  # another frame beside the key frame
    assert not torch.allclose(model.from_windows(other), codes[1], atol=1e-5)


@pytest.mark.parametrize("undo", [True, False])
def test_pseudo_labels_are_the_named_networks_classes(undo: bool) -> None:
    features = torch.randn(5, L, 2 * predictor().trunk.width, generator=torch.Generator().manual_seed(2))
    weight = torch.tensor([4.0, 1.0, 0.5, 1.0])
    for source in ("temporal-teacher", "spatial-teacher", "students", "ensemble"):
        model = predictor(pseudo_labels=source, undo_weights=undo, confidence=0.6).train()
        model.positive_weight.copy_(weight)
        single, clip = model.by_branch(features)
        quiet = model.branch_b(clip, noise=False)
        assert not torch.equal(quiet.temporal_BLA, model.branch_b(clip).temporal_BLA)
        own = torch.stack([model.spatial.classify(single[:, i]) for i in range(L)], dim=1)
        odds = {
            "temporal-teacher": quiet.temporal_BLA,
            "spatial-teacher": own,
            "students": quiet.student_BLA,
            "ensemble": (own + quiet.temporal_BLA) / 2,
        }[source].exp() / (weight if undo else 1)
        probability = odds / (1 + odds)
        made = model.pseudo_labels(clip, single)
        assert torch.equal(made.label_BLA, (probability > 0.5).float()), source
        assert torch.equal(made.sure_BLA, torch.maximum(probability, 1 - probability) >= 0.6), source
        assert quiet.order_B is not None and torch.equal(made.confirmed_B, quiet.order_B > 0)
        assert not made.label_BLA.requires_grad
        if model.sees_alone:
            with pytest.raises(ValueError, match="branch A"):
                model.pseudo_labels(clip)
    assert predictor(tpl=False).pseudo_labels(clip).confirmed_B.tolist() == [True] * 5


def test_quiet_features_leave_statistics_and_gradients_alone() -> None:
    model = predictor().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    features = model.quiet_features(faces(4))
    assert not features.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.allclose(features, model.spatial.trunk(faces(4)), atol=1e-5)


def test_left_out_parts_are_not_there() -> None:
    def names(model: nn.Module) -> set[str]:
        return {type(module).__name__ for module in model.modules()}

    whole, plain = predictor(), predictor(sil=False)
    assert names(whole) - names(plain) == {
        "Encoder",
        "TransformerEncoderLayer",
        "MultiheadAttention",
        "NonDynamicallyQuantizableLinear",
        "Dropout",
    }
    assert not any("embedding" in name for name, _ in plain.named_parameters())
    keys = [set(model.state_dict()) for model in (whole, predictor(tpl=False))]
    parts = {f"temporal.order.{kind}" for kind in ("weight", "bias")}
    assert keys[0] - keys[1] == parts
    assert keys[1] <= keys[0]


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(InputError, match=r"method\.heads"):
        predictor(heads=3)


def test_clips_of_one_frame_or_of_ten_are_refused() -> None:
    for length in (1, 10):
        with pytest.raises(ValueError, match="clip_length"):
            settings(clip_length=length)
