"""A run of the archive over a whole ledger, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, func, select

from millrace import failpoints
from millrace.ledger import archive_files
from millrace.ledger.archive import PAGE, Batch, move, next_orders, old_orders, read_batch
from millrace.ledger.ledger import Ledger
from millrace.ledger.tables import archives, documents

_DAY = 86_400 * 1_000_000


@dataclass
class Archived:
    """What a run moved, or with `dry_run` would move.

    Args:
        documents: Documents.
        postings: Their postings.
        audit: Their audit rows.
        batches: Folders of Parquet files.
        removed: Folders of a former run that was killed before it deleted anything; their rows were written again.
    """

    documents: int = 0
    postings: int = 0
    audit: int = 0
    batches: int = 0
    removed: int = 0

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        self.documents += len(batch.documents)
        self.postings += len(batch.postings)
        self.audit += len(batch.audit)
        self.batches += 1

    def as_json(self) -> dict[str, int]:
        """For printing."""
        return asdict(self)


def archive(ledger: Ledger, out: Path, older_than_days: float, who: str, *, dry_run: bool = False) -> Archived:
    """Move what was settled and unchanged for a time into Parquet files under `out`.

    Args:
        ledger: Ledger, which goes on working meanwhile.
        out: Folder of the archive; only one run at a time works there.
        older_than_days: Days without a change.
        who: Person, for the ledger's list of batches.
        dry_run: Count only.
    """
    before = ledger.now() - int(older_than_days * _DAY)
    done = Archived()
    if dry_run:
        _each(ledger, before, done.add)
        return done
    with archive_files.locked(out):
        done.removed = _remove_unfinished(ledger, out)

        def store(batch: Batch) -> None:
            folder = archive_files.write(batch, out)
            failpoints.hit("archive.after_write")
            with ledger.changing() as connection:
                moved = move(connection, batch, before, str(folder.absolute()), ledger.now(), who)
            failpoints.hit("archive.after_remove")
            if moved:
                done.add(batch)
            else:  # something came in between; the next run takes it
                archive_files.remove(folder)

        _each(ledger, before, store)
    return done


def _each(ledger: Ledger, before: int, use: Callable[[Batch], None]) -> None:
    after = ""
    while page := ledger.ask(partial(next_orders, after=after)):
        after = page[-1]
        orders = ledger.ask(partial(old_orders, before=before, among=page))
        if orders and (batch := ledger.ask(partial(read_batch, orders=orders, before=before))).documents:
            use(batch)


def _remove_unfinished(ledger: Ledger, out: Path) -> int:
    removed = 0
    for folder, keys in archive_files.unfinished(out, ledger.ask(_batches)):
        if ledger.ask(partial(_still_there, keys=keys)) == len(keys):
            archive_files.remove(folder)
            removed += 1
    return removed


def _batches(connection: Connection) -> set[str]:
    return set(connection.scalars(select(archives.c.batch)))


def _still_there(connection: Connection, keys: Sequence[str]) -> int:
    parts = (keys[start : start + PAGE] for start in range(0, len(keys), PAGE))
    queries = (select(func.count()).where(documents.c.key.in_(part)) for part in parts)
    return sum(connection.scalar(query) or 0 for query in queries)


__all__ = ["Archived", "archive"]
