"""Just enough of the protocol buffers' wire format to read models, to change one, and to write one."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


@dataclass(frozen=True)
class Field:
    """One field of a message: its number, its value (bytes of strings and messages), and its bytes as they stand."""

    number: int
    value: int | float | bytes
    raw: bytes


def fields(message: bytes) -> Iterator[Field]:
    """Yield the fields of a message; raises ValueError for what is no such message."""
    at = 0
    while at < len(message):
        start = at
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        value: int | float | bytes
        if kind == _VARINT:
            value, at = _varint(message, at)
        elif kind in (_EIGHT, _FOUR):
            width = 8 if kind == _EIGHT else 4
            (value,) = struct.unpack_from("<d" if kind == _EIGHT else "<f", message, at)
            at += width
        elif kind == _BYTES:
            length, at = _varint(message, at)
            value = message[at : at + length]
            at += length
        else:
            raise ValueError(f"no field of kind {kind} is known")
        if at > len(message):
            raise ValueError("the message ends early")
        yield Field(number, value, message[start:at])


def field(number: int, value: int | bytes) -> bytes:
    """Return the bytes of a field: a number from 0 up, or a string, bytes or message with its length."""
    if isinstance(value, int):
        return _as_varint(number << 3 | _VARINT) + _as_varint(value)
    return _as_varint(number << 3 | _BYTES) + _as_varint(len(value)) + value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message):
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("the message ends early")


def _as_varint(value: int) -> bytes:
    content = bytearray()
    while value > 127:
        content.append(value & 127 | 128)
        value >>= 7
    return bytes([*content, value])
