"""What is done to good records: one function per kind of damage, each over one record's bytes.

Kinds follow what breaks decoders: wrong lengths and counts, numbers that do not end, indices that do not exist, text
that is no text, cut and joined records, and foreign schemas.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from schemas import wire

#: Damages one record: its bytes, and chance.
Mutation = Callable[[bytes, Random], bytes | None]

PREFIX = wire.PREFIX_SIZE
#: Values planted where a length, count, index or number stands: signs, widths and bounds of Avro's varints.
NUMBERS = [
    *(b"\x00", b"\x01", b"\x02", b"\x03", b"\x7e", b"\x7f", b"\xfe\x01", b"\xff\x01"),
    *(b"\x80\x80\x01", b"\xfe\xff\xff\xff\x0f", b"\xff\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x10"),
    *(b"\xfe" + b"\xff" * 8 + b"\x01", b"\xff" * 9 + b"\x01", b"\xff" * 9 + b"\x02", b"\xff" * 10),
    *(b"\x80" * 9 + b"\x01", b"\x80" * 10 + b"\x00", b"\x80\x00", b"\xff" * 16, b"\x80" * 64),
]
#: Bytes that are no UTF-8, or nearly.
TEXTS = [
    *(b"\xc3\x28", b"\xa0\xa1", b"\xe2\x28\xa1", b"\xf0\x28\x8c\xbc", b"\xed\xa0\x80", b"\xc0\x80"),
    *(b"\xf4\x90\x80\x80", b"\xff\xfe", b"\xef\xbf\xbf", b"\x00", b"\xc2"),
]


def _at(data: bytes, chance: Random) -> int:
    """A place in the body, or anywhere in what is shorter than a prefix."""
    return chance.randrange(min(PREFIX, len(data)), len(data) + 1)


def _plant(data: bytes, planted: bytes, chance: Random) -> bytes:
    """Put bytes in, over as many, or instead of one."""
    at = _at(data, chance)
    return data[:at] + planted + data[at + chance.choice((0, 1, len(planted))) :]


def cut(data: bytes, chance: Random) -> bytes:
    """The record ends early."""
    return data[: chance.randrange(len(data) + 1)]


def flip_bit(data: bytes, chance: Random) -> bytes:
    """One bit of the body is another."""
    at = chance.randrange(len(data)) if len(data) <= PREFIX else chance.randrange(PREFIX, len(data))
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def flip_bits(data: bytes, chance: Random) -> bytes:
    """Several bits, anywhere."""
    out = bytearray(data)
    for _ in range(chance.randrange(2, 12)):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def plant_number(data: bytes, chance: Random) -> bytes:
    """A hostile length, count or index."""
    return _plant(data, chance.choice(NUMBERS), chance)


def plant_numbers(data: bytes, chance: Random) -> bytes:
    """Several of them."""
    for _ in range(chance.randrange(2, 5)):
        data = plant_number(data, chance)
    return data


def plant_text(data: bytes, chance: Random) -> bytes:
    """Bytes that are no text."""
    return _plant(data, chance.choice(TEXTS), chance)


def drop_slice(data: bytes, chance: Random) -> bytes:
    """A piece is missing."""
    at = _at(data, chance)
    return data[:at] + data[at + chance.randrange(1, 9) :]


def repeat_slice(data: bytes, chance: Random) -> bytes:
    """A piece comes several times, as nested blocks would."""
    at = _at(data, chance)
    piece = data[at : at + chance.randrange(1, 17)]
    return data[:at] + piece * chance.randrange(2, 9) + data[at:]


def swap_slices(data: bytes, chance: Random) -> bytes:
    """Two pieces change places."""
    a, b = sorted((_at(data, chance), _at(data, chance)))
    return data[:PREFIX] + data[b:] + data[a:b] + data[PREFIX:a]


def append(data: bytes, chance: Random) -> bytes:
    """Something follows the last field."""
    return data + chance.randbytes(chance.randrange(1, 40))


def double(data: bytes, _chance: Random) -> bytes:
    """Two records in one value."""
    return data + data


def random_body(data: bytes, chance: Random) -> bytes:
    """A good prefix before noise."""
    return data[:PREFIX] + chance.randbytes(chance.randrange(0, 400))


def random_value(_data: bytes, chance: Random) -> bytes:
    """Noise alone."""
    return chance.randbytes(chance.randrange(0, 64))


def many_items(data: bytes, chance: Random) -> bytes:
    """Blocks that announce more items than there are bytes, with and without sizes."""
    count = chance.choice((b"\xfe\xff\xff\xff\x0f", b"\xfd\xff\xff\xff\x0f", b"\x80\x80\x80\x80\x80\x80\x01"))
    return _plant(data, count * chance.randrange(1, 4), chance)


def other_schema(data: bytes, chance: Random) -> bytes:
    """Another schema's id before the body, mostly one that nobody knows."""
    return wire.prefix(chance.randrange(1 << 32)) + data[PREFIX:]


def no_prefix(data: bytes, chance: Random) -> bytes:
    """The magic byte is wrong, or the prefix is not there."""
    return data[PREFIX:] if chance.random() < 0.5 else bytes([chance.randrange(1, 256)]) + data[1:]


def json_text(data: bytes, chance: Random) -> bytes:
    """JSON where Avro belongs, whole or torn."""
    text = b'{"plant": "1010", "source": "PRESS-01", "quantity_good": 12, "n": ' + str(len(data)).encode() + b"}"
    return text[: chance.randrange(1, len(text) + 1)]


def oversize(data: bytes, _chance: Random) -> bytes:
    """More than a record may have."""
    return data + bytes(1 << 20)


def tombstone(_data: bytes, _chance: Random) -> None:
    """No value at all."""
    return


#: Kinds with their weight; large inputs are rare, so that a long run is spent on the others.
KINDS: dict[Mutation, int] = {
    **dict.fromkeys((cut, flip_bit, flip_bits, plant_number, plant_numbers, plant_text), 12),
    **dict.fromkeys((drop_slice, repeat_slice, swap_slices, many_items, random_body), 8),
    **dict.fromkeys((append, double, random_value, other_schema, no_prefix), 4),
    **dict.fromkeys((json_text, tombstone), 1),
}
#: Too large to be mixed with the others at a rate; given once a batch.
LARGE: tuple[Mutation, ...] = (oversize,)
