"""The masked autoencoder: a ViT that sees few patches of a face, and a smaller one that restores the others.

Architecture, key names, positions and start weights are those of He, Chen, Xie, Li, Dollár, Girshick 2022 (MAE), which
MAE-Face (3.2.1) takes over; the encoder is timm's VisionTransformer, so its weights load wherever timm's do.
"""

import math
from functools import partial
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from ..errors import InputError
from .backbone import check_side
from .config import NetworkConfig
from .trunk import Trunk

Positive = Annotated[int, Field(ge=1)]


class DecoderConfig(BaseModel):
    """Sizes of the decoder, which is thrown away after pre-training (MAE-Face, 3.2.1)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Positive = Field(512, description="of a patch's token; a multiple of 4 and of heads")
    depth: Positive = 8
    heads: Positive = 16


def patchify(image: Tensor, side: int) -> Tensor:
    """Return the patches of images (B, 3, S, S) row by row, (B, (S / side)², side · side · 3).

    A patch's values run over its rows, its columns, then the channels, as in MAE.
    """
    faces, channels, height, width = image.shape
    cells = image.reshape(faces, channels, height // side, side, width // side, side)
    return cells.permute(0, 2, 4, 3, 5, 1).reshape(faces, -1, side * side * channels)


def unpatchify(patches_BNP: Tensor, side: int) -> Tensor:
    """Return the images (B, 3, S, S) that `patchify` makes these patches of."""
    faces, count, values = patches_BNP.shape
    grid, channels = math.isqrt(count), values // side**2
    cells = patches_BNP.reshape(faces, grid, grid, side, side, channels)
    return cells.permute(0, 5, 1, 3, 2, 4).reshape(faces, channels, grid * side, grid * side)


def sincos_2d(width: int, grid: int) -> Tensor:
    """Return fixed positions (1 + grid², width): zeros for the class token, then the patches row by row.

    A patch in row y and column x has sin(x ω), cos(x ω), sin(y ω), cos(y ω), width / 4 frequencies ω from 1 down to
    almost 1 / 10,000 each (MAE, appendix). Raises ValueError for a width that 4 does not divide.
    """
    if width % 4:
        raise ValueError(f"a width of {width} has no four equal parts")
    frequency = 10000.0 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    angle = torch.arange(grid, dtype=torch.float64)[:, None] * frequency
    along = torch.cat([angle.sin(), angle.cos()], dim=1)
    x, y = along.expand(grid, grid, -1), along[:, None].expand(grid, grid, -1)
    patches = torch.cat([x, y], dim=-1).reshape(grid * grid, width)
    return torch.cat([torch.zeros(1, width, dtype=torch.float64), patches]).float()


class Decoder(nn.Module):
    """Tokens of the patches that were seen → pixels of all patches; key names are those of the public MAE."""

    def __init__(self, width: int, grid: int, values: int, config: DecoderConfig) -> None:
        from timm.models.vision_transformer import Block

        super().__init__()
        if config.width % 4 or config.width % config.heads:
            raise InputError(
                f"a decoder of width {config.width} with {config.heads} heads cannot be built",
                remedy="Set method.decoder.width to a multiple of 4 and of method.decoder.heads",
            )
        norm = partial(nn.LayerNorm, eps=1e-6)
        self.decoder_embed = nn.Linear(width, config.width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, config.width))
        self.decoder_pos_embed = nn.Parameter(sincos_2d(config.width, grid)[None], requires_grad=False)
        self.decoder_blocks = nn.ModuleList(
            Block(config.width, config.heads, mlp_ratio=4.0, qkv_bias=True, norm_layer=norm)
            for _ in range(config.depth)
        )
        self.decoder_norm = norm(config.width)
        self.decoder_pred = nn.Linear(config.width, values)
        nn.init.normal_(self.mask_token, std=0.02)
        self.apply(_xavier)

    def forward(self, tokens: Tensor, restore_BN: Tensor) -> Tensor:
        """Return the patches (B, N, P) of tokens (B, 1 + K, D), the class token first; see `MaskedAutoencoder`."""
        seen = self.decoder_embed(tokens)
        faces, width = len(seen), seen.shape[-1]
        hidden = self.mask_token.to(seen.dtype).expand(faces, restore_BN.shape[1] + 1 - seen.shape[1], width)
        shuffled = torch.cat([seen[:, 1:], hidden], dim=1)
        patches = shuffled.gather(1, restore_BN[..., None].expand(-1, -1, width))
        x = torch.cat([seen[:, :1], patches], dim=1) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            x = block(x)
        predicted: Tensor = self.decoder_pred(self.decoder_norm(x)[:, 1:])
        return predicted


class MaskedAutoencoder(nn.Module):
    """Faces (B, 3, S, S) in 0–1 → pixels of all their N patches, made of those few that were not hidden.

    Pixels are those the encoder sees: less its mean, over its deviation. Positions are fixed: sine-cosine, or those of
    the start weights. Raises InputError when the network is no ViT with a class token and one picture size.
    """

    def __init__(self, network: NetworkConfig, config: DecoderConfig) -> None:
        super().__init__()
        self.trunk = Trunk(network, level=None)
        _check(self.encoder, network)
        self.side = int(self.encoder.patch_embed.patch_size[0])
        self.grid = int(self.encoder.patch_embed.grid_size[0])
        width = int(self.encoder.embed_dim)
        self.encoder.pos_embed.requires_grad_(False)
        if network.init == "none":
            with torch.no_grad():
                self.encoder.pos_embed.copy_(sincos_2d(width, self.grid)[None])
                nn.init.normal_(self.encoder.cls_token, std=0.02)
                nn.init.xavier_uniform_(self.encoder.patch_embed.proj.weight.view(width, -1))
                nn.init.zeros_(self.encoder.patch_embed.proj.bias)
            self.encoder.apply(_xavier)
        self.decoder = Decoder(width, self.grid, 3 * self.side**2, config)

    @property
    def encoder(self) -> Any:
        """The ViT, under timm's key names."""
        return self.trunk.network

    @property
    def patch_count(self) -> int:
        """N: how many patches a face has."""
        return self.grid**2

    def encode(self, image: Tensor, noise_BN: Tensor, ratio: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return tokens (B, 1 + K, D), class token first, of the K patches of least noise, `mask_BN` and `restore_BN`.

        noise_BN: (B, N) random numbers; ratio: share of the patches that is hidden. mask_BN: (B, N) bool, True where
        hidden. restore_BN: (B, N), each patch's place in the order of noise, in which the K tokens come.
        """
        kept = max(1, int(self.patch_count * (1 - ratio)))
        order_BN = noise_BN.argsort(dim=1, stable=True)
        restore_BN = order_BN.argsort(dim=1)
        keep_BK = order_BN[:, :kept]
        patches = self.patches(image)
        # only patches that are seen are embedded: the convolution as a product, its weight in the order of patchify
        seen = patches.gather(1, keep_BK[..., None].expand(-1, -1, patches.shape[-1]))
        convolution = self.encoder.patch_embed.proj
        weight = convolution.weight.permute(0, 2, 3, 1).reshape(convolution.out_channels, -1)
        position = self.encoder.pos_embed[0]
        tokens = self.encoder.patch_embed.norm(F.linear(seen, weight, convolution.bias)) + position[1:][keep_BK]
        first = (self.encoder.cls_token + position[:1]).expand(len(tokens), -1, -1)
        tokens = self.encoder.norm_pre(torch.cat([first, tokens], dim=1))
        return self.encoder.norm(self.encoder.blocks(tokens)), restore_BN >= kept, restore_BN

    def forward(self, image: Tensor, noise_BN: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
        """Return all patches as the decoder restores them, (B, N, P), and which were hidden, (B, N) bool."""
        tokens, mask_BN, restore_BN = self.encode(image, noise_BN, ratio)
        return self.decoder(tokens, restore_BN), mask_BN

    def reconstruct(self, image: Tensor, noise_BN: Tensor, ratio: float) -> tuple[Tensor, Tensor]:
        """Return what `forward` does."""
        predicted_BNP, mask_BN = self(image, noise_BN, ratio)
        return predicted_BNP, mask_BN

    def patches(self, image: Tensor) -> Tensor:
        """Return the patches (B, N, P) of faces (B, 3, S, S) in 0–1, as the encoder sees them: the target."""
        return patchify((image - self.trunk.mean) / self.trunk.deviation, self.side)

    def faces(self, patches_BNP: Tensor) -> Tensor:
        """Return the faces (B, 3, S, S) that `patches` makes these patches of; what is restored may leave 0–1."""
        return unpatchify(patches_BNP.float(), self.side) * self.trunk.deviation + self.trunk.mean

    def public_weights(self) -> dict[str, Tensor]:
        """Return all weights under the key names of the public MAE checkpoints."""
        weights: dict[str, Tensor] = self.encoder.state_dict() | self.decoder.state_dict()
        return weights

    def load_public_weights(self, weights: dict[str, Tensor]) -> None:
        """Load what `public_weights` gives, or a public checkpoint of these sizes with its decoder.

        Raises RuntimeError for weights that do not fit.
        """
        inside = self.decoder.state_dict().keys()
        self.decoder.load_state_dict({key: value for key, value in weights.items() if key in inside})
        self.encoder.load_state_dict({key: value for key, value in weights.items() if key not in inside})


def _xavier(module: nn.Module) -> None:
    """Start a linear layer as MAE does."""
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _check(encoder: Any, network: NetworkConfig) -> None:
    """Raise InputError where `encoder` is no ViT as MAE has it."""
    from timm.models.vision_transformer import VisionTransformer

    plain = (
        isinstance(encoder, VisionTransformer)
        and encoder.num_prefix_tokens == 1
        and encoder.pos_embed is not None
        and not encoder.no_embed_class
        and encoder.patch_embed.patch_size[0] == encoder.patch_embed.patch_size[1]
        and encoder.embed_dim % 4 == 0
        and isinstance(encoder.norm, nn.LayerNorm)
    )
    if not plain:
        raise InputError(
            f"{network.backbone} with these network.options is no vision transformer that can be trained by masking",
            remedy="Choose vit_tiny_patch16_224, vit_small_patch16_224 or vit_base_patch16_224, without global_pool",
        )
    check_side(encoder, network.backbone, network.input_size)
    if tuple(encoder.patch_embed.img_size) != (network.input_size,) * 2:  # where timm takes other sizes
        raise InputError(
            f"{network.backbone} is of {encoder.patch_embed.img_size[0]} pixels, the faces of {network.input_size}",
            remedy=f"Set img_size in network.options to {network.input_size}",
        )
