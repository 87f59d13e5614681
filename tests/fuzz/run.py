"""Runs batches of damaged records through both paths of the codec and compares what they decide."""

from __future__ import annotations

import copy
import faulthandler
import io
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import fastavro
import numpy as np

from schemas import wire
from schemas.batch import DecodedBatch, RawBatch
from schemas.codec import REASONS, Codec
from schemas.contracts import Contract, contracts
from schemas.records import MAX_RECORD
from schemas.registry import FolderSchemas
from schemas.samples import sample
from tests.fuzz.mutations import KINDS, LARGE, Mutation

BATCH = 2_000
#: Good records that are damaged over and over, per contract and writer.
_SEEDS = 60


class Disagreement(AssertionError):
    """The two paths decided differently, or a decision broke a rule; names contract, kind and bytes."""


@dataclass(slots=True)
class Result:
    """What a run has tried.

    Args:
        tried: Records by kind of damage.
        verdicts: By kind, records by verdict: accepted, or the reason of the reject.
        contracts: Records by contract.
        seconds: Time in both decoders and the comparison.
        resident: Highest resident memory, bytes.
    """

    tried: Counter[str] = field(default_factory=Counter)
    verdicts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    contracts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    resident: int = 0

    @property
    def records(self) -> int:
        """Records tried."""
        return self.tried.total()

    def table(self) -> str:
        """Markdown: kinds of damage and what became of the records."""
        columns = ["accepted", *REASONS]
        lines = [f"| damage | records | {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) + 1)}"]
        for kind, count in self.tried.most_common():
            cells = [f"{self.verdicts[kind][each]:,}" if self.verdicts[kind][each] else "" for each in columns]
            lines.append(f"| {kind} | {count:,} | {' | '.join(cells)} |")
        total = sum(self.verdicts.values(), Counter[str]())
        lines.append(f"| all | {self.records:,} | {' | '.join(f'{total[each]:,}' for each in columns)} |")
        return "\n".join(lines)


@dataclass(slots=True)
class _Subject:
    """A contract with its two decoders and good records of several writers."""

    contract: Contract
    together: Codec
    singly: Codec
    good: list[bytes]


Decode = Callable[[Codec, RawBatch], DecodedBatch]


def fuzz(
    records: int,
    seed: int,
    progress: Callable[[Result], None] = lambda _: None,
    decode: Decode = Codec.decode,
    hang_s: float | None = None,
) -> Result:
    """Try so many records.

    Args:
        records: How many, rounded up to whole batches.
        seed: The same seed tries the same records.
        progress: Called after each batch.
        decode: Stands in for the decoder in the controls of the fuzzer itself.
        hang_s: Seconds for one batch, after which the process shows where it hangs and ends; None for never.

    Raises:
        Disagreement: The two paths decided differently, or one broke a rule.
    """
    chance, result = Random(seed), Result()
    subjects = [_subject(each, chance) for each in contracts().values()]
    began = time.monotonic()
    while result.records < records:
        subject = chance.choice(subjects)
        kinds, values = _batch(subject, chance, min(BATCH, records - result.records))
        if hang_s is not None:
            faulthandler.dump_traceback_later(hang_s, exit=True)
        decided = _decided(subject, values, kinds, decode)
        if hang_s is not None:
            faulthandler.cancel_dump_traceback_later()
        for kind, verdict in zip(kinds, decided, strict=True):
            result.tried[kind] += 1
            result.verdicts[kind][verdict] += 1
        result.contracts[subject.contract.name] += len(values)
        result.seconds = time.monotonic() - began
        result.resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        progress(result)
    return result


def _batch(subject: _Subject, chance: Random, count: int) -> tuple[list[str], list[bytes | None]]:
    """Damaged records among some good ones: a bad record must not touch its neighbours."""
    chosen: list[Mutation | None] = list(chance.choices(list(KINDS), list(KINDS.values()), k=count))
    for row in range(0, count, 10):
        chosen[row] = None
    if count == BATCH:
        chosen[chance.randrange(count)] = chance.choice(LARGE)
    good = chance.choices(subject.good, k=count)
    values = [data if kind is None else kind(data, chance) for kind, data in zip(chosen, good, strict=True)]
    return ["good" if kind is None else kind.__name__ for kind in chosen], values


