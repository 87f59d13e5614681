"""Metrics of a poster's process: what becomes of postings, what is open, and what holds it back."""

from __future__ import annotations

from millrace.metrics.definition import counter, gauge

GROUP = "Posters"

POSTINGS = counter(
    GROUP,
    "millrace_postings_total",
    ("erp", "tier", "outcome"),
    "attempts",
    "Attempts (postings and look-ups) by the status that they left behind: booked, accepted, rejected, unknown, parked "
    "or pending, which is tried again.",
)
ATTEMPTS = counter(
    GROUP,
    "millrace_posting_attempts_total",
    ("erp",),
    "attempts",
    "Attempts started; `rate` limits how many a second.",
)
IN_FLIGHT = gauge(GROUP, "millrace_postings_in_flight", ("erp",), "attempts", "Attempts under way.")
SLOTS = gauge(GROUP, "millrace_posting_slots", ("erp",), "attempts", "Most attempts at a time (`concurrency`).")
RATE_LIMIT = gauge(
    GROUP,
    "millrace_rate_limit_per_second",
    ("erp",),
    "attempts per second",
    "This poster's part of the system's `rate`; +Inf without a limit.",
)
BREAKER_OPEN = gauge(
    GROUP,
    "millrace_breaker_open",
    ("erp",),
    "0 or 1",
    "1: the system is taken to be down, and only probed.",
)
CLAIMS_LOST = counter(
    GROUP,
    "millrace_claims_lost_total",
    ("erp",),
    "outcomes",
    "Outcomes that came after the claim on their order had ended; another replica went on with it.",
)
OPEN_DOCUMENTS = gauge(
    GROUP,
    "millrace_open_documents",
    ("erp", "tier", "state"),
    "documents",
    'Documents that are not settled, by state; `erp=""` where no system is chosen yet. Every replica shows all.',
)
OLDEST_OPEN = gauge(
    GROUP,
    "millrace_oldest_open_seconds",
    ("erp", "tier"),
    "seconds",
    "How long the oldest document that waits for a poster has had something to book; 0 where none waits. Rejected and "
    "parked ones wait for a person and are left out.",
)
SLA = gauge(
    GROUP,
    "millrace_sla_seconds",
    ("erp", "tier"),
    "seconds",
    "How soon a document of the tier should be booked (`sla_seconds`).",
)
OLDEST_UNKNOWN = gauge(
    GROUP,
    "millrace_oldest_unknown_seconds",
    ("erp",),
    "seconds",
    "How long ago the oldest posting whose outcome is unknown was sent; 0 where none is.",
)
OPEN_LETTERS = gauge(
    GROUP,
    "millrace_open_dead_letters",
    ("error_class",),
    "dead letters",
    "Dead letters that nobody has dealt with, as of the last look at the ledger.",
)
LEDGER_SEEN = gauge(
    GROUP,
    "millrace_ledger_seen_timestamp_seconds",
    (),
    "seconds since 1970",
    "When the figures about the ledger were last read from it.",
)
