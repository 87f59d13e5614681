"""The posting ledger: what is desired and what each ERP has booked."""

from millrace.ledger.ledger import Ledger
from millrace.ledger.model import DeadLetter, DesiredDocument, Status

__all__ = ["DeadLetter", "DesiredDocument", "Ledger", "Status"]
