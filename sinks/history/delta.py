"""A topic as a Delta table, partitioned by plant and date.

Delivery: exactly once over kills. A commit carries an application transaction (`app_id` the plant-day, `version` made
of the day file's id), which is looked at before the next one; two passes at a time conflict, and one of them fails.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from millrace.errors import Misconfigured, Retriable
from sinks.history.places import ObjectPath, Place
from sinks.history.store import make_folder
from sinks.history.store_clients import polars_options
from sinks.history.zones import PlantDay

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable


class DeltaTarget:
    """A Delta table below a folder or bucket.

    Args:
        root: Place of the tables.
        topic: Topic; the table's name.

    Raises:
        Misconfigured: The extra is not installed.
    """

    def __init__(self, root: Place, topic: str) -> None:
        try:
            import deltalake  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise Misconfigured("Delta tables need the extra `delta`") from error
        self._delta = deltalake
        self._place = root / topic
        self._options = polars_options(root.bucket) if isinstance(root, ObjectPath) else None
        make_folder(self._place, root)

    def table(self) -> DeltaTable | None:
        """The table as it is now; None before its first commit."""
        if not self._delta.DeltaTable.is_deltatable(str(self._place), self._options):
            return None
        return self._delta.DeltaTable(str(self._place), storage_options=self._options)

    def version_of(self, day: str) -> int | None:
        """See `Target`."""
        table = self.table()
        return table.transaction_version(day) if table is not None else None

    def replace(self, day: str, place: PlantDay, rows: pa.RecordBatchReader, version: int) -> None:
        """See `Target`."""
        mark = self._delta.Transaction(day, version)
        predicate = f"plant = '{_escaped(place.plant)}' AND date = '{place.day}'"
        table = self.table()
        how: dict[str, Any] = {"mode": "append", "storage_options": self._options}
        if table is not None:
            how = {"mode": "overwrite", "predicate": predicate}
        try:
            self._delta.write_deltalake(
                table if table is not None else str(self._place),
                rows,
                partition_by=["plant", "date"],
                schema_mode="merge",
                commit_properties=self._delta.CommitProperties(app_transactions=[mark]),
                **how,
            )
        except self._delta.exceptions.CommitFailedError as error:
            raise Retriable(f"{self._place}: somebody else committed at the same time") from error


def _escaped(text: str) -> str:
    return text.replace("'", "''")
