"""Secrets by place: an environment variable or a file, never a value in a settings file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, get_args

import structlog
from pydantic import BaseModel, SecretStr, model_validator

from millrace.errors import Misconfigured
from millrace.redact import redact

log = structlog.get_logger("millrace.secret")
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")


class Secret(BaseModel, extra="forbid", frozen=True):
    """Where a secret is: exactly one of the two.

    Args:
        env: Environment variable that holds it.
        file: File that holds it, for instance a mounted Kubernetes secret; line ends around it do not count.
            It is read again when it changes.
    """

    env: str | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError("name either env or file")
        return self

    def read(self) -> SecretStr:
        """The secret itself; from now on it is kept out of logs and stored texts.

        Raises:
            Misconfigured: The variable or file is not there, or is empty.
        """
        value = self._value()
        if not value:
            raise Misconfigured(f"secret {self.place} is empty")
        redact.keep_out(value)
        return SecretStr(value)

    @property
    def place(self) -> str:
        """Name of the place for a message."""
        return f"file {self.file}" if self.env is None else f"variable {self.env}"

    def _value(self) -> str:
        if self.env is not None:
            value = os.environ.get(self.env)
            if value is None:
                raise Misconfigured(f"environment variable {self.env} is not set")
            return value
        try:
            return Path(str(self.file)).read_text(encoding="utf-8").strip("\r\n")
        except OSError as error:
            raise Misconfigured(f"secret file {self.file} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise Misconfigured(f"secret file {self.file} is not UTF-8") from error


class FileMarks:
    """Tells when one of several files was replaced, also through a symlink as Kubernetes does it.

    Args:
        paths: The files; one that is missing counts as another state.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._seen = self._now()

    def changed(self) -> bool:
        """Whether any was replaced since the last call."""
        before, self._seen = self._seen, self._now()
        return self._seen != before

    def _now(self) -> list[tuple[int, int, int] | None]:
        return [_mark(path) for path in self._paths]


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size)


class RotatingSecret:
    """A secret that may be replaced while the process runs.

    Args:
        secret: Where it is; it has to be there at the start.
    """

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._marks = FileMarks([secret.file] if secret.file else [])
        self._value = secret.read().get_secret_value()

    def value(self) -> str:
        """The secret as it is now. While its file is missing or empty the last one stays."""
        if self._marks.changed():
            try:
                self._value = self._secret.read().get_secret_value()
            except Misconfigured as error:
                log.warning("secret_unreadable", detail=str(error))
        return self._value


def secrets_in_file(
    model: type[BaseModel] | None, values: Mapping[Any, Any], at: tuple[Any, ...] = ()
) -> Iterator[tuple[Any, ...]]:
    """Places in a settings file's values that hold a secret itself: a field for secrets, or a URL's password."""
    for name, value in values.items():
        field = model.model_fields.get(name) if model else None
        if field is not None and SecretStr in (field.annotation, *get_args(field.annotation)):
            yield (*at, name)
        else:
            inner = next(_models(field.annotation), None) if field else None
            yield from _within(inner, value, (*at, name))


def _within(model: type[BaseModel] | None, value: Any, at: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, Mapping):
        yield from secrets_in_file(model, value, at)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _within(model, item, (*at, number))
    elif isinstance(value, str) and _PASSWORD_IN_URL.search(value):
        yield at


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Settings models within an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def keep_out_secrets(value: Any) -> None:
    """Keep what loaded settings hold (values for secrets, passwords in URLs) out of logs and stored texts."""
    if isinstance(value, SecretStr):
        redact.keep_out(value.get_secret_value())
    elif isinstance(value, str):
        for password in _PASSWORD_IN_URL.findall(value):
            redact.keep_out(password)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            keep_out_secrets(getattr(value, name))
    elif isinstance(value, list | tuple):
        for item in value:
            keep_out_secrets(item)


def refuse_password(url: str, instead: str) -> None:
    """Refuse a password on the command line, where every user of the machine can read it.

    Raises:
        Misconfigured: The URL holds one; `instead` says where it belongs.
    """
    if _PASSWORD_IN_URL.search(url):
        raise Misconfigured(f"a password on the command line is seen by everyone on the machine: {instead}")
