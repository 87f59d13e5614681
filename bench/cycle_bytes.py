"""Wire bytes of many MachineCycle records at once, column by column instead of record by record.

By hand because no encoder makes millions of records in seconds; a test decodes them with the contract.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

Bytes = npt.NDArray[np.uint8]
Integers = npt.NDArray[np.int64]

# From here to 2**26 a sequence number takes 4 bytes, so that all records have one layout.
FIRST_SEQUENCE = 1 << 20
_SEQUENCE_BYTES, _TIME_BYTES, _PIECES_BYTES = 4, 8, 3
_NULL, _PRESENT = b"\x00", b"\x02"
# After the good quantity: scrap, rework, scrap reason, unit.
_NO_SCRAP = b"\x02\x00" + b"\x02\x00" + _NULL + b"\x06C62"
_ONE_SCRAP = b"\x06\x0f\x42\x40" + b"\x02\x00" + _PRESENT + b"\x06S01" + b"\x06C62"


class CycleBytes:
    """Encoder of a plant's machine cycles.

    Args:
        machines: Number of machines, at most a million.
        machines_per_order: Machines that work on the same order.
        schema_id: Id in the Confluent wire prefix.
    """

    def __init__(self, machines: int, machines_per_order: int, schema_id: int) -> None:
        numbers = np.arange(machines, dtype=np.int64)
        sources = np.hstack([_constant(b"M", machines), _digits(numbers, 7)])
        orders = _digits(1_000_000_000 + numbers // machines_per_order, 10)
        centers = np.hstack([_constant(b"WC", machines), _digits(numbers, 6)])
        self.keys = [row.tobytes() for row in sources]
        self.orders = [row.tobytes().decode() for row in orders]
        self.centers = [row.tobytes().decode() for row in centers]
        self._prefix = b"\x00" + schema_id.to_bytes(4, "big")
        self._sources = np.hstack([_constant(b"\x08P010" + b"\x10", machines), sources])
        # Null correlation id before; operation 0010, DELTA, null counter and reading event behind.
        behind = _PRESENT + b"\x080010" + b"\x00" + _NULL + _NULL
        self._places = np.hstack(
            [
                _constant(_NULL + b"\x10", machines),
                centers,
                _constant(_PRESENT + b"\x14", machines),
                orders,
                _constant(behind, machines),
            ]
        )

    def encode(self, rows: pl.DataFrame) -> list[bytes]:
        """Encode rows of `CycleTopic.rows`: 1 to 8 good pieces, no or one piece of scrap."""
        machine, scrap = rows["machine"].to_numpy(), rows["scrap"].to_numpy()
        count = len(rows)
        block = np.hstack(
            [
                _constant(self._prefix + b"\x2c", count),
                _event_ids(rows["number"].to_numpy()),
                _varint(rows["event_time"].to_numpy(), _TIME_BYTES),
                self._sources[machine],
                _constant(_PRESENT, count),
                _varint(rows["sequence"].to_numpy(), _SEQUENCE_BYTES),
                self._places[machine],
                _constant(b"\x06", count),
                _big_endian(rows["good"].to_numpy() * 1_000_000, _PIECES_BYTES),
                np.where(scrap[:, None] > 0, _constant(_ONE_SCRAP, 1), _padded(_NO_SCRAP, len(_ONE_SCRAP))),
            ]
        )
        width = block.shape[1]
        lengths = width - np.where(scrap > 0, 0, len(_ONE_SCRAP) - len(_NO_SCRAP))
        text = block.tobytes()
        return [text[at : at + length] for at, length in zip(range(0, len(text), width), lengths.tolist(), strict=True)]


def _event_ids(row: Integers) -> Bytes:
    """22 hexadecimal digits, as random as a UUID so that they compress as badly; distinct below 2**24."""
    numbers = row.astype(np.uint64)
    mixed = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = mixed ^ (mixed >> np.uint64(27))
    return np.hstack([_hexadecimal(mixed, 16), _hexadecimal(numbers, 6)])


def _hexadecimal(values: npt.NDArray[np.uint64], digits: int) -> Bytes:
    shifts = np.arange(digits - 1, -1, -1, dtype=np.uint64) * np.uint64(4)
    alphabet = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    found: Bytes = alphabet[(values[:, None] >> shifts) & np.uint64(15)]
    return found


def _digits(values: Integers, width: int) -> Bytes:
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (values[:, None] // powers % 10 + ord("0")).astype(np.uint8)


def _varint(values: Integers, width: int) -> Bytes:
    """Avro's zigzag variable-length integer of positive values that all need exactly `width` bytes."""
    groups = (values[:, None] * 2) >> (np.arange(width, dtype=np.int64) * 7) & 0x7F
    groups[:, :-1] |= 0x80
    return groups.astype(np.uint8)


def _big_endian(values: Integers, width: int) -> Bytes:
    return (values[:, None] >> (np.arange(width - 1, -1, -1, dtype=np.int64) * 8) & 0xFF).astype(np.uint8)


def _constant(text: bytes, rows: int) -> Bytes:
    return np.broadcast_to(np.frombuffer(text, dtype=np.uint8), (rows, len(text)))


def _padded(text: bytes, width: int) -> Bytes:
    return _constant(text.ljust(width, b"\x00"), 1)
