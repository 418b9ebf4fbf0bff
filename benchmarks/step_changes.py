"""How the step of MAE-Face's pre-training is changed to see what each change is worth; for `pretraining_step.py`."""

from typing import Any

CHANGED = {  # how the program's step is changed
    "compiled": {"compile": {}},
    "max-autotune": {"compile": {"mode": "max-autotune-no-cudagraphs"}},
    "cuda-graphs": {"compile": {"mode": "reduce-overhead"}},
    "unfused": {"fused": False},
    "channels-last": {"embed": "channels-last"},
    "indexed": {"embed": "indexed"},
    "all": {"compile": {"mode": "max-autotune"}, "embed": "indexed"},
}


def embed_otherwise(network: Any, how: str) -> None:
    """Let a masked autoencoder embed the patches that are seen in another way; the numbers are the same."""
    import torch
    import torch.nn.functional as F

    encoder, patches_of = network.encoder, network.patches

    def encode(image: Any, noise_BN: Any, ratio: float) -> Any:
        kept = max(1, int(network.patch_count * (1 - ratio)))
        order_BN = noise_BN.argsort(dim=1, stable=True)
        restore_BN, keep_BK = order_BN.argsort(dim=1), order_BN[:, :kept]
        starts = torch.arange(len(image), device=image.device)[:, None] * network.patch_count
        flat = (keep_BK + starts).flatten()
        if how == "channels-last":
            scaled = (image - network.trunk.mean) / network.trunk.deviation
            whole = encoder.patch_embed.proj(scaled.contiguous(memory_format=torch.channels_last))
            tokens = whole.flatten(2).transpose(1, 2).flatten(0, 1).index_select(0, flat)
        else:
            convolution = encoder.patch_embed.proj
            weight = convolution.weight.permute(0, 2, 3, 1).reshape(convolution.out_channels, -1)
            seen = patches_of(image).flatten(0, 1).index_select(0, flat)
            tokens = F.linear(seen, weight, convolution.bias)
        tokens = encoder.patch_embed.norm(tokens.view(len(image), kept, -1)) + encoder.pos_embed[0][1:][keep_BK]
        first = (encoder.cls_token + encoder.pos_embed[0][:1]).expand(len(tokens), -1, -1)
        tokens = encoder.norm_pre(torch.cat([first, tokens], dim=1))
        return encoder.norm(encoder.blocks(tokens)), restore_BN >= kept, restore_BN

    network.encode = encode


def write_attention_out(module: Any) -> None:
    """Let timm's attention multiply, take the softmax, and multiply, as its equation is printed."""
    found = [each for each in module.modules() if hasattr(each, "fused_attn")]
    if not found:
        raise SystemExit("no attention was found to write out")
    for each in found:
        each.fused_attn = False
