"""Crash test of the whole installation: real Kafka, PostgreSQL and ERP behind links that fail, several posters."""
