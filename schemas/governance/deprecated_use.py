"""Who still writes deprecated fields: records whose value is not the field's default, by field and source.

A field that is left out is written as its default, so another value shows a producer that has not moved yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

from schemas.batch import DecodedBatch, RawBatch
from schemas.codec import Codec
from schemas.contracts import Contract
from schemas.governance.release_log import Deprecation, deprecations
from schemas.plan import default_value

#: Records by field and source.
Use = Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Watched:
    deprecation: Deprecation
    used: pl.Expr


class DeprecatedUse:
    """Counts records of one contract that use its deprecated fields.

    Args:
        contract: The contract.
    """

    def __init__(self, contract: Contract) -> None:
        self.deprecations = deprecations(contract.schema)
        self._watched = [_Watched(each, _used(contract, each.field)) for each in self.deprecations]

    def of(self, frame: pl.DataFrame) -> Use:
        """Count the rows of a frame; columns that it lacks were projected away and are not judged."""
        counts: Use = Counter()
        for each in self._watched:
            if each.deprecation.field.split(".", maxsplit=1)[0] not in frame.columns:
                continue
            sources = frame.filter(each.used)["source"]
            for source, count in sources.value_counts().iter_rows():
                counts[each.deprecation.field, source] += count
        return counts


def _used(contract: Contract, path: str) -> pl.Expr:
    top, *inner = path.split(".")
    return _differs(pl.col(top), contract.schema, top, inner)


def _differs(value: pl.Expr, record: dict[str, Any], name: str, inner: list[str]) -> pl.Expr:
    """Whether a value, or one of those inside it, is not the default."""
    field = next(each for each in record["fields"] if each["name"] == name)
    avro = field["type"]
    if not inner:
        default = default_value(avro, field["default"])
        if default is None:
            return value.is_not_null()
        if default == []:
            return value.list.len() > 0
        return value.ne_missing(pl.lit(default))
    avro = next(each for each in avro if each != "null") if isinstance(avro, list) else avro
    if avro["type"] == "array":
        item = _differs(pl.element().struct.field(inner[0]), avro["items"], inner[0], inner[1:])
        return value.list.eval(item).list.any().fill_null(value=False)
    return _differs(value.struct.field(inner[0]), avro, inner[0], inner[1:])


class WatchedCodec:
    """A codec's decoder that tells what deprecated fields the accepted records still carry.

    Args:
        codec: The codec.
        told: Called with the contract's name and the use for each batch in which there is some.
    """

    def __init__(self, codec: Codec, told: Callable[[str, Use], None]) -> None:
        self._codec, self._told = codec, told
        self._use = DeprecatedUse(codec.contract)

    def decode(self, raw: RawBatch) -> DecodedBatch:
        """See `Codec.decode`."""
        decoded = self._codec.decode(raw)
        use = self._use.of(decoded.frame)
        if use:
            self._told(self._codec.contract.name, use)
        return decoded
