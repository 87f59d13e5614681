"""Stable 64-bit hashes of strings: the same on every machine, release and process.

State is keyed by these and survives upgrades, so neither Python's salted `hash` nor a hash that a library may
change from version to version (or from CPU to CPU) will do.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

Hashes = npt.NDArray[np.uint64]

_SEED = np.uint64(0x9E3779B97F4A7C15)
_PRIME = np.uint64(0xFF51AFD7ED558CCD)
_FINAL = np.uint64(0xC4CEB9FE1A85EC53)
_SHIFT = np.uint64(32)
_LENGTH = np.uint64(0xFFFFFFFF)


def _mix(value: Hashes) -> Hashes:
    value = value * _PRIME
    return value ^ (value >> _SHIFT)


def _bytes_of(strings: pl.Series) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The bytes of all strings, readable as a word from any position; and the offsets, one more than rows."""
    array = strings.to_arrow()
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(array.buffers()[2] or b"", np.uint8)
    padded = np.concatenate([data, np.zeros(8, np.uint8)])
    # One word per byte position: overlapping, unaligned reads that numpy gathers in one step.
    return np.ndarray((len(padded) - 7,), np.dtype("<u8"), padded, 0, (1,)), offsets


#: Keeps the first n bytes of a little-endian word.
_KEEP = np.array([(1 << (8 * n)) - 1 for n in range(9)], np.uint64)


def hash_strings(strings: pl.Series, seed: int = 0) -> Hashes:
    """Hash a String series without nulls; uint64, one per row."""
    views = _short(strings)
    return _of_long(strings, seed) if views is None else _of_short(views, seed)


def _short(strings: pl.Series) -> npt.NDArray[np.uint64] | None:
    """Two words per row, four bytes of length and twelve of text; None where a text is longer.

    See the Arrow columnar format, "Variable-size Binary View Layout": behind a shorter text are zeros.
    """
    array = strings.rechunk().to_arrow(compat_level=pl.CompatLevel.newest())
    buffers = array.buffers()
    if len(buffers) > 2:
        return None
    words = np.frombuffer(buffers[1] or b"", np.uint64)
    return words[2 * array.offset : 2 * (array.offset + len(array))].reshape(-1, 2)


def _of_short(views: npt.NDArray[np.uint64], seed: int) -> Hashes:
    low, high = views[:, 0], views[:, 1]
    sizes = low & _LENGTH
    state = _mix(sizes + (_SEED + np.uint64(seed)))
    for done, word in ((0, (low >> _SHIFT) | (high << _SHIFT)), (8, high >> _SHIFT)):
        if int(sizes.max(initial=0)) > done:
            mixed = _mix(state ^ word)
            state = mixed if int(sizes.min()) > done else np.where(sizes > done, mixed, state)
    state = state * _FINAL
    return state ^ (state >> _SHIFT)


def _of_long(strings: pl.Series, seed: int) -> Hashes:
    words, offsets = _bytes_of(strings)
    starts, sizes = offsets[:-1], np.diff(offsets)
    state = _mix(sizes.astype(np.uint64) + _SEED + np.uint64(seed))
    for done in range(0, int(sizes.max(initial=0)), 8):
        left = np.clip(sizes - done, 0, 8)
        word = words[np.where(left > 0, starts + done, 0)] & _KEEP[left]
        # A string that has ended is left as it is, so the hash never depends on its neighbours.
        state = np.where(left > 0, _mix(state ^ word), state)
    state = state * _FINAL
    return state ^ (state >> _SHIFT)


def hash_columns(frame: pl.DataFrame, columns: list[str], seed: int = 0) -> Hashes:
    """Hash several columns of a frame (strings or enums) as one value; null counts as the empty string."""
    total = np.zeros(frame.height, np.uint64)
    for column in columns:
        series = frame[column].cast(pl.String)
        if series.null_count():
            series = series.fill_null("")
        # A batch mostly has one plant: its hash is then computed once.
        constant = frame.height > 1 and bool((series == series[0]).all())
        total = _mix(total + _SEED) ^ hash_strings(series[:1] if constant else series, seed)
    return total


def shards(frame: pl.DataFrame, columns: list[str], count: int) -> npt.NDArray[np.int64]:
    """The bucket, 0 to `count` - 1, of each row by its key columns; part of the state's layout."""
    return (hash_columns(frame, columns) % np.uint64(count)).astype(np.int64)
