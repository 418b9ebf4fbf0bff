"""Weights out of the .pth files of other people's trainings, without unpickling them.

Such a file is a zip of a pickle and of the tensors' bytes. A pickle is a program that may call anything; here its
opcodes are read, and nothing that it names is ever imported or called: tensors, dicts, lists and plain values are made
by this module alone, and whatever else is in it becomes an empty placeholder.
"""

import math
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from pickletools import genops
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from .weight_files import GIVE_WEIGHTS

SUFFIXES = (".pth", ".pt", ".bin", ".ckpt")
"""What files of torch.save are called."""
_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_NESTED = ("model", "state_dict")
_UNREADABLE = (
    *(OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error),
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError),
)


@dataclass(frozen=True)
class _Global:
    """The name of something that the pickle wants to import; it is not."""

    name: str


class _Placeholder:
    """What stands for anything that is no plain value."""


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: torch.dtype


@dataclass(frozen=True)
class _Stored:
    """Where a tensor lies: numbers of its storage, in elements."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def read_torch_file(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a dict that torch.save wrote, or of its part `model` or `state_dict`; nothing is unpickled.

    Raises InputError when the file is missing, damaged, of the format before torch 1.6, or holds no tensors by name.
    """
    again = "Give a .safetensors file, or download or save this one again"
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb"):
                pass
            raise InputError("is no whole file of torch.save in its format since torch 1.6", path=path, remedy=again)
        with zipfile.ZipFile(path) as archive:
            folder = _folder(archive)
            content = _Machine().run(_member(archive, f"{folder}/data.pkl"))
            stored = _by_name(content)
            read: dict[str, Tensor] = {}
            storages: dict[_Storage, Tensor] = {}
            for name, each in stored.items():
                if each.storage not in storages:
                    storages[each.storage] = _numbers(_member(archive, f"{folder}/data/{each.storage.key}"), each)
                read[name] = _tensor(storages[each.storage], each)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError("does not exist", path=path, remedy=GIVE_WEIGHTS) from error
    except _UNREADABLE as error:
        raise InputError(f"cannot be read as weights ({error})", path=path, remedy=again) from error
    if not read:
        raise InputError(
            "holds no weights by name, at its top or under 'model' or 'state_dict'",
            path=path,
            remedy="Give the file that holds the network's state_dict",
        )
    return read


def _folder(archive: zipfile.ZipFile) -> str:
    found = [name.removesuffix("/data.pkl") for name in archive.namelist() if name.endswith("/data.pkl")]
    if len(found) != 1:
        raise ValueError("it holds no data.pkl")
    if f"{found[0]}/byteorder" in archive.namelist() and _member(archive, f"{found[0]}/byteorder") != b"little":
        raise ValueError("its numbers are big-endian")
    return found[0]


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:  # torch never compresses: no small file is huge here
        raise ValueError("it is compressed")
    return archive.read(name)


def _by_name(content: Any) -> dict[str, _Stored]:
    """Return the tensors of a dict, or of the first part of it that has any."""
    if not isinstance(content, dict):
        return {}
    for part in (*(content.get(name) for name in _NESTED), content):
        if isinstance(part, dict):
            found = {k: v for k, v in part.items() if isinstance(k, str) and isinstance(v, _Stored)}
            if found:
                return found
    return {}


def _numbers(content: bytes, each: _Stored) -> Tensor:
    """Return a storage's numbers, flat."""
    if not content:
        return torch.empty(0, dtype=each.storage.dtype)
    return torch.frombuffer(bytearray(content), dtype=each.storage.dtype)


def _tensor(numbers: Tensor, each: _Stored) -> Tensor:
    """Return the tensor that lies in `numbers`; raises ValueError where it would reach outside."""
    parts = (each.offset, *each.size, *each.stride)
    if len(each.size) != len(each.stride) or any(type(part) is not int or part < 0 for part in parts):
        raise ValueError("a tensor has no sensible shape")
    reach = each.offset + sum((size - 1) * stride for size, stride in zip(each.size, each.stride, strict=True)) + 1
    if math.prod(each.size) > 0 and reach > len(numbers):
        raise ValueError("a tensor reaches beyond its numbers")
    return (
        torch.as_strided(numbers, each.size, each.stride, each.offset)
        if math.prod(each.size)
        else numbers.new_empty(each.size)
    )


