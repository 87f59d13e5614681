"""The thread that brings a buffer's events to the broker, in order, until told to stop."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from millrace.errors import MillraceError
from millrace.producer.buffer import Buffer
from millrace.producer.frames import Event

log = structlog.get_logger("millrace.producer")

#: Events that the broker has not answered yet, at most; more would only wait in memory instead of on disk.
WINDOW = 5_000
_TICK_S = 0.02
_IDLE_S = 0.5
_PAUSE_S = 1.0


@dataclass(slots=True)
class _Sent:
    """One event that was handed over, and whether the broker has it."""

    taken: bool = False


class _Connection:
    """Events handed to one client, in order, and the broker's answers; `failed` says what the broker refused."""

    def __init__(self, client: Mapping[str, object], trouble: Callable[[str], None]) -> None:
        errors = {"error_cb": lambda error: trouble(str(error.str()))}
        self._client = Producer({**client, **errors}, logger=logging.getLogger("millrace.producer.client"))
        self._sent: deque[_Sent] = deque()
        self.failed = ""

    @property
    def unanswered(self) -> int:
        return len(self._sent)

    def send(self, topic: str, key: str, value: bytes) -> None:
        sent = _Sent()

        def answered(error: KafkaError | None, _message: Message) -> None:
            if error is None:
                sent.taken = True
            else:
                self.failed = self.failed or f"{topic}: {error.str()}"

        self._sent.append(sent)
        self._client.produce(topic, value, key=key.encode(), on_delivery=answered)

    def poll(self, seconds: float) -> int:
        """Wait for answers; how many more events the broker has, without a gap before them."""
        self._client.poll(seconds)
        taken = 0
        while self._sent and self._sent[0].taken:
            self._sent.popleft()
            taken += 1
        return taken

    def close(self) -> None:
        """Forget what was not answered; it is still in the buffer."""
        self._client.purge()
        self._client.flush(1)
        self._client.close()


class Sender(threading.Thread):
    """Reads the buffer and sends; whatever goes wrong is tried again from the first event without an answer.

    Args:
        buffer: Where events wait.
        client: Configuration of librdkafka.
        target: Topic and wire bytes of an event.
    """

    def __init__(
        self, buffer: Buffer, client: Mapping[str, object], target: Callable[[Event], tuple[str, bytes]]
    ) -> None:
        super().__init__(name="millrace-producer", daemon=True)
        self._buffer, self._client, self._target = buffer, client, target
        self._news, self._ending = threading.Event(), threading.Event()
        self.trouble = ""
        self.died: Exception | None = None

    def wake(self) -> None:
        """There is something new in the buffer."""
        self._news.set()

    def end(self) -> None:
        """Stop; what the broker has not answered stays in the buffer."""
        self._ending.set()
        self._news.set()
        self.join()

    def run(self) -> None:
        """Connection after connection; each goes on where the broker's answers end."""
        while not self._ending.is_set():
            try:
                self._connect_and_send()
            except (MillraceError, KafkaException) as error:
                self._note(str(error))
                self._ending.wait(_PAUSE_S)
            except Exception as error:  # told to the caller by the next call
                self.died = error
                log.exception("producer_sender_ended")
                return

    def _connect_and_send(self) -> None:
        connection = _Connection(self._client, self._note)
        try:
            self._send_all(connection)
        finally:
            connection.close()

    def _send_all(self, connection: _Connection) -> None:
        at, skip = self._buffer.first_waiting()
        while not self._ending.is_set():
            found = self._buffer.read(at) if connection.unanswered < WINDOW else None
            if found is not None:
                events, at = found
                for event in events[skip:]:
                    topic, value = self._target(event)
                    connection.send(topic, event.key, value)
                skip = max(0, skip - len(events))
            self._take(connection, 0 if found is not None else _TICK_S)
            if found is None and not connection.unanswered:
                self._rest()

    def _take(self, connection: _Connection, seconds: float) -> None:
        taken = connection.poll(seconds)
        if taken:
            self._buffer.delivered(taken)
            self.trouble = ""
        if connection.failed:
            raise MillraceError(connection.failed)

    def _rest(self) -> None:
        self._news.wait(_IDLE_S)
        self._news.clear()

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            log.warning("producer_waits", reason=trouble, waiting=self._buffer.waiting)
        self.trouble = trouble


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Whether something became true in time."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(_TICK_S)
    return True
