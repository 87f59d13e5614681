"""Records from the dead letters back to their topic: same partition, key and bytes, and a header with the letter.

Delivery: exactly once per letter and replay number, over kills of the sender. Where the log ended before a record was
sent is noted first; who goes on after a kill looks from there whether it arrived, and sends it only where it did not.
The flow that reads it de-duplicates it as any other record.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from millrace.errors import Rejected, Retriable
from millrace.ledger.letters import Letter
from operators.replayed import LETTER_HEADER, NUMBER_HEADER, replay_headers, replay_of

#: Wire bytes and key of a corrected record, or (None) of what a letter holds of one that the log has deleted.
Encode = Callable[[Letter, bytes | None], tuple[bytes, bytes | None]]
PATIENCE_S = 30.0
_OURS = (LETTER_HEADER, NUMBER_HEADER)


class KafkaResender:
    """Sends records of letters again.

    Args:
        client: Configuration of the connection.
        encode: Makes wire bytes where the record in the log will not do.
        patience: Seconds that a broker may take to answer.
    """

    def __init__(self, client: Mapping[str, str], encode: Encode, patience: float = PATIENCE_S) -> None:
        self._client, self._encode, self._patience = dict(client), encode, patience
        self._reader: Consumer | None = None
        self._writer: Producer | None = None

    def close(self) -> None:
        """Leave the cluster; a call afterwards joins it again."""
        if self._reader is not None:
            self._reader.close()
        self._reader = self._writer = None

    def plan(self, letter: Letter, replay: int, payload: bytes | None) -> dict[str, Any]:
        """Where to send it, what (None: the record at its place in the log), and where the log ends now.

        Raises:
            Rejected: The log has deleted the record and the letter does not hold it, or the payload is none.
            Retriable: The broker does not answer.
        """
        del replay
        low, high = self._ends(letter)
        gone = not low <= letter.offset < high
        value, key = self._encode(letter, payload) if gone or payload is not None else (None, None)
        return {"from": high, "value": _text(value), "key": _text(key)}

    def _ends(self, letter: Letter) -> tuple[int, int]:
        try:
            place = TopicPartition(letter.topic, letter.partition)
            low, high = self._consumer().get_watermark_offsets(place, timeout=self._patience)
        except KafkaException as error:
            if error.args[0].code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_PARTITION):
                raise Rejected("no_topic", f"there is no partition {letter.topic}/{letter.partition}") from error
            raise Retriable(f"Kafka does not answer: {error.args[0].str()}") from error
        return int(low), int(high)

    def send(self, letter: Letter, intent: Mapping[str, Any], *, again: bool) -> str:
        """Send it, unless an earlier run did. Returns its new place.

        Raises:
            Rejected: The log has deleted the record since.
            Retriable: The broker did not take it for sure; who calls again looks first.
        """
        wanted = (letter.event_id, int(intent["replay"]))
        found = self._sent_already(letter, int(intent["from"]), wanted) if again else None
        if found is not None:
            return found
        value, key, headers = self._record(letter, intent)
        kept = [(name, text) for name, text in headers if name not in _OURS]
        return self._produce(letter, value, key, [*kept, *replay_headers(*wanted)])

    def _sent_already(self, letter: Letter, start: int, wanted: tuple[str, int]) -> str | None:
        for message in self._messages(letter, start):
            if replay_of(message.headers()) == wanted:  # type: ignore[arg-type]
                return f"{letter.topic}/{letter.partition}/{message.offset()}"
        return None

    def _record(self, letter: Letter, intent: Mapping[str, Any]) -> tuple[bytes | None, Any, list[tuple[str, Any]]]:
        """Value, key and headers; of a record that is still in the log its own."""
        original = self._original(letter)
        given = intent["value"]
        if original is None and given is None:
            raise Rejected("record_gone", f"{letter.topic}/{letter.partition}/{letter.offset} is no longer in the log")
        headers: Any = (original.headers() if original is not None else None) or []
        if given is None and original is not None:
            return original.value(), original.key(), list(headers)
        key = original.key() if original is not None else None
        # Its headers may name the schema of the bytes that failed, so a corrected record goes without them.
        return b64decode(given), key if key is not None else _bytes(intent["key"]), []

    def _original(self, letter: Letter) -> Message | None:
        low, high = self._ends(letter)
        if not low <= letter.offset < high:
            return None
        first = next(self._messages(letter, letter.offset), None)
        return first if first is not None and first.offset() == letter.offset else None

    def _messages(self, letter: Letter, start: int) -> Iterator[Message]:
        """Records of the letter's partition from an offset to its end as of now."""
        low, high = self._ends(letter)
        if start >= high:
            return
        consumer = self._consumer()
        consumer.assign([TopicPartition(letter.topic, letter.partition, max(low, start))])
        while True:
            message = consumer.poll(self._patience)
            if message is None:
                raise Retriable(f"Kafka sends nothing of {letter.topic}/{letter.partition}")
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                return  # what is left of the log are marks of transactions
            if error is not None:
                raise Retriable(f"{letter.topic}/{letter.partition}: {error.str()}")
            yield message
            if (message.offset() or 0) >= high - 1:
                return

    def _produce(self, letter: Letter, value: bytes | None, key: Any, headers: list[tuple[str, Any]]) -> str:
        done: list[tuple[KafkaError | None, Message]] = []
        producer = self._producer()
        producer.produce(
            letter.topic,
            value,
            key=key,
            partition=letter.partition,
            headers=headers,
            on_delivery=lambda error, message: done.append((error, message)),
        )
        producer.flush(self._patience + 5)
        if not done:
            raise Retriable("Kafka does not answer")
        error, message = done[0]
        if error is not None and error.code() in (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD):
            raise Rejected("refused_by_broker", error.str())
        if error is not None:
            raise Retriable(f"Kafka did not take it: {error.str()}")
        return f"{letter.topic}/{letter.partition}/{message.offset()}"

    def _producer(self) -> Producer:
        if self._writer is None:
            # Idempotent and patient: librdkafka's own repetitions do not double a record.
            timeout = int(self._patience * 1000)
            self._writer = Producer({**self._client, "enable.idempotence": True, "message.timeout.ms": timeout})
        return self._writer

    def _consumer(self) -> Consumer:
        if self._reader is None:
            ours = {"group.id": "millrace-desk", "enable.auto.commit": False, "enable.partition.eof": True}
            self._reader = Consumer({**self._client, **ours, "auto.offset.reset": "earliest"})
        return self._reader


def _text(value: bytes | None) -> str | None:
    return None if value is None else b64encode(value).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)


__all__ = ["Encode", "KafkaResender"]