class _Machine:
    """The stack of a pickle's opcodes, on which only plain values, `_Stored` tensors and placeholders come to lie."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.does: dict[str, Callable[[Any], None]] = {
            **dict.fromkeys(("PROTO", "FRAME"), lambda _: None),
            **dict.fromkeys(_LITERALS, self.stack_push),
            "NONE": lambda _: self.stack_push(None),
            "NEWTRUE": lambda _: self.stack_push(True),
            "NEWFALSE": lambda _: self.stack_push(False),
            "EMPTY_DICT": lambda _: self.stack_push({}),
            "EMPTY_LIST": lambda _: self.stack_push([]),
            "EMPTY_SET": lambda _: self.stack_push(_Placeholder()),
            "EMPTY_TUPLE": lambda _: self.stack_push(()),
            "TUPLE1": lambda _: self._tuple(1),
            "TUPLE2": lambda _: self._tuple(2),
            "TUPLE3": lambda _: self._tuple(3),
            "TUPLE": lambda _: self.stack_push(tuple(self._marked())),
            "LIST": lambda _: self.stack_push(self._marked()),
            "DICT": lambda _: self.stack_push(_pairs(self._marked())),
            "FROZENSET": lambda _: self._nothing_of(self._marked()),
            "MARK": lambda _: self._mark(),
            "POP": lambda _: self._drop(),
            "POP_MARK": lambda _: self._forget(self._marked()),
            "DUP": lambda _: self.stack_push(self.stack[-1]),
            **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self._put),
            "MEMOIZE": lambda _: self._put(len(self.memo)),
            **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda place: self.stack_push(self.memo[place])),
            "GLOBAL": lambda name: self.stack_push(_Global(name.replace(" ", "."))),
            "STACK_GLOBAL": lambda _: self._stack_global(),
            "BINPERSID": lambda _: self.stack_push(_storage(self.stack.pop())),
            "REDUCE": lambda _: self._reduce(),
            "NEWOBJ": lambda _: self._nothing_of(self._popped(2)),
            "NEWOBJ_EX": lambda _: self._nothing_of(self._popped(3)),
            "BUILD": lambda _: self._forget(self.stack.pop()),
            "SETITEM": lambda _: self._set_items(self._popped(2)),
            "SETITEMS": lambda _: self._set_items(self._marked()),
            "APPEND": lambda _: self._append(self._popped(1)),
            "APPENDS": lambda _: self._append(self._marked()),
            "ADDITEMS": lambda _: self._forget(self._marked()),
        }

    def run(self, content: bytes) -> Any:
        """Return what the pickle makes; raises ValueError or IndexError for one that is damaged or does odd things."""
        for opcode, argument, _ in genops(content):
            if opcode.name == "STOP":
                break
            if opcode.name not in self.does:
                raise ValueError(f"it holds {opcode.name}")
            self.does[opcode.name](argument)
        return self.stack.pop()

    def stack_push(self, value: Any) -> None:
        """Lay a value on the stack."""
        self.stack.append(value)

    def _popped(self, count: int) -> list[Any]:
        if len(self.stack) < count:
            raise IndexError("its stack is empty")
        self.stack, taken = self.stack[:-count], self.stack[-count:]
        return taken

    def _mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def _marked(self) -> list[Any]:
        taken, self.stack = self.stack, self.below.pop()
        return taken

    def _drop(self) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self._marked()

    def _forget(self, _: Any) -> None:
        """Leave out what would change an object: its state, a set's members."""

    def _nothing_of(self, _: Any) -> None:
        self.stack_push(_Placeholder())

    def _tuple(self, count: int) -> None:
        self.stack_push(tuple(self._popped(count)))

    def _put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def _stack_global(self) -> None:
        module, name = self._popped(2)
        self.stack_push(_Global(f"{module}.{name}"))

    def _reduce(self) -> None:
        called, arguments = self._popped(2)
        self.stack_push(_made(called, arguments))

    def _set_items(self, items: list[Any]) -> None:
        if isinstance(target := self.stack[-1], dict):
            target.update(_pairs(items))

    def _append(self, items: list[Any]) -> None:
        if isinstance(target := self.stack[-1], list):
            target.extend(items)


_LITERALS = (
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "INT", "LONG", "FLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
)


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


def _made(called: Any, arguments: Any) -> Any:
    """Return what a call makes: the few that stand for data are known by name, any other makes a placeholder."""
    name = called.name if isinstance(called, _Global) and isinstance(arguments, tuple) else ""
    if name == "collections.OrderedDict" and not arguments:
        return {}
    if name in ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"):
        storage, offset, size, stride = arguments[:4]
        if isinstance(storage, _Storage):
            return _Stored(storage, offset, tuple(size), tuple(stride))
    if name in ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"):
        return arguments[0]
    return _Placeholder()


def _storage(persistent: Any) -> Any:
    """Return the storage that ('storage', its type, its file, device, count) stands for."""
    if isinstance(persistent, tuple) and len(persistent) == 5 and persistent[0] == "storage":
        kind, key = persistent[1:3]
        name = kind.name.removeprefix("torch.") if isinstance(kind, _Global) else ""
        if name in _DTYPES and isinstance(key, str):
            return _Storage(key, _DTYPES[name])
    return _Placeholder()
