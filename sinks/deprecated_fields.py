"""Deprecated fields that producers still write, as a metric.

| metric | meaning | unit |
|---|---|---|
| millrace_deprecated_field_records_total | records in which a deprecated field is not its default | records |

Which sources write them is told by `millrace contracts usage`; a label per source would be unbounded.
"""

from __future__ import annotations

from prometheus_client import Counter

from schemas.codec import Codec
from schemas.governance.deprecated_use import Use, WatchedCodec
from schemas.governance.release_log import deprecations

USED = Counter(
    "millrace_deprecated_field_records", "Records that use a deprecated field", ["contract", "field", "until"]
)


def watched(codec: Codec) -> Codec | WatchedCodec:
    """A decoder that counts; the codec itself where its contract has no deprecated field, so that nothing is spent."""
    until = {each.field: each.until.isoformat() for each in deprecations(codec.contract.schema)}
    if not until:
        return codec

    def told(contract: str, use: Use) -> None:
        for (field, _), count in use.items():
            USED.labels(contract, field, until[field]).inc(count)

    return WatchedCodec(codec, told)
