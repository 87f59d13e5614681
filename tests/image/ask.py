"""`python -m tests.image.ask PORT`: waits until a flow has read machine cycles; 1 where it does not in a minute."""

from __future__ import annotations

import http.client
import sys
import time

SERIES = 'millrace_flow_records_total{contract="MachineCycle",flow="confirmations",outcome="read"} '


def has_read(port: int) -> bool:
    """Whether the metrics tell of records."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return any(line.startswith(SERIES) and float(line.rpartition(" ")[2]) > 0 for line in lines)


deadline = time.monotonic() + 60
while not has_read(int(sys.argv[1])):
    if time.monotonic() > deadline:
        sys.exit(1)
    time.sleep(0.02)
