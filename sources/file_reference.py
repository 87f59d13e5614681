"""Reference data from files: orders, materials and calendars for runs without a broker.

JSON, YAML, JSON Lines, Parquet and Avro files hold records of the contract; the envelope (`event_id`,
`event_time`, `source`) and `version` may be left out. CSV is for what people keep in tables, one row per
operation or unit conversion. Reference data belongs to the settings of a run, so a record that is wrong stops
it, and file, place and field are named.

Delivery: everything once, before the first event; a run on files starts again from nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from millrace.errors import Misconfigured
from operators.master_checks import fault_of
from operators.reference_lane import ReferenceLane, ReferenceOutput
from schemas.contracts import contract
from schemas.types import polars_schema
from sources.files import FileReader, find_files
from sources.readers import own_json
from sources.readers.reference import READERS, told

#: Stands where the file says nothing; a reference record's time decides nothing, its version does.
ENVELOPE = {"event_time": "1970-01-01T00:00:00+00:00", "version": 1}
MOST_PROBLEMS = 10


def read_reference(path: str | Path, name: str) -> pl.DataFrame:
    """All records of a reference contract under a path (file, directory or pattern), in its columns.

    Raises:
        Misconfigured: Nothing is found, or a record does not keep to the contract.
    """
    return pl.concat([_read_file(file, name) for file in find_files(path)])


def _read_file(path: Path, name: str) -> pl.DataFrame:
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".avro"):
        return _contract_file(path, name)
    if suffix not in READERS:
        raise Misconfigured(f"{path}: a file of {name} ends in one of {', '.join(READERS)}, .parquet, .avro")
    try:
        records = list(READERS[suffix](path, name))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Misconfigured(f"{path}: is not readable as {suffix[1:]}: {error}") from error
    return _frame(path, name, records)


def _contract_file(path: Path, name: str) -> pl.DataFrame:
    frames = [pl.DataFrame(schema=polars_schema(contract(name)))]
    for batch in FileReader(path, contract=name):
        for reject in batch.mapped.rejects:
            raise Misconfigured(f"{path}:{reject.line}: {reject.detail}")
        for frame in batch.mapped.frames.values():
            for record in frame.to_dicts():
                if (fault := fault_of(name, record)) is not None:
                    raise Misconfigured(f"{path}:{record['_line']}: {fault[0]}: {fault[1]}")
            frames.append(frame.drop("_line"))
    return pl.concat(frames)


def _frame(path: Path, name: str, records: Sequence[tuple[int, Any]]) -> pl.DataFrame:
    schema, good, problems = contract(name).schema, [], []
    for place, given in records:
        try:
            good.append(_checked(name, own_json.record(_enveloped(given, path, place), schema)))
        except own_json.NotOfContract as error:
            problems.append(f"{path}:{told(place, error)}")
    if problems:
        more = len(problems) - MOST_PROBLEMS
        tail = [f"... and {more} more"] if more > 0 else []
        raise Misconfigured("\n".join([*problems[:MOST_PROBLEMS], *tail]))
    return pl.DataFrame(good, schema=polars_schema(contract(name)))


def _checked(name: str, record: dict[str, Any]) -> dict[str, Any]:
    if (fault := fault_of(name, record)) is not None:
        raise own_json.NotOfContract(*fault)
    return record


def _enveloped(given: Any, path: Path, place: int) -> Any:
    if not isinstance(given, dict):
        return given
    return {**ENVELOPE, "event_id": f"{path.name}:{place}", "source": path.name, **given}


class ReferenceFiles(StatefulSourcePartition[ReferenceOutput, None]):
    """Hands out each contract's records once."""

    def __init__(
        self, frames: Sequence[tuple[str, pl.DataFrame]], build: Callable[[], Any], output: Callable[[], Any]
    ) -> None:
        self._lane, self._output = build(), output
        self._frames = iter(frames)

    def next_batch(self) -> list[ReferenceOutput]:
        """The next contract's records."""
        name, frame = next(self._frames)
        output = self._output()
        self._lane.accept(output, name, frame)
        return [output]

    def snapshot(self) -> None:
        """A finite run keeps no state."""
        return


class FileReference(FixedPartitionedSource[ReferenceOutput, None]):
    """Source of orders and materials that were read already.

    Args:
        frames: Contract and records; materials before orders spares totals a wait.
        build: Makes the rules of the flow's reference lane.
        output: Makes an empty output of it.
    """

    def __init__(
        self,
        frames: Sequence[tuple[str, pl.DataFrame]],
        build: Callable[[], Any] = lambda: ReferenceLane({}, {}),
        output: Callable[[], Any] = ReferenceOutput,
    ) -> None:
        self._frames, self._build, self._output = frames, build, output

    def list_parts(self) -> list[str]:
        """One lane."""
        return ["reference"]

    def build_part(self, _step_id: str, _for_part: str, _resume_state: Any) -> ReferenceFiles:
        """Begin at the first record."""
        return ReferenceFiles(self._frames, self._build, self._output)
