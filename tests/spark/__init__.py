"""Spark reads the history: `python -m tests.spark`, in an environment of its own."""
