"""Figures of the business, by plant: how soon the ERP knows what the shop floor did, and the other way round."""

from __future__ import annotations

from millrace.metrics.definition import counter, histogram

GROUP = "Business"
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400

CONFIRMATION_LAG = histogram(
    GROUP,
    "millrace_confirmation_lag_seconds",
    ("erp", "plant"),
    "seconds",
    "From the last event that a production confirmation counts to its booking in the ERP (told by the poster).",
    (10, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 4 * _HOUR, 9 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY),
)
RELEASE_LATENCY = histogram(
    GROUP,
    "millrace_order_release_latency_seconds",
    ("flow", "plant"),
    "seconds",
    "From the release of a work order in the ERP to the moment the flow knows it; orders released more than a day ago "
    "are a topic that is read anew, and left out (told by the flow).",
    (1, 5, 15, 30, _MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 4 * _HOUR, 9 * _HOUR, _DAY),
)
RELEASED = counter(
    GROUP,
    "millrace_operations_released_total",
    ("flow", "plant"),
    "operations",
    "Operations of work orders that the flow has heard of for the first time since its state begins.",
)
COMPLETED = counter(
    GROUP,
    "millrace_operations_completed_total",
    ("erp", "plant"),
    "operations",
    "Final confirmations booked; divided by the operations released this is the completion rate (told by the poster).",
)
STOCK_COMPARED = counter(
    GROUP,
    "millrace_stock_compared_total",
    ("flow", "plant"),
    "places",
    "Places whose stock by the ERP was compared with what earlier balances and the movements since lead to.",
)
STOCK_APART = counter(
    GROUP,
    "millrace_stock_apart_total",
    ("flow", "plant"),
    "places",
    "Those with a difference that nothing explains, in any balance of the last `keep_h`; 1 less their share is the "
    "inventory accuracy.",
)
SUPPLIER_RESPONSE = histogram(
    GROUP,
    "millrace_supplier_response_seconds",
    ("flow", "plant"),
    "seconds",
    "From a purchase order to the supplier's acknowledgement of it.",
    (_HOUR, 4 * _HOUR, 8 * _HOUR, _DAY, 2 * _DAY, 3 * _DAY, 5 * _DAY, 7 * _DAY, 14 * _DAY, 30 * _DAY),
)
