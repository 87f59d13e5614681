"""A process that produces cycles 1, 2, 3 ... of one machine and goes on after a crash where the kit says it was.

`python -m tests.producing BOOTSTRAP FOLDER TOPIC LAST`; writes a line per call, ends when the broker has cycle LAST.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from millrace.producer import BufferFull, MachineCycle, Producer

PLANT, SOURCE = "P1", "M1"
BEGIN = datetime(2026, 3, 2, 5, tzinfo=UTC)


def cycle(number: int, source: str = SOURCE, order_id: str = "O1", begin: datetime = BEGIN) -> MachineCycle:
    """One good piece."""
    return MachineCycle(
        event_id=f"{source}-{number}",
        event_time=begin + timedelta(seconds=number),
        plant=PLANT,
        source=source,
        work_center="WC",
        order_id=order_id,
        operation="0010",
        counting="DELTA",
        quantity_good=Decimal(1),
        quantity_scrap=Decimal(0),
        quantity_rework=Decimal(0),
        unit="C62",
    )


def main(bootstrap: str, folder: str, topic: str, last: str) -> None:
    client, topics = {"bootstrap.servers": bootstrap}, {"MachineCycle": topic}
    with Producer(client, folder, max_bytes=40_000, topics=topics) as producer:
        known = producer.last("MachineCycle", PLANT, SOURCE)
        number = int(known.event_id.split("-")[1]) + 1 if known else 1
        while number <= int(last):
            some = [cycle(each) for each in range(number, min(number + 7, int(last) + 1))]
            try:
                producer.send(*some)
            except BufferFull:
                say("full")
                time.sleep(0.05)
                continue
            number += len(some)
            say(str(number - 1))
        while producer.flush(1):
            continue


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
