"""The producer kit for Python: typed events, numbered, kept on disk until the broker has them (docs/producers.md)."""

from millrace.producer.buffer import Last
from millrace.producer.files import BufferFull, BufferLost
from millrace.producer.producer import Producer, Status
from millrace.producer.records import MachineCycle, MachineState, OperationReport
from millrace.producer.values import Record

__all__ = [
    "BufferFull",
    "BufferLost",
    "Last",
    "MachineCycle",
    "MachineState",
    "OperationReport",
    "Producer",
    "Record",
    "Status",
]
