"""Sinks: Kafka, Parquet history, dead letters, the ledger and ERPs."""
