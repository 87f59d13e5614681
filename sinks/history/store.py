"""The one seam between the history and where it lies: a folder, or a bucket of S3, ABFS or GCS.

A place is a `Path` or an `ObjectPath`; both are joined and named alike, and every effect goes through the functions
here. On an object store a file becomes visible by one request (a put, or the completion of a multi-part upload), so
there is nothing half written and nothing to rename.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pyarrow.dataset as pads

from millrace import durable
from millrace.errors import Misconfigured, Retriable
from sinks.history.places import Found, ObjectPath, Place
from sinks.history.store_clients import arrow_filesystem, client, polars_options

#: A file that may only replace the version that was read goes up in one request, of which S3 takes 5 GB.
MOST_AT_ONCE = 5_000_000_000
#: Files of a flow are smaller: they hold half a million rows at most.
IN_PARTS_FROM = 500_000_000
ATTEMPTS = 5


def require(root: Place, option: str) -> None:
    """Check that there is a history.

    Raises:
        Misconfigured: There is no such folder, no such bucket, or nothing in it; `option` named it.
    """
    try:
        is_there = root.is_dir() if isinstance(root, Path) else bool(subfolders(root))
    except FileNotFoundError:
        is_there = False
    if not is_there:
        raise Misconfigured(f"{option}: there is no folder {str(root)!r}")


def subfolders(folder: Place) -> list[Place]:
    """Folders in a folder, by name; none where there is no such folder."""
    if isinstance(folder, Path):
        return sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
    with answered(folder):
        listed = client(folder.bucket).list_with_delimiter(f"{folder.key}/" if folder.key else None)
        return [ObjectPath(folder.bucket, prefix.strip("/")) for prefix in sorted(listed["common_prefixes"])]


def files(folder: Place, ending: str = "") -> list[Found]:
    """Files in a folder, by name; one that is removed meanwhile is left out."""
    if isinstance(folder, Path):
        return [found for path in sorted(folder.glob(f"*{ending}")) if (found := look(path)) is not None]
    with answered(folder):
        listed = client(folder.bucket).list_with_delimiter(f"{folder.key}/" if folder.key else None)["objects"]
    objects = [_found(folder.bucket, meta) for meta in listed if meta["path"].endswith(ending)]
    return sorted(objects, key=lambda each: each.path.name)


def below(folder: Place, ending: str = "") -> list[Found]:
    """Files at any depth below a folder; on an object store one request for a thousand of them."""
    if isinstance(folder, Path):
        return [found for path in sorted(folder.rglob(f"*{ending}")) if (found := look(path)) is not None]
    with answered(folder):
        listed = client(folder.bucket).list(f"{folder.key}/" if folder.key else None).collect()
    return [_found(folder.bucket, meta) for meta in listed if meta["path"].endswith(ending)]


def look(path: Place) -> Found | None:
    """What is known of a file; None when there is none."""
    try:
        if isinstance(path, Path):
            status = path.stat()
            version = f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"
            return Found(path, status.st_size, status.st_mtime_ns, version)
        with answered(path):
            return _found(path.bucket, client(path.bucket).head(path.key))
    except FileNotFoundError:
        return None


def versions(paths: Sequence[Place]) -> dict[Place, str]:
    """Versions of those files that are still there; on an object store one request per folder."""
    local = [path for path in paths if isinstance(path, Path)]
    folders = {path.parent for path in paths if isinstance(path, ObjectPath)}
    found = [look(path) for path in local] + [each for folder in folders for each in files(folder)]
    wanted = set(paths)
    return {each.path: each.version for each in found if each is not None and each.path in wanted}


def read_bytes(path: Place) -> bytes:
    """The content of a file.

    Raises:
        FileNotFoundError: There is none.
    """
    if isinstance(path, Path):
        return path.read_bytes()
    with answered(path):
        return bytes(client(path.bucket).get(path.key).bytes())


def arrow_source(path: Place) -> dict[str, Any]:
    """Arguments `where` and `filesystem` by which pyarrow opens a file and reads only what it needs of it."""
    if isinstance(path, Path):
        return {"where": path, "filesystem": None}
    return {"where": _in_arrow(path), "filesystem": arrow_filesystem(path.bucket)}


def scan(paths: Sequence[Place], **options: Any) -> pl.LazyFrame:
    """Parquet files as one lazy frame that fetches what a query needs; `options` are those of `pl.scan_parquet`."""
    first = paths[0] if paths else None
    if isinstance(first, ObjectPath):
        options["storage_options"] = polars_options(first.bucket)
    return pl.scan_parquet([str(path) for path in paths], **options)


def dataset(paths: Sequence[ObjectPath], schema: Any = None, partitioning: Any = None) -> Any:
    """Parquet objects of one bucket as a pyarrow dataset, which DuckDB can query as a table."""
    source = arrow_filesystem(paths[0].bucket)
    options = {"filesystem": source, "format": "parquet", "schema": schema, "partitioning": partitioning}
    return pads.dataset([_in_arrow(path) for path in paths], **options)


@contextmanager
def draft(target: Place) -> Iterator[Path]:
    """A local file to be written, then published as `target`; whoever reads the target's folder does not see it."""
    if isinstance(target, Path):
        partial = target.with_name(f".{target.name}.partial")
        partial.unlink(missing_ok=True)
        yield partial
        return
    with TemporaryDirectory(prefix="millrace-") as folder:
        yield Path(folder) / target.name


