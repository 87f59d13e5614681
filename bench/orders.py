"""The orders that a topic of machine cycles is made for, on a topic of their own."""

from __future__ import annotations

from decimal import Decimal

from confluent_kafka import Producer

from bench.topic import CycleTopic
from schemas.codec import Codec
from schemas.contracts import contract
from schemas.registry import FolderSchemas

#: Far more than is produced: no operation becomes final, so each window is one document.
TARGET = Decimal(100_000_000)


def fill_orders(bootstrap: str, topic: str, spec: CycleTopic, plant: str = "P010") -> int:
    """Write one WorkOrder per order of the topic; returns how many."""
    operation = {
        "operation": "0010",
        "work_center": "",
        "target_quantity": TARGET,
        "count_source": "MACHINE",
        "time_source": "MACHINE",
        "auto_final": True,
    }
    head = {
        "event_time": spec.start,
        "plant": plant,
        "source": "erp",
        "sequence": None,
        "correlation_id": None,
        "version": 1,
        "status": "RELEASED",
        "material": "M-1",
        "quantity": TARGET,
        "unit": "C62",
        "over_tolerance": Decimal(10),
        "under_tolerance": Decimal(0),
        "operations": [operation],
    }
    names = sorted(set(spec.encoder().orders))
    records = [{**head, "event_id": f"order-{name}", "order_id": name} for name in names]
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20})
    for name, value in zip(names, Codec(contract("WorkOrder"), FolderSchemas()).encode(records), strict=True):
        producer.produce(topic, value, key=name.encode())
        producer.poll(0)
    producer.flush(60)
    return len(names)
