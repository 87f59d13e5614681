"""External references in the space that SAP's fields leave for them."""

from __future__ import annotations

import hashlib
from base64 import b32encode


def short_reference(external_reference: str) -> str:
    """Sixteen characters A-Z and 2-7 that stand for an external reference, always the same ones.

    80 bits of its SHA-256: among a thousand million documents, the chance that any two share one is about one in two
    million.
    """
    return b32encode(hashlib.sha256(external_reference.encode()).digest()[:10]).decode()


def plain_reference(external_reference: str) -> str:
    """The 32 digits of an external reference in capitals, without hyphens."""
    return external_reference.replace("-", "").upper()
