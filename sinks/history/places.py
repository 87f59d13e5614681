"""Places of the history, named alike whether they are in a folder or in a bucket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from urllib.parse import urlsplit

from millrace.errors import Misconfigured
from sinks.history.store_clients import SCHEMES


@dataclass(frozen=True, slots=True, order=True)
class ObjectPath:
    """A place in a bucket; joined and named like a `Path`.

    Args:
        bucket: `s3://name`, `abfss://container@account.dfs.core.windows.net` or `gs://name`.
        key: What comes behind it, without a slash at either end.
    """

    bucket: str
    key: str = ""

    def __truediv__(self, part: str | PurePath) -> ObjectPath:
        return ObjectPath(self.bucket, f"{self.key}/{part}" if self.key else str(part))

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}" if self.key else self.bucket

    @property
    def parts(self) -> tuple[str, ...]:
        """The bucket and the parts of the key."""
        return (self.bucket, *self.key.split("/")) if self.key else (self.bucket,)

    @property
    def name(self) -> str:
        """Last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> ObjectPath:
        """The place above."""
        return ObjectPath(self.bucket, self.key.rpartition("/")[0])

    def relative_to(self, other: ObjectPath) -> Path:
        """What has to be joined to `other` to come here.

        Raises:
            ValueError: This is not below it.
        """
        return Path(str(self)).relative_to(Path(str(other)))


Place = Path | ObjectPath


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is there.

    Args:
        path: The file.
        size: Bytes.
        written: Time of its last change, nanoseconds since 1970.
        version: Changes with every replacement of the file.
        generation: What else an object store tells one version by.
    """

    path: Place
    size: int
    written: int
    version: str
    generation: str = ""


def located(text: str | Path | ObjectPath) -> Place:
    """A place by what people write: a path, or `s3://bucket/prefix`, `abfss://...`, `gs://...`.

    Raises:
        Misconfigured: Another kind of URL, or no bucket in it.
    """
    if isinstance(text, ObjectPath) or "://" not in str(text):
        return text if isinstance(text, ObjectPath) else Path(text)
    url = urlsplit(str(text))
    if url.scheme not in SCHEMES or not url.netloc or url.query or ":" in url.netloc:
        raise Misconfigured(f"{text}: expected a folder, or {', '.join(f'{each}://' for each in SCHEMES)}bucket/prefix")
    return ObjectPath(f"{url.scheme}://{url.netloc}", url.path.strip("/"))
