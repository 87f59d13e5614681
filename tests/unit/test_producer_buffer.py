"""The buffer of the producer kit: order, bound, crashes and damaged disks."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from millrace.errors import Misconfigured, Rejected
from millrace.producer.buffer import Buffer, Last
from millrace.producer.files import BufferFull, BufferLost
from millrace.producer.frames import Event, Scope

SCOPE = Scope("MachineCycle", "P1", "M1")


def event(number: int, size: int = 20) -> Event:
    return Event(SCOPE, number, f"M1-{number}", "M1", bytes(size))


def waiting(buffer: Buffer) -> list[int]:
    """Numbers that a sender would send now."""
    at, skip = buffer.first_waiting()
    numbers: list[int] = []
    while (found := buffer.read(at)) is not None:
        events, at = found
        numbers += [each.sequence for each in events]
    return numbers[skip:]


def filled(buffer: Buffer) -> int:
    """Append until there is no room; how many events were accepted."""
    for number in range(1, 1_000):
        try:
            buffer.append([event(number)])
        except BufferFull:
            return number - 1
    raise AssertionError("the buffer has no bound")


def newest(folder: Path) -> Path:
    return max(folder.glob("*.events"))


def test_events_wait_in_order_over_restarts_and_numbers_go_on(tmp_path: Path) -> None:
    for first in (1, 4, 7):
        buffer = Buffer(tmp_path, 10_000)
        assert waiting(buffer) == list(range(1, first))
        for number in range(first, first + 3):
            buffer.append([event(number)])
        assert buffer.last(SCOPE) == Last(first + 2, f"M1-{first + 2}")
        buffer.close()


def test_numbers_of_a_source_that_fell_silent_are_known_after_its_file_went(tmp_path: Path) -> None:
    silent = Scope("MachineCycle", "P1", "M2")
    buffer = Buffer(tmp_path, 2_000)
    buffer.append([Event(silent, 7, "M2-7", "M2", b"")])
    buffer.delivered(1)
    for number in range(1, 101):
        buffer.append([event(number)])
        buffer.delivered(1)
    buffer.close()
    assert len(list(tmp_path.glob("*.events"))) <= 2
    buffer = Buffer(tmp_path, 2_000)
    assert buffer.last(silent) == Last(7, "M2-7")
    assert buffer.last(SCOPE) == Last(100, "M1-100")
    assert waiting(buffer) == []
    buffer.close()


def test_a_full_buffer_keeps_the_old_events_and_takes_new_ones_when_the_broker_has_some(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path, 2_000)
    accepted = filled(buffer)
    with pytest.raises(BufferFull, match=f"the buffer is full: {accepted} events wait for the broker"):
        buffer.append([event(accepted + 1)])
    assert accepted > 10
    assert sum(path.stat().st_size for path in tmp_path.glob("*.events")) == buffer.size <= 2_000
    assert waiting(buffer) == list(range(1, accepted + 1))
    buffer.delivered(accepted // 2)
    buffer.append([event(accepted + 1)])
    assert waiting(buffer) == list(range(accepted // 2 + 1, accepted + 2))
    buffer.close()


def test_what_could_never_fit_is_rejected_instead_of_waited_for(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path, 2_000)
    with pytest.raises(Rejected, match="oversize"):
        buffer.append([event(1, 3_000)])
    buffer.append([event(1)])
    buffer.close()


def test_a_crash_at_any_byte_of_a_write_leaves_whole_calls_only(tmp_path: Path) -> None:
    """Two calls of two events; the file is cut everywhere within the second."""
    buffer = Buffer(tmp_path, 10_000)
    buffer.append([event(1), event(2)])
    first = newest(tmp_path).stat().st_size
    buffer.append([event(3), event(4)])
    buffer.close()
    whole = newest(tmp_path).read_bytes()
    for cut in range(first, len(whole) + 1):
        for tail in (b"", bytes(50)):
            newest(tmp_path).write_bytes(whole[:cut] + tail)
            buffer = Buffer(tmp_path, 10_000)
            expected = [1, 2, 3, 4] if cut == len(whole) else [1, 2]
            # A cut that ends in zeros may leave the last bytes as they were.
            if not (tail and whole[cut:].strip(b"\0") == b""):
                assert waiting(buffer) == expected
                assert buffer.last(SCOPE) == Last(expected[-1], f"M1-{expected[-1]}")
            buffer.close()


@pytest.mark.parametrize("inside", [2, 6, 10, 14, 40])
def test_a_damaged_frame_that_others_follow_stops_the_start_with_its_place(tmp_path: Path, inside: int) -> None:
    """Length, checksum, checksum of both, or payload: nothing that was accepted is left out in silence."""
    buffer = Buffer(tmp_path, 10_000)
    start = newest(tmp_path).stat().st_size
    for number in range(1, 4):
        buffer.append([event(number)])
    buffer.close()
    content = bytearray(newest(tmp_path).read_bytes())
    content[start + inside] ^= 0xFF
    newest(tmp_path).write_bytes(content)
    with pytest.raises(Misconfigured, match=rf"{newest(tmp_path).name}: the frame at byte {start} is damaged"):
        Buffer(tmp_path, 10_000)


def test_an_older_file_that_was_cut_stops_the_start(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path, 2_000)
    for number in range(1, 11):
        buffer.append([event(number)])
    buffer.close()
    oldest = min(tmp_path.glob("*.events"))
    assert oldest != newest(tmp_path)
    os.truncate(oldest, oldest.stat().st_size - 1)
    with pytest.raises(Misconfigured, match=oldest.name):
        Buffer(tmp_path, 2_000)


@pytest.mark.parametrize("content", ["", "no number", "2", "9999", "-5", None])
def test_a_lost_or_wrong_note_of_what_was_delivered_costs_repeats_only(tmp_path: Path, content: str | None) -> None:
    buffer = Buffer(tmp_path, 10_000)
    buffer.append([event(1), event(2)])
    buffer.delivered(1)
    buffer.append([event(3)])
    buffer.close()
    (tmp_path / "delivered").unlink()
    if content is not None:
        (tmp_path / "delivered").write_text(content)
    buffer = Buffer(tmp_path, 10_000)
    assert waiting(buffer) == [1, 2, 3]
    assert buffer.last(SCOPE) == Last(3, "M1-3")
    buffer.close()


def test_two_processes_never_share_a_buffer(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path, 10_000)
    with pytest.raises(Misconfigured, match="another process uses this buffer"):
        Buffer(tmp_path, 10_000)
    buffer.close()
    Buffer(tmp_path, 10_000).close()


class FailingFile:
    """The newest file on a disk that fails."""

    def __init__(self, file: Any, most: int) -> None:
        self._file, self._most = file, most

    def write(self, data: bytes) -> int:
        self._file.write(data[: self._most])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_a_full_disk_takes_nothing_of_a_call_and_the_next_call_may_succeed(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path, 10_000)
    buffer.append([event(1)])
    file = buffer._files._file
    buffer._files._file = FailingFile(file, 13)  # type: ignore[assignment]
    with pytest.raises(BufferFull, match="No space left"):
        buffer.append([event(2)])
    buffer._files._file = file
    buffer.append([event(2)])
    assert waiting(buffer) == [1, 2]
    buffer.close()
    buffer = Buffer(tmp_path, 10_000)
    assert waiting(buffer) == [1, 2]
    buffer.close()


def test_nothing_is_sent_or_accepted_after_the_disk_failed_to_write_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_number: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    buffer = Buffer(tmp_path, 10_000, durable=False)
    buffer.append([event(1)])
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(BufferLost, match="Input/output error"):
            waiting(buffer)
    with pytest.raises(BufferLost):
        buffer.append([event(2)])
    with pytest.raises(BufferLost):
        waiting(buffer)
    buffer.close()


def test_what_leaves_the_buffer_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut would let a number be given twice."""
    synced: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (synced.append(number), real(number))[1])
    buffer = Buffer(tmp_path, 10_000, durable=False)
    begun = len(synced)
    buffer.append([event(1)])
    assert len(synced) == begun, "accepted without waiting for the disk"
    assert waiting(buffer) == [1]
    assert len(synced) == begun + 1
    buffer.close()
    durable = Buffer(tmp_path, 10_000)
    begun = len(synced)
    durable.append([event(2)])
    assert len(synced) == begun + 1
    durable.close()


def test_who_has_read_everything_reads_on_though_the_file_it_stopped_in_went(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path, 2_000)
    at, _skip = buffer.first_waiting()
    seen: list[int] = []
    for number in range(1, 101):
        buffer.append([event(number)])
        while (found := buffer.read(at)) is not None:
            events, at = found
            seen += [each.sequence for each in events]
            buffer.delivered(len(events))
    assert seen == list(range(1, 101))
    assert len(list(tmp_path.glob("*.events"))) <= 2
    buffer.close()
