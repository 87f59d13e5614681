"""`python -m tests.image.ask PORT`: waits until a flow has read machine cycles, and prints its CPU seconds until then.

Exit code 1 where it does not in a minute.
"""

from __future__ import annotations

import http.client
import sys
import time

CPU = "process_cpu_seconds_total"
SERIES = 'millrace_flow_records_total{contract="MachineCycle",flow="confirmations",outcome="read"}'


def metrics(port: int) -> dict[str, float]:
    """Values by series; none while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    except (OSError, http.client.HTTPException):
        return {}
    finally:
        connection.close()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {series: float(value) for series, _, value in pairs}


deadline = time.monotonic() + 60
while not (found := metrics(int(sys.argv[1]))).get(SERIES):
    if time.monotonic() > deadline:
        sys.exit(1)
    time.sleep(0.02)
sys.stdout.write(f"{found[CPU]}\n")
