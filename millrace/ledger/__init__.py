"""The posting ledger: what is desired and what each ERP has booked."""
