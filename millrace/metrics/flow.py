"""Metrics of a flow's process: what it reads and announces, where its time stands, what its state costs."""

from __future__ import annotations

from millrace.metrics.definition import counter, gauge, histogram

GROUP = "Flows"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

RECORDS = gauge(
    GROUP,
    "millrace_records",
    ("flow", "lane", "contract", "outcome"),
    "records",
    "Records by outcome since the flow's first start, from its durable state: each counts once, over any number of "
    "restarts.",
)
FLOW_RECORDS = counter(
    GROUP,
    "millrace_flow_records_total",
    ("flow", "contract", "outcome"),
    "records",
    "Records by outcome (read, accepted, duplicates, late, unverified, dead, filtered) since this process started; "
    "for rates.",
)
BATCH = histogram(
    GROUP,
    "millrace_batch_records",
    ("flow",),
    "records",
    "Records of one poll of one lane, polls without records left out.",
    (1, 10, 100, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000),
)
UNREAD = gauge(
    GROUP,
    "millrace_unread_records",
    ("flow", "lane"),
    "records",
    "Records that the log holds and the lane has not read yet, as far as the client knows; partitions that wait for "
    "slower ones are left out.",
)
SOURCE_FAILURES = counter(
    GROUP,
    "millrace_source_failures_total",
    ("flow", "failure"),
    "failures",
    "What the Kafka client reported and goes on trying by itself, such as a broker that it cannot reach.",
)
DOCUMENTS = counter(GROUP, "millrace_documents_total", ("flow",), "documents", "Documents announced by this process.")
LETTERS = counter(
    GROUP,
    "millrace_dead_letters_total",
    ("flow", "error_class", "reason"),
    "dead letters",
    "Dead letters announced by this process.",
)
ALERTS = counter(GROUP, "millrace_alerts_total", ("flow", "kind", "plant"), "alerts", "Alerts raised by the flow.")
GAPS = counter(
    GROUP,
    "millrace_sequence_gaps_total",
    ("flow", "plant"),
    "gaps",
    "Runs of numbers that a source skipped: records that were lost before they reached the log, or are still to come.",
)
NEWEST = gauge(
    GROUP,
    "millrace_newest_event_timestamp_seconds",
    ("flow", "plant"),
    "seconds since 1970",
    "Newest event time among the accepted events of a plant; `time()` less this is the plant's lag.",
)
WATERMARK = gauge(
    GROUP,
    "millrace_watermark_timestamp_seconds",
    ("flow", "lane"),
    "seconds since 1970",
    "Event time of the lane's slowest partition; the flow's watermark is the least of all lanes less `lateness_s`.",
)
OPEN_WINDOWS = gauge(
    GROUP,
    "millrace_open_windows",
    ("flow",),
    "windows",
    "Windows of this process that have data and are not announced yet.",
)
EPOCH = histogram(
    GROUP, "millrace_epoch_seconds", ("flow",), "seconds", "Time between two snapshots of a lane.", _SECONDS
)
SNAPSHOT_SECONDS = histogram(
    GROUP,
    "millrace_snapshot_seconds",
    ("flow",),
    "seconds",
    "Time that a lane's snapshot takes, with making its history durable.",
    _SECONDS,
)
SNAPSHOT_BYTES = gauge(
    GROUP,
    "millrace_snapshot_bytes",
    ("flow", "lane"),
    "bytes",
    "Size of a lane's snapshot (offsets, de-duplication, counts), measured once a minute.",
)
STORE_BYTES = gauge(
    GROUP, "millrace_recovery_store_bytes", ("flow",), "bytes", "Size of the recovery store's files as of the scrape."
)
CPU = counter(
    GROUP,
    "millrace_cpu_seconds_total",
    ("flow",),
    "seconds",
    "CPU time of this process; divided by the records read it is the CPU per event.",
)
HISTORY_DURABLE = gauge(
    GROUP,
    "millrace_history_durable_timestamp_seconds",
    ("flow", "lane"),
    "seconds since 1970",
    "When everything that the lane had accepted was last durable in the history.",
)
LOOP_AGE = gauge(
    GROUP,
    "millrace_loop_age_seconds",
    (),
    "seconds",
    "Seconds since the worker loop that is furthest behind last turned; an idle loop turns too.",
)
WAITING = gauge(
    GROUP,
    "millrace_waiting_seconds",
    ("waits_for",),
    "seconds",
    "How long the process has been waiting for another system; 0 while it does not.",
)
