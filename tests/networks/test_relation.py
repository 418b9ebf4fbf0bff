"""Relations of AUs against literal transcriptions, and what order means to them."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sparsefacs import InputError
from sparsefacs.networks.relation import GraphConvolutions, Relation, sinusoidal_positions

A, D = 5, 16


def features(seed: int = 0) -> Tensor:
    return torch.randn(3, 2, A, D, generator=torch.Generator().manual_seed(seed))


def made(kind: str, **options: object) -> Relation:
    torch.manual_seed(1)
    relation = Relation(kind, A, D, **({"heads": 1, "feedforward": 24} | options)).eval()  # type: ignore[arg-type]
    for parameter in relation.parameters():  # biases and norms too
        nn.init.normal_(parameter, std=0.3)
    return relation


def attention(layer: nn.MultiheadAttention, queries: Tensor, others: Tensor) -> Tensor:
    """WSRTL eq. 1 for one head, and the projection after it."""
    w_q, w_k, w_v = layer.in_proj_weight.chunk(3)
    b_q, b_k, b_v = layer.in_proj_bias.chunk(3)
    result = torch.zeros_like(queries)
    for i, query in enumerate(queries):
        scores = torch.stack([(w_q @ query + b_q) @ (w_k @ other + b_k) / math.sqrt(D) for other in others])
        weights = scores.exp() / scores.exp().sum()
        mixed = sum(weight * (w_v @ other + b_v) for weight, other in zip(weights, others, strict=True))
        result[i] = layer.out_proj.weight @ mixed + layer.out_proj.bias
    return result


def normed(layer: nn.LayerNorm, rows: Tensor) -> Tensor:
    centred = rows - rows.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + layer.eps).sqrt() * layer.weight + layer.bias


def fed_forward(layer: nn.Module, rows: Tensor) -> Tensor:
    hidden = (rows @ layer.linear1.weight.T + layer.linear1.bias).clamp(min=0)
    return hidden @ layer.linear2.weight.T + layer.linear2.bias


def encoded(layer: nn.Module, rows: Tensor) -> Tensor:
    rows = normed(layer.norm1, rows + attention(layer.self_attn, rows, rows))
    return normed(layer.norm2, rows + fed_forward(layer, rows))


def decoded(layer: nn.Module, queries: Tensor, memory: Tensor) -> Tensor:
    rows = normed(layer.norm1, queries + attention(layer.self_attn, queries, queries))
    rows = normed(layer.norm2, rows + attention(layer.multihead_attn, rows, memory))
    return normed(layer.norm3, rows + fed_forward(layer, rows))


@pytest.mark.parametrize("positions", ["none", "sinusoidal", "learnable"])
@pytest.mark.parametrize(("kind", "layers"), [("encoder", 1), ("encoder", 3), ("transformer", 1)])
def test_attention_is_the_literal_transcription(kind: str, layers: int, positions: str) -> None:
    relation = made(kind, encoder_layers=layers, positions=positions)
    assert len(relation.encoder) == layers
    given = features()
    place = 0 if relation.positions is None else relation.positions
    expected = torch.zeros_like(given)
    with torch.no_grad():
        for face in range(3):
            for side in range(2):  # each side by itself, through the same layers
                rows = given[face, side] + place
                for layer in relation.encoder:
                    rows = encoded(layer, rows)
                if kind == "transformer":
                    rows = decoded(relation.decoder, relation.queries + place, rows)
                expected[face, side] = rows
        fast = relation(given)  # torch has another path without gradients
    assert torch.allclose(relation(given), expected, atol=1e-5)
    assert torch.allclose(fast, expected, atol=1e-5)


def test_eight_heads_attend_within_their_own_channels() -> None:
    relation = made("encoder", heads=8)
    layer = relation.encoder[0]
    rows = features()[:, 0]
    q, k, v = (
        (rows @ w.T + b).view(3, A, 8, D // 8).transpose(1, 2)
        for w, b in zip(layer.self_attn.in_proj_weight.chunk(3), layer.self_attn.in_proj_bias.chunk(3), strict=True)
    )
    mixed = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(3, A, D)
    hidden = normed(layer.norm1, rows + layer.self_attn.out_proj(mixed))
    expected = normed(layer.norm2, hidden + fed_forward(layer, hidden))
    assert torch.allclose(relation(rows[:, None])[:, 0], expected, atol=1e-5)


def test_order_means_nothing_to_an_encoder_without_positions() -> None:
    order = torch.tensor([3, 0, 4, 1, 2])
    given = features()
    for positions in ("none", "sinusoidal", "learnable"):
        relation = made("encoder", positions=positions)
        same = torch.allclose(relation(given[:, :, order]), relation(given)[:, :, order], atol=1e-5)
        assert same == (positions == "none"), positions
        relation = made("transformer", positions=positions)
        same = torch.allclose(relation(given[:, :, order]), relation(given), atol=1e-5)  # queries keep their order
        assert same == (positions == "none"), positions


def test_each_query_makes_its_own_aus_feature() -> None:
    relation = made("transformer")
    assert relation.queries.shape == (A, D)
    order = torch.tensor([3, 0, 4, 1, 2])
    before = relation(features())
    with torch.no_grad():
        relation.queries.copy_(relation.queries[order])
    assert torch.allclose(relation(features()), before[:, :, order], atol=1e-5)


def test_sinusoids_are_those_of_the_paper_named() -> None:
    table = sinusoidal_positions(7, 10)
    for place in range(7):
        for i in range(5):
            angle = place / 10000 ** (2 * i / 10)
            assert np.allclose(table[place, [2 * i, 2 * i + 1]], [math.sin(angle), math.cos(angle)], atol=1e-6)


def test_a_graph_convolution_is_a_loop_over_neighbours() -> None:
    relation = made("gcn")
    torch.manual_seed(2)
    relation.set_adjacency((torch.rand(50, A) < 0.4).float())
    graph = relation.graph
    given = features()
    expected = torch.zeros_like(given)
    for face, side in np.ndindex(3, 2):
        rows = given[face, side]
        for layer in graph.layers:
            new = []
            for i in range(A):
                total = sum(graph.adjacency[i, j] * (layer.weight @ rows[j] + layer.bias) for j in range(A))
                new.append(total.clamp(min=0))
            rows = torch.stack(new)
        expected[face, side] = given[face, side] + rows
    assert torch.allclose(relation(given), expected, atol=1e-5)


def test_the_graph_holds_conditional_chances_of_labelled_pairs() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 2, (60, 4)).astype(np.float32)
    labels[:, 3] = np.where(labels[:, 0] >= 0, -1, labels[:, 3])  # AUs 0 and 3 are never labelled together
    graph = GraphConvolutions(4, D)
    assert torch.equal(graph.adjacency, torch.eye(4))
    graph.set_adjacency(torch.from_numpy(labels))
    chance = np.eye(4)
    for i in range(4):
        for j in range(4):
            if i != j:
                pairs = [(row[i], row[j]) for row in labels if row[i] == 1 and row[j] >= 0]
                chance[i, j] = sum(b for _, b in pairs) / len(pairs) if pairs else 0
    expected = chance / chance.sum(axis=1, keepdims=True)
    assert expected[0, 3] == 0 and expected[0, 1] > 0
    assert not np.allclose(expected, expected.T)
    assert np.allclose(graph.adjacency, expected, atol=1e-6)
    assert "adjacency" in graph.state_dict()  # goes with the network


def test_multiply_adds_are_counted_in_evaluation() -> None:
    aus, width, hidden = 12, 128, 1024
    relation = Relation("transformer", aus, width, 8, hidden).eval()
    with FlopCounterMode(display=False) as counter:
        relation(torch.zeros(1, 2, aus, width))
    linear = 2 * aus * (3 * 4 * width**2 + 2 * 2 * width * hidden)  # three attentions, two feed-forward networks
    products = 2 * 3 * 2 * aus**2 * width  # which not every attention kernel reports
    assert linear <= counter.get_total_flops() / 2 <= linear + products


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match=r"heads"):
        Relation("transformer", A, 20, heads=8)
    with pytest.raises(InputError, match=r"positions=none"):
        Relation("gcn", A, D, positions="learnable")