def _decided(subject: _Subject, values: list[bytes | None], kinds: list[str], decode: Decode) -> list[str]:
    """Verdict per record, after both paths were compared."""
    numbers = np.arange(len(values))
    raw = RawBatch(subject.contract.topic, values, np.zeros(len(values), np.int32), numbers, numbers)
    together, singly = (decode(codec, raw) for codec in (subject.together, subject.singly))
    found, wanted = _verdicts(together, len(values)), _verdicts(singly, len(values))
    for row, (one, other) in enumerate(zip(found, wanted, strict=True)):
        if one != other:
            raise Disagreement(_told(subject, values[row], kinds[row], f"together {one}, singly {other}"))
        if kinds[row] == "good" and one[0] != "accepted":
            raise Disagreement(_told(subject, values[row], kinds[row], f"a good record is refused: {one}"))
        if one[0] == "accepted" and len(values[row] or b"") > MAX_RECORD:
            raise Disagreement(_told(subject, values[row], kinds[row], "accepted beyond the cap"))
    if not together.frame.equals(singly.frame):
        raise Disagreement(_first_unequal(subject, together, singly, values, kinds))
    return [each[0] for each in found]


def _verdicts(decoded: DecodedBatch, count: int) -> list[tuple[str, str]]:
    """Accepted or the reason, and the sentence; each record has exactly one verdict of the known ones."""
    found: list[tuple[str, str]] = [("none", "")] * count
    rows = range(count) if decoded.rows is None else decoded.rows.tolist()
    if len(rows) != decoded.frame.height or len(rows) + len(decoded.rejects) != count:
        raise Disagreement(f"{len(rows)} rows, {decoded.frame.height} in the frame, {len(decoded.rejects)} rejects")
    for row in rows:
        found[row] = ("accepted", "")
    for each in decoded.rejects:
        if found[each.row][0] != "none" or each.reason not in REASONS:
            raise Disagreement(f"row {each.row} has two verdicts, or {each.reason} is unknown")
        found[each.row] = (each.reason, each.detail)
    return found


def _first_unequal(
    subject: _Subject, one: DecodedBatch, other: DecodedBatch, values: list[bytes | None], kinds: list[str]
) -> str:
    rows = list(range(len(values))) if one.rows is None else one.rows.tolist()
    for row, left, right in zip(rows, one.frame.iter_rows(), other.frame.iter_rows(), strict=True):
        if left != right:
            return _told(subject, values[row], kinds[row], f"together {left}, singly {right}")
    return f"{subject.contract.name}: frames differ in their types"


def _told(subject: _Subject, value: bytes | None, kind: str, what: str) -> str:
    shown = "no value" if value is None else value[:2000].hex()
    return f"{subject.contract.name}, {kind}: {what}; record: {shown}"


# -- good records


def _subject(of: Contract, chance: Random) -> _Subject:
    """Records of the contract as it is, as an older writer knew it, and as a newer one may."""
    source = FolderSchemas()
    records = sample(of, _SEEDS, chance.randrange(1 << 30))
    good = [value for writer in _writers(of.schema) for value in _written(source, writer, records)]
    return _Subject(of, Codec(of, source), Codec(of, source, in_batches=False), good)


def _writers(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    older = copy.deepcopy(schema)
    older["fields"] = [each for each in older["fields"] if "default" not in each]
    older["fields"].insert(1, {"name": "legacy_tag", "type": ["string", "null"]})
    older["fields"].insert(2, {"name": "legacy_load", "type": "double"})
    yield older
    newer = copy.deepcopy(schema)
    newer["fields"].insert(2, {"name": "tags", "type": {"type": "array", "items": "string"}})
    newer["fields"].append({"name": "place", "type": ["null", "string"], "default": None})
    yield newer


def _written(source: FolderSchemas, schema: dict[str, Any], records: list[dict[str, Any]]) -> Iterator[bytes]:
    prefix = wire.prefix(source.id_for("any", schema))
    parsed = fastavro.parse_schema(copy.deepcopy(schema))
    extra = {"legacy_tag": "x", "legacy_load": 1.5, "tags": ["a", "b"], "place": None}
    for record in records:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, parsed, {**extra, **record})
        yield prefix + out.getvalue()


def show(result: Result) -> None:
    """One line of progress on standard error."""
    rate = result.records / max(result.seconds, 1e-9)
    sys.stderr.write(f"\r{result.records:,} records, {rate:,.0f}/s, {result.resident >> 20} MiB ")
    sys.stderr.flush()