def publish(partial: Path, target: Place, over: Found | None) -> None:
    """Put a durable draft in the place of the version `over` that was read, or where there was none.

    Raises:
        Retriable: Somebody replaced that version meanwhile (object stores only), or the store does not answer.
    """
    if isinstance(target, Path):
        partial.rename(target)
        return sync(target.parent)
    if partial.stat().st_size > MOST_AT_ONCE:
        raise Misconfigured(f"{target}: would have more than {MOST_AT_ONCE // 10**9} GB")
    from obstore.exceptions import AlreadyExistsError, PreconditionError  # noqa: PLC0415 - an extra

    with answered(target), partial.open("rb") as opened:
        try:
            mode: Any = _only_over(over) if over else "create"
            client(target.bucket).put(target.key, opened, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError) as error:
            raise Retriable(f"{target}: was replaced meanwhile, another pass is running") from error


async def upload(local: Path, target: ObjectPath) -> None:
    """Put a local file in its place: where there is nothing, or over the version that was seen.

    So a request of a process that has died can't come after it and replace it. Only a file of `IN_PARTS_FROM` bytes or
    more goes up in parts, visible when all have arrived, over whatever is there.
    """
    from obstore.exceptions import AlreadyExistsError, PreconditionError  # noqa: PLC0415 - an extra

    in_parts = local.stat().st_size >= IN_PARTS_FROM
    with answered(target), local.open("rb") as opened:
        try:
            mode: Any = "overwrite" if in_parts else "create"
            await client(target.bucket).put_async(target.key, opened, mode=mode, use_multipart=in_parts)
        except (AlreadyExistsError, PreconditionError):
            put_over(target, local.read_bytes())


def put_over(target: ObjectPath, content: bytes) -> None:
    """Put content over exactly what is there; the same content counts as put.

    Raises:
        Retriable: Others replace it again and again, or the store does not answer.
    """
    from obstore.exceptions import AlreadyExistsError, PreconditionError  # noqa: PLC0415 - an extra

    for _ in range(ATTEMPTS):
        known = look(target)
        try:
            if known is not None and known.size == len(content) and read_bytes(target) == content:
                return
            mode: Any = _only_over(known) if known else "create"
            with answered(target):
                try:
                    client(target.bucket).put(target.key, content, mode=mode, use_multipart=False)
                except (AlreadyExistsError, PreconditionError):
                    continue
        except FileNotFoundError:  # removed since it was seen
            continue
        return
    raise Retriable(f"{target}: was replaced {ATTEMPTS} times meanwhile")


def write(path: Place, content: bytes) -> None:
    """Put a small file in its place, durably and whatever is there."""
    if isinstance(path, ObjectPath):
        with answered(path):
            client(path.bucket).put(path.key, content)
        return
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    sync(partial)
    partial.rename(path)
    sync(path.parent)


def remove(path: Place) -> None:
    """Remove a file that may be gone already; `sync` its folder to make that durable."""
    if isinstance(path, Path):
        return path.unlink(missing_ok=True)
    with answered(path):
        try:
            client(path.bucket).delete(path.key)
        except FileNotFoundError:
            return None


def sync(path: Place) -> None:
    """Make a file, or the entries of a folder, durable; an object store has done so when it answers."""
    if not isinstance(path, ObjectPath):
        durable.sync(path)


def make_folder(folder: Place, root: Place) -> None:
    """Create a folder durably: each new level is synced into its parent. Object stores have no folders."""
    if isinstance(folder, ObjectPath) or folder.is_dir():
        return
    if folder not in {root, folder.parent}:
        make_folder(folder.parent, root)
    folder.mkdir(parents=True, exist_ok=True)
    sync(folder.parent)


@contextmanager
def answered(path: ObjectPath) -> Iterator[None]:
    """What an object store's error means for the caller.

    Raises:
        FileNotFoundError: There is no such object.
        Misconfigured: The store does not let us in.
        Retriable: It does not answer, or something went wrong on its side.
    """
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError  # noqa: PLC0415 - an extra

    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError) as error:
        raise Misconfigured(f"{path}: access refused") from error
    except BaseError as error:
        raise Retriable(f"{path}: {str(error).partition(chr(10))[0]}") from error


def _found(bucket: str, meta: Any) -> Found:
    written = int(meta["last_modified"].timestamp() * 1_000_000) * 1000
    # Azure quotes the tag in some answers and not in others.
    version = (meta["e_tag"] or "").strip('"')
    return Found(ObjectPath(bucket, meta["path"]), meta["size"], written, version, meta["version"] or "")


def _only_over(known: Found) -> dict[str, str]:
    return {"e_tag": f'"{known.version}"'} | ({"version": known.generation} if known.generation else {})


def _in_arrow(path: ObjectPath) -> str:
    return f"{path.bucket.partition('://')[2].partition('@')[0]}/{path.key}"
