"""Why something was given up: each reason with its class, in one table.

The class says whom to ask: `transport` (bytes, framing, schema: producer and platform), `mapping` (a file's or
topic's mapping does not fit its rows), `partner_data` (values of machines, partners or reference data), `application`
(a rule of Millrace or of the ERP).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class ErrorClass(StrEnum):
    """Where the fault lies."""

    TRANSPORT = "transport"
    MAPPING = "mapping"
    PARTNER_DATA = "partner_data"
    APPLICATION = "application"


_BY_CLASS: Mapping[ErrorClass, tuple[str, ...]] = {
    ErrorClass.TRANSPORT: (
        # A record as it came over the wire.
        *("tombstone", "oversize", "no_prefix", "unknown_schema", "truncated", "trailing_bytes"),
        *("bad_utf8", "bad_enum", "decode"),
        # A line of a file that is none.
        *("torn", "encoding", "control_character", "too_long", "not_an_object", "columns"),
        # A posting whose answer did not come, or could not be read.
        *("cannot_be_asked", "no_answer", "not_reachable", "outage", "throttled", "settling", "unreadable"),
        *("no_session", "not_an_erp_answer", "lookup_refused", "csrf_token"),
        *("certificate", "credentials", "redirect"),
    ),
    ErrorClass.MAPPING: (
        *("missing", "not_a_number", "not_an_integer", "too_many_decimals", "out_of_range", "not_a_boolean"),
        *("not_a_time", "no_zone", "ambiguous_time", "nonexistent_time", "time_out_of_range", "not_a_duration"),
        *("code_unknown", "not_allowed", "unit_unknown", "unit_mismatch", "split_mismatch", "expression"),
        *("unknown_key", "unmatched", "joined", "contract"),
    ),
    ErrorClass.PARTNER_DATA: (
        *("future_event_time", "ancient_event_time", "quantity_out_of_range", "sequence_reused", "sequence_expired"),
        *("order_unknown", "no_active_job", "unit_conversion_unknown", "calendar_unknown", "calendar_invalid"),
        "unit_factor_invalid",
        # A value of an order or material that does not fit the ERP's field, or master data that the ERP lacks.
        *("value_out_of_range", "value_too_long", "unsafe_path"),
        *("bill_of_material", "storage_location", "serials", "employee", "negative_quantity", "future_as_of"),
    ),
    ErrorClass.APPLICATION: (
        *("beyond_horizon", "encode", "cannot_be_built", "no_reversal", "request_refused", "locked"),
        *("closed_period", "movement", "purchase_order", "to_plant", "unexpected_state", "endless"),
        *("parked_by_person", "not_approved", "rejected", "parked", "serialised_material", "booked_elsewhere"),
        "nothing_to_approve",
    ),
}

#: Class by reason. What is not in it is a message of an ERP, such as `M7/021`: its application refused.
REASONS: Mapping[str, ErrorClass] = {reason: found for found, reasons in _BY_CLASS.items() for reason in reasons}

#: Records that were accepted and are in the history, but came too late for their total: the same bytes again would
#: be a repeat that counts nothing.
ACCEPTED: frozenset[str] = frozenset({"beyond_horizon", "serialised_material", "booked_elsewhere"})


def error_class(reason: str) -> ErrorClass:
    """Class of a reason."""
    return REASONS.get(reason, ErrorClass.APPLICATION)
