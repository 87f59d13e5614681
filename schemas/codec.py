"""Wire bytes to frames and back, for one contract.

Decoding takes a whole batch: records are grouped by their writer's schema and read together
(`codec_fast`); what cannot be read that way is read record by record (`codec_slow`), which alone
decides what is rejected and why.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import fastavro
import numpy as np
import polars as pl

from millrace.errors import Rejected
from schemas import wire
from schemas.batch import DecodedBatch, RawBatch, Reject
from schemas.codec_fast import BatchDecoder, UnsupportedError
from schemas.codec_slow import RecordDecoder
from schemas.contracts import Contract, Schema
from schemas.plan import IncompatibleError, resolve
from schemas.records import Records, Verdict, pages
from schemas.registry import SchemaSource, UnknownSchema
from schemas.types import polars_schema

#: Every reason for which a record is rejected.
REASONS = (
    *("tombstone", "oversize", "no_prefix", "unknown_schema"),
    *("truncated", "trailing_bytes", "bad_utf8", "bad_enum", "decode"),
)


@dataclass(frozen=True, slots=True)
class _Writer:
    """Decoders for one writer's schema; `refusal` where none of its records can be read."""

    fast: BatchDecoder | None = None
    slow: RecordDecoder | None = None
    refusal: str = ""


class Codec:
    """Decodes and encodes the records of one contract.

    Every record of a batch ends in the frame or as a `Reject` with one of `REASONS`. What is accepted
    depends neither on the projection nor on the other records of the batch.

    Args:
        contract: The reader's contract.
        schemas: Where writers' schemas come from.
        columns: Columns of the frames, in this order; None for all.
        framing: Where a record names its schema, see `wire.Framing`.
        in_batches: False reads every record by itself, for comparison.

    Raises:
        Misconfigured: A column is no field of the contract.
    """

    def __init__(
        self,
        contract: Contract,
        schemas: SchemaSource,
        columns: Sequence[str] | None = None,
        *,
        framing: wire.Framing = "auto",
        in_batches: bool = True,
    ) -> None:
        self.contract = contract
        self.types = polars_schema(contract, columns)
        self._all_types = polars_schema(contract)
        self._schemas, self._framing, self._in_batches = schemas, framing, in_batches
        self._writers: dict[wire.SchemaKey, _Writer] = {}
        self._parsed = fastavro.parse_schema(contract.schema)

    def decode(self, raw: RawBatch) -> DecodedBatch:
        """Frame of the records that keep the contract, and the rejects, both in the batch's order.

        Raises:
            Retriable: A schema cannot be looked up now. Nothing was decided: decode the batch again later.
        """
        verdict = Verdict(raw)
        for records in pages(raw.values, verdict):
            if self._framing == "header":
                self._by_header(verdict, records)
            else:
                self._by_prefix(verdict, records, ask_headers=self._framing == "auto" and raw.headers is not None)
        return verdict.result(self.types)

    def _by_prefix(self, verdict: Verdict, records: Records, *, ask_headers: bool) -> None:
        for key, chosen in wire.by_prefix(records).items():
            group = records.only(chosen)
            writer = None if key is None else self._writer(key)
            if writer is not None:
                _decode(verdict, writer, group.behind(wire.PREFIX_SIZE), self.types)
            elif ask_headers:
                self._by_header(verdict, group, key)
            else:
                verdict.reject(group.rows, *_no_schema(key))

    def _by_header(self, verdict: Verdict, records: Records, prefix: int | None = None) -> None:
        """Read bare bodies; a record that no header speaks of is refused for what its prefix says."""
        keys = [wire.header_key(verdict.headers(row)) for row in records.rows.tolist()]
        for key in dict.fromkeys(keys):
            group = records.only(np.array([each == key for each in keys]))
            writer = None if key is None else self._writer(key)
            if writer is not None:
                _decode(verdict, writer, group, self.types)
            else:
                verdict.reject(group.rows, *_no_schema(prefix if key is None else key))

    def _writer(self, key: wire.SchemaKey) -> _Writer | None:
        """Decoders for a schema; None where there is no such schema."""
        if key not in self._writers:
            try:
                schema = self._schemas.schema(key)
            except UnknownSchema:
                return None
            self._writers[key] = self._prepare(schema)
        return self._writers[key]

    def _prepare(self, schema: Schema) -> _Writer:
        try:
            plan = resolve(schema, self.contract.schema)
        except IncompatibleError as error:
            return _Writer(refusal=str(error))
        try:
            fast = BatchDecoder(plan, self._all_types, tuple(self.types)) if self._in_batches else None
        except UnsupportedError:
            fast = None
        return _Writer(fast, RecordDecoder(plan))

    def encode(self, records: Iterable[dict[str, Any]]) -> list[bytes]:
        """Wire bytes of records, with the prefix of the contract's current schema.

        Args:
            records: Values as decoded: Decimal, aware datetimes, enum symbols. Fields with a default may
            lack.

        Raises:
            Rejected: A record breaks the contract (reason encode).
            Retriable: The schema's id cannot be had now.
        """
        prefix = wire.prefix(self._schemas.id_for(self.contract.subject, self.contract.schema))
        return [prefix + self._body(record) for record in records]

    def encode_frame(self, frame: pl.DataFrame) -> list[bytes]:
        """Wire bytes of a frame's rows, see `encode`."""
        return self.encode(frame.iter_rows(named=True))

    def _body(self, record: dict[str, Any]) -> bytes:
        out = io.BytesIO()
        try:
            fastavro.schemaless_writer(out, self._parsed, record, strict_allow_default=True)
        except (ValueError, TypeError, KeyError, OverflowError, AttributeError) as error:
            raise Rejected("encode", f"the record is no {self.contract.name}: {error}") from error
        return out.getvalue()


def _decode(verdict: Verdict, writer: _Writer, records: Records, types: dict[str, pl.DataType]) -> None:
    """Records of one writer, together; those left over one by one."""
    if writer.slow is None:
        verdict.reject(records.rows, "decode", writer.refusal)
        return
    if writer.fast is not None:
        frame, read = writer.fast.decode(records.page, records.begin, records.end)
        verdict.accept(frame, records.rows[read])
        if len(read) == len(records):
            return
        records = records.without(read)
    _decode_singly(verdict, writer.slow, records, types)


def _decode_singly(verdict: Verdict, decoder: RecordDecoder, records: Records, types: dict[str, pl.DataType]) -> None:
    accepted: list[int] = []
    decoded: list[dict[str, Any]] = []
    data = records.page.data
    for row, first, last in zip(*(each.tolist() for each in (records.rows, records.begin, records.end)), strict=True):
        try:
            decoded.append(decoder.decode(data[first:last]))
            accepted.append(row)
        except Rejected as rejected:
            verdict.rejects.append(Reject(row, rejected.reason, rejected.detail))
    if decoded:
        columns = {name: [record[name] for record in decoded] for name in types}
        verdict.accept(pl.DataFrame(columns, schema=types), np.array(accepted))


def _no_schema(key: wire.SchemaKey | None) -> tuple[str, str]:
    if key is None:
        return "no_prefix", "the value has no schema prefix and no header names its schema"
    return "unknown_schema", f"no schema has the id {key}"
