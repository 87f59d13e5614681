"""Words that contracts may use: logical types, units, standards, retention classes, and the names of things.

Names follow ISA-95 and ISO 22400 in snake_case; units are UN/ECE Recommendation 20 codes.
"""

from __future__ import annotations

import re

#: Logical types that both decoders read, with the Avro type that carries them.
LOGICAL_TYPES = {"decimal": "bytes", "timestamp-micros": "long", "date": "int"}
#: Avro types that contracts do not use, and what to take instead.
REFUSED_TYPES = {
    "float": "quantities are decimals: a float drifts",
    "double": "quantities are decimals: a float drifts",
    "fixed": "use bytes",
    "map": "use an array of records: a map has no documented fields and cannot be read in batches",
}
PRIMITIVES = frozenset({"null", "boolean", "int", "long", "bytes", "string"})

#: UN/ECE Rec 20 codes that contracts state themselves; a code that a record carries is any of Rec 20.
UNITS = {
    "C62": "pieces",
    "P1": "percent",
    "KGM": "kilogram",
    "GRM": "gram",
    "TNE": "tonne",
    "MTR": "metre",
    "MMT": "millimetre",
    "MTK": "square metre",
    "MTQ": "cubic metre",
    "LTR": "litre",
    "KWH": "kilowatt hour",
    "CEL": "degree Celsius",
    "BAR": "bar",
    "SEC": "second",
    "MIN": "minute",
    "HUR": "hour",
    "DAY": "day",
    "WEE": "week",
    "us": "microsecond since 1970-01-01 (Avro's own unit of instants)",
    "events": "events",
}
#: A field's doc says its unit in one of these ways.
SAYS_UNIT = re.compile(r"Unit: |No unit\.|Rec 20 code")

STANDARDS = (
    *("ISA-95 ", "ISO 22400-2", "ISO 8601", "ISO 4217", "UN/ECE Rec 20", "UN/ECE Rec 21"),
    *("IANA tz database", "RFC 9562", "SAP ", "UN/EDIFACT ", "GS1 "),
)

#: What becomes of records: class, what it means, days in the topic (None: the latest per key for ever).
RETENTION: dict[str, tuple[str, int | None]] = {
    "operational": ("what machines and flows say; 7 days in the topic, 400 days in the history", 7),
    "record": ("what was reported, booked or posted; 30 days in the topic, 10 years in the history", 30),
    "reference": ("master data; the latest record per key, as long as the key lives", None),
}
#: How a record finds its partition.
PARTITIONING = {"key_hash": "hash of the record key: records of one key stay in order"}
#: Kinds of producers and consumers, as in `flow:confirmations`.
PARTIES = {"flow", "history", "poster", "system", "team"}

SNAKE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
PASCAL = re.compile(r"([A-Z][a-z0-9]*)+")
KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
UPPER = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
PARTY = re.compile(rf"({'|'.join(sorted(PARTIES))}):[a-z0-9]+(-[a-z0-9]+)*")

#: Names that people use, and the standard's term for the thing.
TERMS = {
    **dict.fromkeys(("workcenter", "work_centre", "workplace", "machine", "machine_id", "station"), "work_center"),
    **dict.fromkeys(("site", "plant_id", "plant_code", "werks", "factory", "facility"), "plant"),
    **dict.fromkeys(("order", "order_no", "order_number", "job", "job_id", "aufnr", "production_order"), "order_id"),
    **dict.fromkeys(("op", "op_no", "step", "operation_id", "operation_number", "vornr"), "operation"),
    **dict.fromkeys(("article", "article_id", "part", "part_no", "sku", "item", "product", "matnr"), "material"),
    **dict.fromkeys(("uom", "unit_of_measure", "meins", "units"), "unit"),
    **dict.fromkeys(("timestamp", "ts", "time", "occurred_at", "datetime"), "event_time"),
    **dict.fromkeys(("seq", "seq_no", "sequence_number", "counter_value"), "sequence"),
    **dict.fromkeys(("qty", "count", "pieces", "amount"), "quantity"),
    **dict.fromkeys(("qty_good", "good", "good_count", "good_qty", "quantity_ok", "yield"), "quantity_good"),
    **dict.fromkeys(("qty_scrap", "scrap_qty", "scrap_count", "bad", "nok"), "quantity_scrap"),
    **dict.fromkeys(("rework", "rework_qty", "qty_rework"), "quantity_rework"),
    **dict.fromkeys(("user", "user_id", "employee", "worker", "personnel_number", "operator_id"), "operator"),
    **dict.fromkeys(("correlation", "trace_id"), "correlation_id"),
    **dict.fromkeys(("lot_no", "charge", "charg", "batch_no"), "lot"),
}
#: Names that speak of a person; such a field is marked `"personal": true`.
PERSONAL = re.compile(r"(^|_)(operator|person|employee|email|phone|surname|badge)(_|$)|first_name|last_name")

#: Why a field is not for everybody (`"share"`): views for partners drop it unless the partner is given the tag.
SHARE = {
    "internal": "how we plan and run the plant; for partners by agreement",
    "commercial": "prices, values, terms of other partners; for those whom they concern",
}

#: Fields that every record begins with.
COMMON_FIELDS = ("event_id", "event_time", "plant", "source", "sequence", "correlation_id")
#: What a contract states beside Avro's own properties.
ATTRIBUTES = (
    *("owner", "tier", "topic", "key", "compacted"),
    *("partitioning", "retention", "personal_data", "producers", "consumers"),
)
#: Everything that may stand in an `.avsc`; a misspelt property would otherwise be silently without effect.
RECORD_PROPERTIES = frozenset({"type", "name", "namespace", "doc", "fields", "references", *ATTRIBUTES})
FIELD_PROPERTIES = frozenset({"name", "type", "doc", "default", "unit", "standard", "personal", "share", "deprecated"})
TYPE_PROPERTIES = frozenset(
    {
        *("type", "name", "namespace", "doc", "fields", "items", "symbols", "meanings", "default"),
        *("logicalType", "precision", "scale"),
    }
)
