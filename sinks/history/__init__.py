"""History for analysts: closed days compacted out of the raw zone, found, read, checked and queried.

`<root>/_days/<topic>/plant=<plant>/date=<UTC date>/day.parquet` holds all rows of a closed plant-day, sorted by key
and time. It is always one file and is only ever replaced by one rename, so whoever reads `_days` by a plain pattern
has each of its rows once at every moment. `sinks.history.reading` adds what still lies in the raw zone.
"""
