"""`millrace history upload`: what lies in the spool of a flow that does not run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from millrace.errors import Misconfigured, Retriable
from sinks.history.places import ObjectPath, located
from sinks.history.spool import Spool, SpoolLimit

#: The command does not write, so nothing can be too much.
_NO_LIMIT = SpoolLimit(2**62)


def upload_command(
    root: Annotated[str, typer.Option("--root", help="History on an object store, s3://... (`history` of the flow).")],
    spool: Annotated[Path, typer.Option("--spool", help="The flow's `history_spool`.")],
    wait: Annotated[float, typer.Option(help="Seconds to wait for the store.")] = 60.0,
) -> None:
    """Upload what a stopped flow left in its spool. A flow that is started again does so by itself.

    Example: `millrace history upload --root s3://plant/history --spool spool`
    """
    store = located(root)
    if not isinstance(store, ObjectPath):
        raise Misconfigured(f"--root: {root} is no object store")
    writers = sorted(mark.name.removesuffix(".mark") for mark in spool.glob("*.mark"))
    if not writers:
        raise Misconfigured(f"--spool: {spool} is no spool of a flow")
    for writer in writers:
        _upload(writer, spool, store, time.monotonic() + wait)


def _upload(writer: str, folder: Path, store: ObjectPath, until: float) -> None:
    numbers = [int(path.stem.rpartition("-")[2]) for path in folder.glob(f"*/plant=*/date=*/{writer}-*.parquet")]
    mark = int((folder / f"{writer}.mark").read_text(encoding="ascii"))
    uploader = Spool(folder, store, _NO_LIMIT, writer.partition("-")[0], writer)
    # Never below the mark: what the store has stays.
    uploader.resume(writer, max([mark, *(number + 1 for number in numbers)]))
    try:
        while not uploader.idle:
            if time.monotonic() > until:
                raise Retriable(f"{store}: does not take the files of {writer}; {uploader.files} wait in {folder}")
            time.sleep(0.05)
    finally:
        uploader.close()
    typer.echo(f"{writer}: {len(numbers)} files uploaded")
