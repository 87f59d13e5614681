"""`python -m tests.image.send BOOTSTRAP`: an order and pieces of it, before the flow starts."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from confluent_kafka import Producer

from sandbox.plant_layout import TOPICS
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas
from tests.flows.memory import cycle, order

now = datetime.now(UTC)
producer = Producer({"bootstrap.servers": sys.argv[1]})
records = {
    "WorkOrder": [{**order("4711"), "event_time": now}],
    "MachineCycle": [cycle(number, "PRESS", 0, event_time=now, order_id="4711") for number in range(1, 1001)],
}
for name, rows in records.items():
    for value in Codec(contract(name), FolderSchemas()).encode([dict(row) for row in rows]):
        producer.produce(TOPICS[name], value, key="PRESS")
sys.exit(producer.flush(30))
