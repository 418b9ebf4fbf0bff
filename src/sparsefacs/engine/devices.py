"""Where training runs: devices, precision, and the one way gradients are shared between processes."""

import logging
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from ..errors import InputError
from ..losses.reduction import process_count

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Precision = Literal["auto", "32", "bf16"]


def bf16_pays(device: str) -> bool:
    """Say whether bfloat16 is faster than float32 here: Ampere or newer GPUs, and CPUs that gain by its products.

    Measured on CPUs, images a second: 1.9 times with AMX tiles (ResNet-18, 112 px); with AVX512-BF16 alone 2.3 times on
    AMD's (ResNet-10-T, 96 px, and ViT-B/16), but .8 on Intel's, which multiply no more of them a cycle (ResNet-10-T;
    layers of a ViT-S .7); CPUs with neither only lose. Depthwise convolutions lose on all: see the recipes that say 32.
    """
    if device == "cuda":
        return bool(torch.cuda.get_device_capability() >= (8, 0))
    return _cpu_has("amx_tile") or (_cpu_has("avx512_bf16") and "intel" not in _cpu_maker().casefold())


def _cpu_has(products: str) -> bool:
    return bool(getattr(torch.cpu, f"_is_{products}_supported", lambda: False)())


def _cpu_maker() -> str:
    """Return what names the processor's maker: `GenuineIntel` is in it for Intel's."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return platform.processor()
    return next((line for line in lines if line.startswith("vendor_id")), "")


def resolved(precision: Precision) -> Literal["32", "bf16"]:
    """Return the precision itself: `auto` is bf16 where it pays."""
    if precision != "auto":
        return precision
    return "bf16" if bf16_pays("cuda" if torch.cuda.is_available() else "cpu") else "32"


def make_fabric(devices: int, precision: Precision) -> "Fabric":
    """Return a Fabric on `devices` GPUs, or CPU processes where there is no GPU; processes start on `launch`.

    Under torchrun the processes are there already, on one machine or several, and their number is torchrun's; `devices`
    is then 1 or that of one machine. Gradients are shared by `share_gradients`, not by a wrapper, so a method may step
    any optimiser at any time. Raises InputError for more devices than there are, or others than torchrun started.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # a run says its precision in config.yaml
    accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    devices, nodes = _started(devices)
    if accelerator == "cuda" and devices > torch.cuda.device_count():
        raise InputError(
            f"{devices} devices were asked for, this machine has {torch.cuda.device_count()}", remedy="Lower --devices"
        )
    strategy: Any = "auto"
    if devices * nodes > 1:
        backend = "nccl" if accelerator == "cuda" else "gloo"
        strategy = DDPStrategy(process_group_backend=backend, start_method="popen")
    if accelerator == "cpu" and devices > 1:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    return Fabric(
        accelerator=accelerator,
        devices=devices,
        num_nodes=nodes,
        strategy=strategy,
        precision="bf16-mixed" if resolved(precision) == "bf16" else "32-true",
    )


def _started(devices: int) -> tuple[int, int]:
    """Return processes a machine and machines: those that torchrun started, else `devices` on this one."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return devices, 1
    world, here = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if devices not in (1, here):
        raise InputError(
            f"--devices {devices} was asked for, and torchrun started {here} processes on this machine",
            remedy="Leave --devices out: torchrun's --nproc-per-node says how many there are",
        )
    if world % here:
        raise InputError(
            f"torchrun started {world} processes, {here} of them on this machine",
            remedy="Start as many on every machine",
        )
    return here, world // here


def share_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Add the gradients of `parameters` over all processes; each loss already divides by the global count."""
    if process_count() == 1:
        return
    with_gradient = [p for p in parameters if p.requires_grad]
    if not with_gradient:
        return
    for parameter in with_gradient:  # a part unused on this process still takes part in the sum
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    flat = torch.cat([p.grad.reshape(-1) for p in with_gradient if p.grad is not None])
    torch.distributed.all_reduce(flat)
    offset = 0
    for parameter in with_gradient:
        count = parameter.numel()
        if parameter.grad is not None:
            parameter.grad.copy_(flat[offset : offset + count].view_as(parameter))
        offset += count
