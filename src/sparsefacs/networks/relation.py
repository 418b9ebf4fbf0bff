"""What the AUs' features learn from each other (WSRTL, III-B and Table I)."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from ..errors import InputError

RelationKind = Literal["transformer", "encoder", "gcn"]
Positions = Literal["none", "sinusoidal", "learnable"]


class Relation(nn.Module):
    """A sequence of one feature an AU → the same, related: by attention or by a fixed graph of AUs.

    transformer: encoder layers, then one decoder layer whose queries are learned, one an AU (`queries`, (A, width));
    its keys and values are the encoder's output (DETR's scheme, with AUs in place of objects). encoder: encoder layers
    alone. gcn: `GraphConvolutions`. Layers are the standard ones (post-norm, ReLU).

    positions (Table I): a vector an AU, added to the encoder's input and, as III-B names both, to the decoder's
    queries; sinusoidal as of a word's place in a sentence, AUs in the order given, or learnable. The paper's choice is
    none. Raises InputError for widths that the heads do not divide, and for positions in a graph.
    """

    positions: Tensor | None
    queries: nn.Parameter

    def __init__(
        self,
        kind: RelationKind,
        aus: int,
        width: int,
        heads: int = 8,
        feedforward: int = 1024,
        encoder_layers: int = 1,
        positions: Positions = "none",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if kind not in get_args(RelationKind) or positions not in get_args(Positions):
            raise ValueError(f"{kind}, {positions}")
        self.kind = kind
        if kind == "gcn":
            if positions != "none":
                raise InputError(
                    "a graph of AUs takes no positions",
                    remedy="Set method.recogniser.positions=none, or another method.recogniser.relation",
                )
            self.graph = GraphConvolutions(aus, width)
            return
        if width % heads or width % 2:
            raise InputError(
                f"features of {width} channels cannot be shared among {heads} attention heads",
                remedy="Set method.recogniser.heads to a number that divides the channels",
            )
        options = {"dim_feedforward": feedforward, "dropout": dropout, "batch_first": True}
        self.encoder = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, **options)  # type: ignore[arg-type]
            for _ in range(encoder_layers)
        )
        if kind == "transformer":
            self.decoder = nn.TransformerDecoderLayer(width, heads, **options)  # type: ignore[arg-type]
            self.queries = nn.Parameter(nn.init.trunc_normal_(torch.empty(aus, width), std=0.02))
        if positions == "learnable":
            self.positions = nn.Parameter(nn.init.trunc_normal_(torch.empty(aus, width), std=0.02))
        else:
            table = sinusoidal_positions(aus, width) if positions == "sinusoidal" else None
            self.register_buffer("positions", table, persistent=False)

    def set_adjacency(self, labels_MA: Tensor) -> None:
        """Set the graph of a gcn from labels (M, A): see `GraphConvolutions.set_adjacency`."""
        self.graph.set_adjacency(labels_MA)

    def forward(self, features_BSAD: Tensor) -> Tensor:
        """Return related features (B, S, A, width); each of the S sequences of a face is related by itself."""
        sequences = features_BSAD.flatten(0, 1)
        if self.kind == "gcn":
            related: Tensor = self.graph(sequences)
            return related.view_as(features_BSAD)
        related = sequences if self.positions is None else sequences + self.positions
        for layer in self.encoder:
            related = layer(related)
        if self.kind == "transformer":
            queries = self.queries if self.positions is None else self.queries + self.positions
            queries = queries.repeat(
                sequences.shape[0], 1, 1
            )  # copied: a view would ask for gradients under no_grad too
            related = self.decoder(queries, related)
        return related.view_as(features_BSAD)


def sinusoidal_positions(places: int, width: int) -> Tensor:
    """Return sin and cos by turns of each place at falling frequencies, (places, width) (Vaswani et al. 2017, 3.5)."""
    place = torch.arange(places, dtype=torch.float64)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float64) * (-math.log(10000.0) / width))
    return torch.stack([torch.sin(place * rate), torch.cos(place * rate)], dim=-1).flatten(1).float()


class GraphConvolutions(nn.Module):
    """Two graph convolutions over the AUs with a fixed graph, added to their input.

    Reading: the paper's GCN (Table I) is not described. Here H = X + ReLU(Â · ReLU(Â X W1) W2), both width → width with
    bias; Â is estimated from training labels by `set_adjacency`, and leaves every AU alone before that.
    """

    adjacency: Tensor

    def __init__(self, aus: int, width: int) -> None:
        super().__init__()
        self.register_buffer("adjacency", torch.eye(aus))
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(2))

    def set_adjacency(self, labels_MA: Tensor) -> None:
        """Set Â to P(AU j | AU i) among labels (M, A) of 0 and 1 (−1 not labelled), self loops 1, rows summing to 1.

        Only faces on which both AUs are labelled count for a pair; a pair that none is labelled for has no edge.
        """
        known = (labels_MA >= 0).double()
        present = (labels_MA > 0.5).double()
        both, first = present.T @ present, present.T @ known  # first[i, j]: i present and j labelled
        chance = both / first.clamp(min=1)
        chance.fill_diagonal_(1)
        self.adjacency.copy_(chance / chance.sum(dim=1, keepdim=True))

    def forward(self, features_BAD: Tensor) -> Tensor:
        """Return (B, A, width) of features (B, A, width)."""
        hidden = features_BAD
        for layer in self.layers:
            hidden = torch.relu(torch.matmul(self.adjacency, layer(hidden)))
        return features_BAD + hidden
