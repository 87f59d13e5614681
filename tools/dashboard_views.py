"""What the four dashboards show: the plant, posting, procurement, and the engine."""

from __future__ import annotations

from tools.dashboards import Dashboard, Panel


def _quantile(share: float, metric: str, by: str, window: str = "30m") -> str:
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({metric}_bucket[{window}])))"


def _average(metric: str, by: str, window: str = "5m") -> str:
    return f"sum by ({by}) (rate({metric}_sum[{window}])) / sum by ({by}) (rate({metric}_count[{window}]))"


PLANT = Dashboard(
    "millrace-plant",
    "Millrace: plant",
    "For plant and integration engineers: what comes from the shop floor, what is missing, how soon the ERP knows.",
    (
        (
            Panel("Newest event, age by plant", "s", {"{{plant}} ({{flow}})": "millrace:plant_lag_seconds"}),
            Panel(
                "Events accepted",
                "eps",
                {
                    "{{contract}}": 'sum by (contract) (rate(millrace_flow_records_total{outcome="accepted"}[5m]))',
                },
            ),
            Panel(
                "Dead letters by class",
                "eps",
                {"{{error_class}}": "sum by (error_class) (rate(millrace_dead_letters_total[5m]))"},
            ),
        ),
        (
            Panel(
                "Duplicates and late events",
                "eps",
                {
                    "{{outcome}}": "sum by (outcome) "
                    '(rate(millrace_flow_records_total{outcome=~"duplicates|late|unverified"}[5m]))'
                },
            ),
            Panel(
                "Skipped numbers, an hour",
                "short",
                {"{{plant}}": "sum by (plant) (increase(millrace_sequence_gaps_total[1h]))"},
            ),
            Panel(
                "Alerts of flows, an hour",
                "short",
                {"{{plant}} {{kind}}": "sum by (plant, kind) (increase(millrace_alerts_total[1h]))"},
            ),
        ),
        (
            Panel(
                "Confirmation lag: last piece to booking",
                "s",
                {
                    "{{plant}} median": _quantile(0.5, "millrace_confirmation_lag_seconds", "plant"),
                    "{{plant}} p95": _quantile(0.95, "millrace_confirmation_lag_seconds", "plant"),
                },
            ),
            Panel(
                "Order release latency: ERP to shop floor, p95",
                "s",
                {"{{plant}}": _quantile(0.95, "millrace_order_release_latency_seconds", "plant", "1d")},
            ),
            Panel(
                "Operations completed of those released, a day",
                "percentunit",
                {"{{plant}}": "millrace:completion:ratio1d"},
                "stat",
            ),
        ),
    ),
)
POSTING = Dashboard(
    "millrace-posting",
    "Millrace: posting",
    "For integration engineers: what waits to be booked, why, and whether the tiers keep their objectives.",
    (
        (
            Panel(
                "Oldest document that waits, by tier",
                "s",
                {
                    "{{erp}} tier {{tier}}": 'max by (erp, tier) (millrace_oldest_open_seconds{erp!=""})',
                    "{{erp}} tier {{tier}} allowed": "max by (erp, tier) (millrace_sla_seconds)",
                },
            ),
            Panel(
                "Unsettled documents by state",
                "short",
                {
                    "{{erp}} {{state}}": "sum by (erp, state) (max by (erp, tier, state) (millrace_open_documents))",
                },
            ),
            Panel(
                "Time in which a tier was late, an hour",
                "percentunit",
                {"{{erp}} tier {{tier}}": "millrace:tier_late:ratio1h"},
            ),
        ),
        (
            Panel(
                "Attempts by outcome",
                "ops",
                {"{{erp}} {{outcome}}": "sum by (erp, outcome) (rate(millrace_postings_total[5m]))"},
            ),
            Panel(
                "Attempts by tier",
                "ops",
                {"{{erp}} tier {{tier}}": "sum by (erp, tier) (rate(millrace_postings_total[5m]))"},
            ),
            Panel(
                "Under way, of the slots",
                "percentunit",
                {"{{erp}}": "sum by (erp) (millrace_postings_in_flight) / sum by (erp) (millrace_posting_slots)"},
            ),
        ),
        (
            Panel(
                "Breaker (1: the system is taken to be down)",
                "short",
                {"{{erp}}": "max by (erp) (millrace_breaker_open)"},
            ),
            Panel("Rate used", "percentunit", {"{{erp}}": "millrace:rate_used:ratio5m"}),
            Panel(
                "Oldest unknown outcome",
                "s",
                {"{{erp}}": "max by (erp) (millrace_oldest_unknown_seconds)"},
            ),
        ),
        (
            Panel(
                "Open dead letters by class",
                "short",
                {"{{error_class}}": "max by (error_class) (millrace_open_dead_letters)"},
            ),
            Panel(
                "Waits for another system",
                "s",
                {"{{job}} {{waits_for}}": "max by (job, waits_for) (millrace_waiting_seconds)"},
            ),
            Panel(
                "Claims lost, an hour",
                "short",
                {"{{erp}}": "sum by (erp) (increase(millrace_claims_lost_total[1h]))"},
            ),
        ),
    ),
)
PROCUREMENT = Dashboard(
    "millrace-procurement",
    "Millrace: procurement",
    "For buyers and planners: whether stock is what the ERP says, what is asked for, and how soon suppliers answer.",
    (
        (
            Panel(
                "Inventory accuracy, a day",
                "percentunit",
                {"{{plant}}": "millrace:inventory_accuracy:ratio1d"},
                "stat",
            ),
            Panel(
                "Places compared, an hour",
                "short",
                {
                    "{{plant}} compared": "sum by (plant) (increase(millrace_stock_compared_total[1h]))",
                    "{{plant}} apart": "sum by (plant) (increase(millrace_stock_apart_total[1h]))",
                },
            ),
        ),
        (
            Panel(
                "Supplier response time",
                "s",
                {
                    "{{plant}} median": _quantile(0.5, "millrace_supplier_response_seconds", "plant", "1d"),
                    "{{plant}} p95": _quantile(0.95, "millrace_supplier_response_seconds", "plant", "1d"),
                },
            ),
            Panel(
                "Tier 2 (replenishment, procurement): oldest that waits",
                "s",
                {"{{erp}}": 'max by (erp) (millrace_oldest_open_seconds{tier="2", erp!=""})'},
            ),
        ),
    ),
)
ENGINE = Dashboard(
    "millrace-engine",
    "Millrace: engine",
    "For those who run it: whether flows keep up, and what their state costs.",
    (
        (
            Panel("Processes that answer", "short", {"{{job}}": 'sum by (job) (up{job=~"millrace.*"})'}, "stat"),
            Panel("Worker loop, last turn", "s", {"{{job}}": "max by (job) (millrace_loop_age_seconds)"}),
            Panel("Records not read yet", "short", {"{{flow}}": "sum by (flow) (millrace_unread_records)"}),
        ),
        (
            Panel("Records read", "eps", {"{{flow}}": "millrace:records_read:rate5m"}),
            Panel("Records of a batch, on average", "short", {"{{flow}}": _average("millrace_batch_records", "flow")}),
            Panel("CPU per record", "s", {"{{flow}}": "millrace:cpu_seconds_per_record:ratio5m"}),
        ),
        (
            Panel("Watermark, behind the clock", "s", {"{{flow}}": "millrace:watermark_lag_seconds"}),
            Panel("Open windows", "short", {"{{flow}}": "sum by (flow) (millrace_open_windows)"}),
            Panel(
                "Documents announced",
                "ops",
                {"{{flow}}": "sum by (flow) (rate(millrace_documents_total[5m]))"},
            ),
        ),
        (
            Panel(
                "Epoch, and its snapshot (p95)",
                "s",
                {
                    "{{flow}} epoch": _quantile(0.95, "millrace_epoch_seconds", "flow"),
                    "{{flow}} snapshot": _quantile(0.95, "millrace_snapshot_seconds", "flow"),
                },
            ),
            Panel(
                "Recovery store, and snapshots of lanes",
                "bytes",
                {
                    "{{flow}} store": "max by (flow) (millrace_recovery_store_bytes)",
                    "{{flow}} lanes": "sum by (flow) (millrace_snapshot_bytes)",
                },
            ),
            Panel(
                "History, last durable",
                "s",
                {"{{flow}}": "time() - min by (flow) (millrace_history_durable_timestamp_seconds)"},
            ),
        ),
        (
            Panel("Memory", "bytes", {"{{job}}": 'sum by (job) (process_resident_memory_bytes{job=~"millrace.*"})'}),
            Panel(
                "Records in the state, by outcome",
                "short",
                {"{{flow}} {{outcome}}": "sum by (flow, outcome) (millrace_records)"},
            ),
        ),
    ),
)
VIEWS = (PLANT, POSTING, PROCUREMENT, ENGINE)
