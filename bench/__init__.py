"""Benchmarks on a real broker: each part measured in a process of its own, results under `bench/results`."""
