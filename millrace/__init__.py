"""Millrace: from machine cycles to booked ERP documents, exactly once in effect."""

import os

__version__ = "0.1.0"
# Read when Polars is loaded: memory of a batch is kept for the next ones. By default it goes back to the system after
# half a second, and a flow takes as much time to get it page by page as to group its rows.
os.environ.setdefault("_RJEM_MALLOC_CONF", "background_thread:true,dirty_decay_ms:10000,muzzy_decay_ms:-1")
