"""A topic as an Iceberg table, partitioned by plant and date, in any catalogue that pyiceberg knows.

Delivery: exactly once over kills. The version of each plant-day is a property of the table, set by the same commit as
its rows; two passes at a time conflict, and one of them fails. A large day is appended in parts within that commit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from millrace.errors import Misconfigured, Retriable
from sinks.history.zones import PlantDay

if TYPE_CHECKING:
    from pyiceberg.table import Table

_VERSION = "millrace.day."
#: Rows of a part: pyiceberg appends what comes batch by batch to tables without partitions only.
AT_ONCE = 1_000_000


class IcebergTarget:
    """An Iceberg table.

    Args:
        catalog: Name of the catalogue in pyiceberg's own configuration (`.pyiceberg.yaml`, `PYICEBERG_CATALOG__*`).
        namespace: Namespace; made when it is missing.
        topic: Topic; the table's name, with `_` for what names of tables do not take.

    Raises:
        Misconfigured: The extra is not installed, or there is no such catalogue.
    """

    def __init__(self, catalog: str, namespace: str, topic: str) -> None:
        try:
            from pyiceberg.catalog import load_catalog  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise Misconfigured("Iceberg tables need the extra `iceberg`") from error
        try:
            self._catalog = load_catalog(catalog)
        except ValueError as error:
            raise Misconfigured(f"catalogue {catalog!r}: {error}") from error
        self._catalog.create_namespace_if_not_exists(namespace)
        self._name = f"{namespace}.{topic.replace('-', '_').replace('.', '_')}"

    def table(self) -> Table | None:
        """The table as it is now; None before its first commit."""
        return self._catalog.load_table(self._name) if self._catalog.table_exists(self._name) else None

    def version_of(self, day: str) -> int | None:
        """See `Target`."""
        table = self.table()
        known = table.properties.get(_VERSION + day) if table is not None else None
        return None if known is None else int(known)

    def replace(self, day: str, place: PlantDay, rows: pa.RecordBatchReader, version: int) -> None:
        """See `Target`."""
        from pyiceberg.exceptions import CommitFailedException, ValidationException  # noqa: PLC0415 - an extra
        from pyiceberg.expressions import And, EqualTo  # noqa: PLC0415 - an extra

        table = self.table() or self._made(rows)
        equal: Any = EqualTo
        where = And(equal("plant", place.plant), equal("date", place.day.isoformat()))
        try:
            with table.transaction() as commit:
                with commit.update_schema() as columns:
                    columns.union_by_name(rows.schema)
                parts = _parts(rows)
                if _VERSION + day in table.properties:
                    commit.overwrite(next(parts, rows.schema.empty_table()), overwrite_filter=where)
                for part in parts:
                    commit.append(part)
                commit.set_properties({_VERSION + day: str(version)})
        except (CommitFailedException, ValidationException) as error:
            raise Retriable(f"{self._name}: somebody else committed at the same time") from error

    def _made(self, rows: pa.RecordBatchReader) -> Table:
        """An empty table; partitioned before it has rows."""
        table: Table = self._catalog.create_table_if_not_exists(self._name, schema=rows.schema)
        if table.spec().is_unpartitioned():
            with table.update_spec() as spec:
                spec.add_identity("plant")
                spec.add_identity("date")
        return table


def _parts(rows: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Tables of `AT_ONCE` rows or a few more."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in rows:
        held.append(batch)
        count += batch.num_rows
        if count >= AT_ONCE:
            yield pa.Table.from_batches(held)
            held, count = [], 0
    if held:
        yield pa.Table.from_batches(held)
