"""Weights out of .pth files: what torch.load gives, without anything in the file ever running."""

import argparse
import io
import os
import pickle
import random
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sparsefacs import InputError
from sparsefacs.networks.torch_files import read_torch_file


def odd_tensors() -> dict[str, torch.Tensor]:
    """Tensors as they may lie in a file: views, gaps, shared numbers, every type."""
    base = torch.randn(6, 8)
    return {
        "whole": base,
        "turned": base.T,
        "window": base[1:4, 2:7:2],
        "row": base[5],
        "spread": base[:1].expand(3, 8),
        "scalar": torch.tensor(3.5),
        "empty": torch.empty(0, 4),
        "half": torch.randn(3).half(),
        "bf16": torch.randn(4, 2).bfloat16()[1:],
        "double": torch.randn(2).double(),
        "long": torch.arange(7)[2:],
        "bool": torch.tensor([True, False]),
        "byte": torch.tensor([1, 255], dtype=torch.uint8),
        "parameter": nn.Parameter(torch.randn(2, 2)),
        "image": torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last),
    }


@pytest.mark.parametrize("nested", ["model", "state_dict", None])
def test_tensors_are_those_of_torch_load(nested: str | None, tmp_path: Path) -> None:
    weights = odd_tensors()
    beside = {
        "args": argparse.Namespace(lr=1e-3, names=["a"], blr=None),
        "optimizer": {"state": {0: {"exp_avg": torch.randn(3)}}, "param_groups": [{"betas": (0.9, 0.95)}]},
        "epoch": 799,
        "scaler": np.float64(2.0),
        "seen": {1, 2},
        "big": 10**30,
    }
    saved = weights if nested is None else {nested: OrderedDict(weights)} | beside
    torch.save(saved, tmp_path / "w.pth")
    read = read_torch_file(tmp_path / "w.pth")
    known = torch.load(tmp_path / "w.pth", weights_only=False)
    known = known if nested is None else known[nested]
    assert list(read) == list(known)
    for name, tensor in known.items():
        assert read[name].dtype == tensor.dtype and read[name].shape == tensor.shape, name
        assert torch.equal(read[name], tensor), name


def test_a_module_s_state_dict_is_read(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    torch.save({"model": network.state_dict()}, tmp_path / "w.pth")
    read = read_torch_file(tmp_path / "w.pth")
    assert all(torch.equal(read[name], value) for name, value in network.state_dict().items())
    torch.save(network.state_dict(), tmp_path / "p4.pth", pickle_protocol=4)
    assert read_torch_file(tmp_path / "p4.pth").keys() == read.keys()


class Evil:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> object:
        return os.system, (f"touch {self.witness}",)


def test_nothing_in_the_file_runs(tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    torch.save({"model": {"a": torch.ones(2), "b": Evil(witness)}, "args": Evil(witness)}, tmp_path / "evil.pth")
    assert torch.equal(read_torch_file(tmp_path / "evil.pth")["a"], torch.ones(2))
    assert not witness.exists()
    torch.load(tmp_path / "evil.pth", weights_only=False)
    assert witness.exists(), "the file of this test would not have run in any case"


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_truncated_file_is_refused(share: float, tmp_path: Path) -> None:
    torch.save({"model": odd_tensors()}, tmp_path / "w.pth")
    whole = (tmp_path / "w.pth").read_bytes()
    (tmp_path / "w.pth").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"w\.pth: is no whole file.* download or save"):
        read_torch_file(tmp_path / "w.pth")


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match=r"since torch 1\.6"):
        read_torch_file(tmp_path / "old.pth")
    with pytest.raises(InputError, match="does not exist"):
        read_torch_file(tmp_path / "none.pth")
    with pytest.raises(InputError, match=r"cannot be read|is no whole file"):
        read_torch_file(tmp_path)
    for number, content in enumerate(([torch.ones(2)], {"model": [1]}, torch.ones(2), {1: torch.ones(2)})):
        torch.save(content, tmp_path / f"{number}.pth")
        with pytest.raises(InputError, match="no weights by name"):
            read_torch_file(tmp_path / f"{number}.pth")
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.writestr("other.txt", "no weights")
    with pytest.raises(InputError, match=r"no data\.pkl"):
        read_torch_file(tmp_path / "zip.pth")


def repacked(path: Path, out: Path, change: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    """Write the archive `path` again with the members `change` in place of its own."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, change.get(name.partition("/")[2], old.read(name)))
    return out


def test_what_reaches_outside_the_file_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(4)}, tmp_path / "w.pth")
    short = repacked(tmp_path / "w.pth", tmp_path / "short.pth", {"data/0": bytes(8)})
    with pytest.raises(InputError, match="beyond its numbers"):
        read_torch_file(short)
    squeezed = repacked(tmp_path / "w.pth", tmp_path / "squeezed.pth", {}, zipfile.ZIP_DEFLATED)
    with pytest.raises(InputError, match="compressed"):
        read_torch_file(squeezed)
    foreign = repacked(tmp_path / "w.pth", tmp_path / "foreign.pth", {"byteorder": b"big"})
    with pytest.raises(InputError, match="big-endian"):
        read_torch_file(foreign)
    odd = repacked(tmp_path / "w.pth", tmp_path / "odd.pth", {"data.pkl": pickle.dumps({"a": [1]}, 2)[:-3]})
    with pytest.raises(InputError, match="cannot be read"):
        read_torch_file(odd)


def test_any_damage_is_an_input_error(tmp_path: Path) -> None:
    torch.save({"model": odd_tensors(), "args": argparse.Namespace(lr=1)}, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth") as archive:
        sound = archive.read("w/data.pkl")
    rng, refused = random.Random(0), 0
    for _ in range(150):
        damaged = bytearray(sound)
        for _ in range(rng.randint(1, 3)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        repacked(tmp_path / "w.pth", tmp_path / "damaged.pth", {"data.pkl": bytes(damaged)})
        try:
            read_torch_file(tmp_path / "damaged.pth")
        except InputError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 30


def test_torch_s_own_writer_to_memory_is_read_too(tmp_path: Path) -> None:
    content = io.BytesIO()
    torch.save({"a": torch.arange(3)}, content)  # the archive's folder has another name here
    (tmp_path / "memory.pt").write_bytes(content.getvalue())
    assert read_torch_file(tmp_path / "memory.pt")["a"].tolist() == [0, 1, 2]
