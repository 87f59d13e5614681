"""What Millrace tells Prometheus: every metric is defined here once, with its labels, unit and meaning.

`docs/metrics.md` is made from these definitions. A process has one registry, served on its own port; nothing is shared
between processes.
"""

from millrace.metrics.definition import DEFINITIONS, LABELS, Definition

__all__ = ["DEFINITIONS", "LABELS", "Definition"]
