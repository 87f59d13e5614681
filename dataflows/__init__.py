"""Flows: wiring only, one file per flow."""
