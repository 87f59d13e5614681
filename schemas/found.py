"""What a scan found of a field: values of many records at once, and what stands inside of them.

A scalar is a value per record; an array is the items of all records behind one another, with a count per record; a
record inside is its fields. Dropping, reordering and joining keep to numpy.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from schemas.vectors import Flags, Ints


class Found(NamedTuple):
    """Values of one field, one per record.

    Args:
        values: Numbers, enum indices, unscaled decimals, or first bytes where there are lengths; None: all
        null. length: Bytes of each value, where it is a slice of the page. valid: Records that have a value;
        None: all. symbols: What the numbers of an enum mean. is_text: The slices have to be UTF-8.
    """

    values: Ints | None = None
    length: Ints | None = None
    valid: Flags | None = None
    symbols: tuple[str | None, ...] = ()
    is_text: bool = False

    def spread(self, rows: Ints, valid: Flags) -> Found:
        """The values of some records among all of them."""
        return self._replace(
            values=_spread(self.values, rows, valid), length=_spread(self.length, rows, valid), valid=valid
        )

    def only(self, kept: Flags | Ints) -> Found:
        """The values of the kept records, in the order given."""
        return self._replace(
            values=None if self.values is None else self.values[kept],
            length=None if self.length is None else self.length[kept],
            valid=None if self.valid is None else self.valid[kept],
        )


class FoundRecord(NamedTuple):
    """Fields of a record inside a record, one value each per record around it.

    Args:
        fields: What was found of each. defaults: Values of fields that the writer lacks.
    """

    fields: dict[str, AnyFound]
    defaults: dict[str, Any]

    @property
    def is_text(self) -> bool:
        """Whether there is text in it that has to be checked."""
        return any(each.is_text for each in self.fields.values())

    def only(self, kept: Flags | Ints) -> FoundRecord:
        """The fields of the kept records, in the order given."""
        return self._replace(fields={name: each.only(kept) for name, each in self.fields.items()})


class FoundList(NamedTuple):
    """Items of an array, those of one record behind those of another.

    Args:
        items: What was found of the items; None where there are none. counts: Items of each record. valid: Records
        that have an array at all; None: all of them.
    """

    items: AnyFound | None
    counts: Ints
    valid: Flags | None = None

    @property
    def is_text(self) -> bool:
        """Whether there is text in it that has to be checked."""
        return self.items is not None and self.items.is_text

    def spread(self, rows: Ints, valid: Flags) -> FoundList:
        """The arrays of some records among all of them."""
        counts = np.zeros(len(valid), np.int64)
        counts[rows] = self.counts
        return self._replace(counts=counts, valid=valid)

    def only(self, kept: Flags | Ints) -> FoundList:
        """The arrays of the kept records, in the order given."""
        rows = np.flatnonzero(kept) if kept.dtype == np.bool_ else kept
        counts = self.counts[rows]
        # Item numbers: where the record's items begin, and how far each item is from there.
        begin = np.repeat((np.cumsum(self.counts) - self.counts)[rows], counts)
        within = np.arange(len(begin)) - np.repeat(np.cumsum(counts) - counts, counts)
        valid = None if self.valid is None else self.valid[rows]
        return FoundList(None if self.items is None else self.items.only(begin + within), counts, valid)


AnyFound = Found | FoundRecord | FoundList


def joined(parts: list[AnyFound], sizes: list[int]) -> AnyFound:
    """What scans of one type found, one behind the other; `sizes` are their numbers of records."""
    if len(parts) == 1:
        return parts[0]
    lists = [each for each in parts if isinstance(each, FoundList)]
    if lists:
        return _joined_lists(parts, sizes)
    records = [each for each in parts if isinstance(each, FoundRecord)]
    if records:
        names = records[0].fields
        return records[0]._replace(fields={n: joined([each.fields[n] for each in records], sizes) for n in names})
    return _joined_values([each for each in parts if isinstance(each, Found)], sizes)


def _joined_values(parts: list[Found], sizes: list[int]) -> Found:
    known = next((each for each in parts if each.values is not None), None)
    if known is None:
        return parts[0]
    pairs = list(zip(parts, sizes, strict=True))
    none_missing = all(each.valid is None and each.values is not None for each in parts)
    return known._replace(
        values=np.concatenate([_or_zeros(each.values, size) for each, size in pairs]),
        length=None if known.length is None else np.concatenate([_or_zeros(each.length, size) for each, size in pairs]),
        valid=None if none_missing else np.concatenate([_validity(each, size) for each, size in pairs]),
    )


def _joined_lists(parts: list[AnyFound], sizes: list[int]) -> FoundList:
    """A scan that met null alone found no list, but nothing."""
    missing = [
        each if isinstance(each, FoundList) else FoundList(None, np.zeros(size, np.int64), np.zeros(size, np.bool_))
        for each, size in zip(parts, sizes, strict=True)
    ]
    filled = [(each.items, int(each.counts.sum())) for each in missing if each.items is not None]
    items = joined([each for each, _ in filled], [size for _, size in filled]) if filled else None
    flags = [np.ones(len(each.counts), np.bool_) if each.valid is None else each.valid for each in missing]
    valid = None if all(each.valid is None for each in missing) else np.concatenate(flags)
    return FoundList(items, np.concatenate([each.counts for each in missing]), valid)


def _or_zeros(values: Ints | None, size: int) -> Ints:
    return np.zeros(size, np.int64) if values is None else values


def _validity(found: Found, size: int) -> Flags:
    if found.values is None:
        return np.zeros(size, np.bool_)
    return np.ones(size, np.bool_) if found.valid is None else found.valid


def _spread(values: Ints | None, rows: Ints, valid: Flags) -> Ints | None:
    if values is None:
        return None
    full = np.zeros(len(valid), np.int64)
    full[rows] = values
    return full
