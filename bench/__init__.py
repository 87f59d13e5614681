"""Benchmarks on a real broker: each part measured in a process of its own, results under `bench/results`."""

import millrace  # noqa: F401 - before Polars, as in `python -m millrace`
