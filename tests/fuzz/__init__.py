"""Hostile records for the codec: mutated by kind, decoded on both paths, which must agree.

`python -m tests.fuzz --records 10000000` runs at length; a short run is part of the tests.
"""
