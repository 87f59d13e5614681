"""The one alert of a flow that stopped because most of what it read was refused."""

from __future__ import annotations

from typing import Any

import structlog

from dataflows import parts
from dataflows.flow_settings import FlowSettings
from operators.reject_guard import MostRefused
from sinks.batches import Batch
from sinks.kafka import KafkaSink

log = structlog.get_logger("millrace.run")


def announce(settings: FlowSettings, error: MostRefused) -> None:
    """Tell the log and, with `publish`, the topic of alerts; the flow's own sinks have ended with it.

    Delivery: at least once; a flow that is started again and stops again tells it again.
    """
    log.error("most_refused", flow=settings.flow, topic=error.topic, message=str(error))
    if settings.kafka is None or not settings.publish:
        return
    sink = KafkaSink(
        settings.kafka.client(), settings.flow, parts.schema_source(settings), parts.output_topics(settings)
    )
    partition = sink.build("stop_alert", 0, 1)
    try:
        partition.write_batch([Batch(alerts=[alert(error)])])
    finally:
        partition.close()


def alert(error: MostRefused) -> dict[str, Any]:
    """Fields of Alert without its envelope."""
    return {
        "kind": "most_refused",
        "severity": "CRITICAL",
        "plant": "",
        "subject": error.topic,
        "message": str(error),
    }
