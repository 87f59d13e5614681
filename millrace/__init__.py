"""Millrace: from machine cycles to booked ERP documents, exactly once in effect."""

__version__ = "0.1.0"
