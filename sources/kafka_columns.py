"""What one poll brought, as columns: read from the client library's memory without an object per record.

Delivery: none of its own; `KafkaReader` keeps the offsets.

A message object with its value and key costs more than everything else that is done to read a record. The client
library (librdkafka) hands out pointers to structures whose layout is public (`rd_kafka_message_t` in its rdkafka.h),
and the values of a fetch stand one behind the other in its buffers. So fields are gathered by vector operations, and
each run of values is copied as a whole. `docs/adr/0014-columnar-poll.md` says what makes this safe, and when the
portable way (`kafka_poll`) is taken instead.
"""

from __future__ import annotations

import ctypes
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from importlib.metadata import version

import confluent_kafka
import numpy as np
import numpy.typing as npt
from confluent_kafka import Consumer, KafkaError

from schemas.batch import MARGIN, Header, PackedValues, RawBatch
from sources.kafka_poll import Failure, Polled

Words = npt.NDArray[np.uint64]
Longs = npt.NDArray[np.int64]

#: Releases of the Python client whose objects are known to start with the handle of the library.
TESTED = {(2, 16)}
#: Words of `rd_kafka_message_t` (72 bytes on every 64-bit platform).
_ERROR, _TOPIC, _PARTITION, _PAYLOAD, _LENGTH, _OFFSET = 0, 1, 2, 3, 4, 7
#: Where the library keeps a record's timestamp behind it. Not public: only believed where the public function agrees.
_TIMESTAMP = 12
_HEAD_BYTES = 8 * (_TIMESTAMP + 1)
#: Values further apart are copied apart. Below a memory page's 4096 bytes everything between two values is readable.
_GAP = 1024
_HANDLE = 16  # of a Python object's own fields


def available() -> bool:
    """Whether the installed client and this machine are ones that the layout is known of."""
    release = tuple(int(part) for part in version("confluent-kafka").split(".")[:2])
    return sys.byteorder == "little" and ctypes.sizeof(ctypes.c_void_p) == 8 and release in TESTED


class ColumnPoll:
    """Reads columns.

    Args:
        consumer: The client, with its partitions assigned and no callbacks of its own.
        most: Most records per poll.
    """

    def __init__(self, consumer: Consumer, most: int) -> None:
        self._library = _Library()
        self._queue = self._library.queue(consumer)
        self._events = self._library.apart(consumer)
        self._pointers: Words = np.zeros(most, np.uint64)
        self._held: Words = self._pointers[:0]
        self._topics: dict[int, str] = {}

    def poll(self, wait: float = 0.0) -> Polled:
        """What is there, one batch per topic."""
        self.close()
        count = self._library.consume(self._queue, int(wait * 1000), self._pointers.ctypes.data, len(self._pointers))
        told = list(self._told())
        fatal = [each for each in told if each.error.fatal()]
        passing = [each for each in told if not each.error.fatal()]
        if count <= 0:
            return Polled(failures=fatal, passing=passing)
        self._held = self._pointers[:count]
        heads = _Heads(self._held)
        failed = heads.column(_ERROR).astype(np.int32) != 0
        rows = np.flatnonzero(~failed)
        failures = [self._failure(heads, row) for row in np.flatnonzero(failed).tolist()]
        return Polled(self._batches(heads, rows), fatal + failures, passing)

    def _told(self) -> Iterator[Failure]:
        """Errors among what the client tells about itself; where no broker answers, it tries again."""
        while event := self._library.event(self._events):
            if code := self._library.event_error(event):
                text = (self._library.event_text(event) or b"").decode(errors="replace")
                yield Failure("", -1, KafkaError(code, text or None, code == KafkaError._FATAL))
            self._library.end_event(event)

    def close(self) -> None:
        """Give the records of the last poll back to the library; their headers can't be read any more."""
        deque(map(self._library.destroy, self._held.tolist()), 0)
        self._held = self._held[:0]

    def _batches(self, heads: _Heads, rows: Longs) -> list[RawBatch]:
        topics = heads.column(_TOPIC)[rows]
        if len(rows) and (topics == topics[0]).all():
            return [self._batch(heads, rows, int(topics[0]))]
        return [self._batch(heads, rows[topics == topic], topic) for topic in np.unique(topics).tolist()]

    def _batch(self, heads: _Heads, rows: Longs, topic: int) -> RawBatch:
        if len(rows) < heads.count:
            heads = heads.only(rows)
        pointers = heads.pointers
        values, runs = packed(heads.column(_PAYLOAD), heads.column(_LENGTH).view(np.int64))

        def headers(row: int) -> Sequence[Header] | None:
            return self._library.headers(int(pointers[row]))

        return RawBatch(
            self._name(topic),
            values,
            heads.column(_PARTITION).astype(np.int32),
            heads.column(_OFFSET).view(np.int64),
            self._timestamps(heads, runs),
            headers,
        )

    def _name(self, topic: int) -> str:
        if topic not in self._topics:
            self._topics[topic] = self._library.topic_name(topic).decode() if topic else ""
        return self._topics[topic]

    def _timestamps(self, heads: _Heads, asked: Longs) -> Longs:
        """Milliseconds per record; the public function answers for the ends of every run, or for all."""
        found = heads.column(_TIMESTAMP).view(np.int64)
        told = [self._library.timestamp(pointer, None) for pointer in heads.pointers[asked].tolist()]
        if found[asked].tolist() == told:
            return found
        every = (self._library.timestamp(pointer, None) for pointer in heads.pointers.tolist())
        return np.fromiter(every, np.int64, heads.count)

    def _failure(self, heads: _Heads, row: int) -> Failure:
        code = int(heads.column(_ERROR).astype(np.int32)[row])
        text = (self._library.error_text(int(heads.pointers[row])) or b"").decode(errors="replace")
        partition = int(heads.column(_PARTITION).astype(np.int32)[row])
        error = KafkaError(code, text or None, code == KafkaError._FATAL)
        return Failure(self._name(int(heads.column(_TOPIC)[row])), partition, error)


