"""Files of the history in parts, and copies of them, on disks and object stores: no file is held in memory whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sinks.history.places import Place
from sinks.history.store import answered
from sinks.history.store_clients import client

_CHUNK = 8_000_000


def chunks(path: Place) -> Iterator[bytes]:
    """The content of a file, a few megabytes at a time, of one version of it.

    Raises:
        FileNotFoundError: There is none.
    """
    if isinstance(path, Path):
        with path.open("rb") as opened:
            while part := opened.read(_CHUNK):
                yield part
        return
    with answered(path):
        for found in client(path.bucket).get(path.key).stream(_CHUNK):
            yield bytes(found)


@contextmanager
def local(path: Place) -> Iterator[Path]:
    """A file where it can be read again and again: of an object store a copy, of one version of it."""
    if isinstance(path, Path):
        yield path
        return
    with TemporaryDirectory(prefix="millrace-") as folder:
        copy = Path(folder) / path.name
        with copy.open("wb") as opened:
            opened.writelines(chunks(path))
        yield copy
