"""Frames of a buffer's files: length, checksum, payload; a frame is there as a whole or not at all."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import BinaryIO

from millrace.errors import Misconfigured

#: Length and CRC-32 of the payload; behind them the CRC-32 of these two, since a wrong length would hide what follows.
_HEAD = struct.Struct(">II")
_CHECK = struct.Struct(">I")
_HEAD_SIZE = _HEAD.size + _CHECK.size
_META = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Scope:
    """What numbers rise in: one contract of one source of one plant."""

    contract: str
    plant: str
    source: str


@dataclass(frozen=True, slots=True)
class Event:
    """One event on its way to the topic.

    Args:
        scope: Where it is numbered.
        sequence: Its number.
        event_id: Its identity.
        key: Key of the record.
        value: Wire bytes, with the prefix of the schema's id in the folder.
    """

    scope: Scope
    sequence: int
    event_id: str
    key: str
    value: bytes


def frame(payload: bytes) -> bytes:
    """A payload with its length and checksum."""
    head = _HEAD.pack(len(payload), zlib.crc32(payload))
    return head + _CHECK.pack(zlib.crc32(head)) + payload


def frames(path: Path, start: int = 0) -> Iterator[tuple[bytes, int]]:
    """Whole frames of a file from an offset on: payload, and the offset behind it.

    Raises:
        Misconfigured: A frame is damaged that others follow; what was accepted is never skipped in silence.
    """
    with path.open("rb") as file:
        file.seek(start)
        at = start
        while head := file.read(_HEAD_SIZE):
            payload = _payload(head, file)
            if payload is None:
                _only_torn(path, at, file.read())
                return
            at += _HEAD_SIZE + len(payload)
            yield payload, at


def _payload(head: bytes, file: BinaryIO) -> bytes | None:
    """Payload behind a head; None where head or payload is not what was written."""
    if len(head) < _HEAD_SIZE or _CHECK.pack(zlib.crc32(head[: _HEAD.size])) != head[_HEAD.size :]:
        return None
    length, checksum = _HEAD.unpack_from(head)
    payload = file.read(length)
    return payload if len(payload) == length and zlib.crc32(payload) == checksum else None


def _only_torn(path: Path, at: int, rest: bytes) -> None:
    """Nothing but zeros behind a broken frame: it was being written when the process or the power went."""
    if rest.strip(b"\0"):
        raise Misconfigured(
            f"{path}: the frame at byte {at} is damaged and others follow; repair the disk and bring the file back,"
            " or move the folder away and go on with `first_number` above the numbers in the topic"
        )


def pack(events: Sequence[Event]) -> bytes:
    """Payload of events that were accepted together."""
    meta = [[*astuple(each.scope), each.sequence, each.event_id, each.key, len(each.value)] for each in events]
    text = json.dumps(meta, separators=(",", ":")).encode()
    return _META.pack(len(text)) + text + b"".join(each.value for each in events)


def unpack(payload: bytes) -> list[Event]:
    """Events of a payload."""
    (length,) = _META.unpack_from(payload)
    at = _META.size + length
    events: list[Event] = []
    for name, plant, source, sequence, event_id, key, size in json.loads(payload[_META.size : at]):
        events.append(Event(Scope(name, plant, source), sequence, event_id, key, payload[at : at + size]))
        at += size
    return events
