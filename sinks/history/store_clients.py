"""Clients of object stores by bucket, and the credentials they use.

Credentials and addresses come from the environment by the names that the clouds' own tools use: `AWS_*`, `AZURE_*`,
`GOOGLE_*`, with web identity and instance credentials behind them. A secret may also lie in a file (a mounted
Kubernetes secret) that the variable with `_FILE` behind its name points to; it is read again while the process runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.fs

from millrace.errors import Misconfigured
from millrace.redact import redact
from millrace.secret import Secret

if TYPE_CHECKING:
    from obstore.store import ObjectStore

SCHEMES = ("s3", "abfss", "gs")
#: Prefix of the variables by scheme.
_PREFIX = {"s3": "AWS_", "abfss": "AZURE_", "gs": "GOOGLE_"}
#: What a credential is made of: its name for the client by variable.
_PARTS = {
    "s3": {
        "AWS_ACCESS_KEY_ID": "access_key_id",
        "AWS_SECRET_ACCESS_KEY": "secret_access_key",
        "AWS_SESSION_TOKEN": "token",
    },
    "abfss": {"AZURE_STORAGE_ACCOUNT_KEY": "access_key"},
    "gs": {"GOOGLE_SERVICE_ACCOUNT_KEY": "service_account_key"},
}
#: What names of variables have that hold the address of a store.
_ADDRESS = ("ENDPOINT", "STORAGE_URL", "BASE_URL")
#: How long a credential from a file counts before the file is looked at again.
READ_AGAIN = timedelta(minutes=5)
#: An outage is the caller's to wait for: a call gives up soon.
RETRY = {"max_retries": 4, "retry_timeout": timedelta(seconds=20)}


@cache
def client(bucket: str) -> ObjectStore:
    """Client of a bucket (`s3://name`), one per process.

    Raises:
        Misconfigured: The extra is not installed, or the environment names no usable credential.
    """
    try:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra
        from obstore.store import from_url  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise Misconfigured(f"{bucket}: needs the extra `objectstore`") from error
    try:
        found: ObjectStore = from_url(bucket, **_options(bucket))
    except (BaseError, ValueError) as error:
        raise Misconfigured(f"{bucket}: {_first_line(error)}") from error
    return found


@cache
def arrow_filesystem(bucket: str) -> Any:
    """The same bucket for pyarrow; paths in it begin with the bucket's name."""
    from obstore.fsspec import FsspecStore  # noqa: PLC0415 - an extra

    client(bucket)
    scheme, _, rest = bucket.partition("://")
    account = rest.partition("@")[2].partition(".")[0]
    options: Any = {**({"account_name": account} if account else {}), **_options(bucket)}
    protocol: Any = scheme
    opened = FsspecStore(protocol, asynchronous=False, **options)
    return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(opened))


def polars_options(bucket: str) -> dict[str, str]:
    """What Polars has to know to read the bucket by itself."""
    scheme = bucket.partition("://")[0]
    known = {name.lower(): value for name, value in os.environ.items() if name.startswith(_PREFIX[scheme])}
    files = {name.lower(): value for name, value in _from_files(scheme).items()}
    plain = {f"{_PREFIX[scheme].lower()}allow_http": "true"} if _speaks_http(scheme) else {}
    return {name: value for name, value in {**known, **files, **plain}.items() if not name.endswith("_file")}


def _options(bucket: str) -> dict[str, Any]:
    scheme = bucket.partition("://")[0]
    for name in _PARTS[scheme]:
        redact.keep_out(os.environ.get(name, ""))
    options: dict[str, Any] = {"retry_config": RETRY}
    if _speaks_http(scheme):
        options["client_options"] = {"allow_http": True}
    if _from_files(scheme):
        options |= _file_credentials(scheme)
    return options


def _file_credentials(scheme: str) -> dict[str, Any]:
    if scheme == "gs":
        return {"service_account_key": _from_files(scheme)["GOOGLE_SERVICE_ACCOUNT_KEY"]}
    return {"credential_provider": _provider(scheme)}


def _provider(scheme: str) -> Callable[[], Mapping[str, Any]]:
    def provide() -> Mapping[str, Any]:
        values = {**{name: os.environ[name] for name in _PARTS[scheme] if name in os.environ}, **_from_files(scheme)}
        parts = {_PARTS[scheme][name]: value for name, value in values.items()}
        return {**parts, "expires_at": datetime.now(UTC) + READ_AGAIN}

    return provide


def _from_files(scheme: str) -> dict[str, str]:
    """Secrets by the variable that their file stands for."""
    paths = {name: os.environ.get(f"{name}_FILE") for name in _PARTS[scheme]}
    return {name: Secret(file=Path(path)).read().get_secret_value() for name, path in paths.items() if path}


def _speaks_http(scheme: str) -> bool:
    """An address that begins with http:// is what the operator wants, as for a server in the same namespace."""
    named = [name for name in os.environ if name.startswith((_PREFIX[scheme], "AZURITE_"))]
    addresses = [os.environ[name] for name in named if any(word in name for word in _ADDRESS)]
    return any(address.startswith("http://") for address in addresses)


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]
