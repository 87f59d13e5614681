"""A small plant to be watched: its processes, faults to produce, and a real Prometheus."""