class _Heads:
    """The structures that pointers lead to, readable by column."""

    def __init__(self, pointers: Words) -> None:
        self.pointers, self.count = pointers, len(pointers)
        low, high = int(pointers.min()), int(pointers.max())
        # A view over all of them; only words that belong to one of the structures are ever read.
        span = (ctypes.c_ubyte * (high - low + _HEAD_BYTES)).from_address(low)
        self._words: Words = np.frombuffer(memoryview(span), np.uint64, (high - low + _HEAD_BYTES) // 8)
        self._at = ((pointers - np.uint64(low)) >> np.uint64(3)).astype(np.int64)

    def only(self, rows: Longs) -> _Heads:
        """Some of them."""
        return _Heads(self.pointers[rows])

    def column(self, word: int) -> Words:
        """One word of each."""
        column: Words = self._words[self._at + word]
        return column


def packed(payloads: Words, lengths: Longs) -> tuple[PackedValues, Longs]:
    """Values copied run by run, and the rows at which runs start or end.

    Args:
        payloads: Address of each value; 0 is a tombstone.
        lengths: Bytes of each value.
    """
    sizes = np.where(payloads == 0, np.int64(-1), lengths)
    rows = np.flatnonzero(payloads != 0)
    if not len(rows):
        return PackedValues(MARGIN + MARGIN, np.zeros(len(sizes), np.int64), sizes), np.arange(len(sizes))
    at = payloads[rows].view(np.int64)
    ends = at + lengths[rows]
    gaps = at[1:] - ends[:-1]
    cuts = np.flatnonzero((gaps < 0) | (gaps > _GAP)) + 1
    starts, lasts = np.r_[0, cuts], np.r_[cuts, len(rows)] - 1
    extents = ends[lasts] - at[starts]
    copies = [ctypes.string_at(*run) for run in zip(at[starts].tolist(), extents.tolist(), strict=True)]
    data = b"".join([MARGIN, *copies, MARGIN])
    moved = len(MARGIN) + np.cumsum(extents) - extents - at[starts]
    begin = np.zeros(len(sizes), np.int64)
    begin[rows] = at + np.repeat(moved, lasts - starts + 1)
    return PackedValues(data, begin, sizes), np.unique(rows[np.r_[starts, lasts]])


class _Library:
    """The functions of librdkafka that the Python client brings along; names as in its rdkafka.h."""

    def __init__(self) -> None:
        path = confluent_kafka.cimpl.__file__
        # A call that waits or takes long lets other threads run; the short ones would lose more by that than they cost.
        waiting, short = ctypes.CDLL(path), ctypes.PyDLL(path)
        pointer, size = ctypes.c_void_p, ctypes.c_size_t
        self.consume = waiting.rd_kafka_consume_batch_queue
        self.consume.restype, self.consume.argtypes = ctypes.c_ssize_t, [pointer, ctypes.c_int, pointer, size]
        self.destroy = short.rd_kafka_message_destroy
        self.destroy.restype, self.destroy.argtypes = None, [pointer]
        self.timestamp = short.rd_kafka_message_timestamp
        self.timestamp.restype, self.timestamp.argtypes = ctypes.c_int64, [pointer, pointer]
        self.topic_name = short.rd_kafka_topic_name
        self.topic_name.restype, self.topic_name.argtypes = ctypes.c_char_p, [pointer]
        self.error_text = short.rd_kafka_message_errstr
        self.error_text.restype, self.error_text.argtypes = ctypes.c_char_p, [pointer]
        self._queue = short.rd_kafka_queue_get_consumer
        self._queue.restype, self._queue.argtypes = pointer, [pointer]
        self._main = short.rd_kafka_queue_get_main
        self._main.restype, self._main.argtypes = pointer, [pointer]
        self._forward = short.rd_kafka_queue_forward
        self._forward.restype, self._forward.argtypes = None, [pointer, pointer]
        self._next = short.rd_kafka_queue_poll
        self._next.restype, self._next.argtypes = pointer, [pointer, ctypes.c_int]
        self.event_error = short.rd_kafka_event_error
        self.event_error.restype, self.event_error.argtypes = ctypes.c_int, [pointer]
        self.event_text = short.rd_kafka_event_error_string
        self.event_text.restype, self.event_text.argtypes = ctypes.c_char_p, [pointer]
        self.end_event = short.rd_kafka_event_destroy
        self.end_event.restype, self.end_event.argtypes = None, [pointer]
        self._headers = short.rd_kafka_message_headers
        self._headers.restype, self._headers.argtypes = ctypes.c_int, [pointer, ctypes.POINTER(pointer)]
        self._header = short.rd_kafka_header_get_all
        self._header.restype = ctypes.c_int
        text, place, length = ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(pointer), ctypes.POINTER(size)
        self._header.argtypes = [pointer, size, text, place, length]

    def queue(self, consumer: Consumer) -> int:
        """The queue that a consumer's records arrive in."""
        handle = ctypes.c_void_p.from_address(id(consumer) + _HANDLE).value
        return int(self._queue(handle))

    def apart(self, consumer: Consumer) -> int:
        """The queue of what a client tells about itself, no longer led into that of its records.

        The Python client has callbacks for it that may only run inside its own calls: run inside ours, they end the
        process. Asked for one by one, what is told comes back as a value and no callback runs.
        """
        handle = ctypes.c_void_p.from_address(id(consumer) + _HANDLE).value
        queue = int(self._main(handle))
        self._forward(queue, None)
        return queue

    def event(self, queue: int) -> int | None:
        """The next thing told, without waiting; to be given back by `end_event`."""
        found: int | None = self._next(queue, 0)
        return found

    def headers(self, message: int) -> list[Header] | None:
        """Headers of a record that is still held; None where it has none."""
        found = ctypes.c_void_p()
        if self._headers(message, ctypes.byref(found)):
            return None
        headers: list[Header] = []
        name, value, size = ctypes.c_char_p(), ctypes.c_void_p(), ctypes.c_size_t()
        while not self._header(found, len(headers), *map(ctypes.byref, (name, value, size))):
            content = None if value.value is None else ctypes.string_at(value.value, size.value)
            headers.append(((name.value or b"").decode(errors="replace"), content))
        return headers
