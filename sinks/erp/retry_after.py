"""The Retry-After header."""

from __future__ import annotations

from datetime import datetime
from email.utils import parsedate_to_datetime

from sinks.erp.connector import Answer


def retry_after(answer: Answer, now: datetime) -> float | None:
    """Seconds from a Retry-After header in either of its forms; None where it says nothing."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isdigit():
        return float(value[:9])
    try:
        return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):
        return None
