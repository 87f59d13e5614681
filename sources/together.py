"""Several sources as one step of a flow, so that their epochs begin and end together.

Delivery: that of the sources; each partition keeps its own snapshot.

The engine counts an epoch per step from when the step began it, and a step that is ahead waits until all others have
come as far. Two steps begin their epochs at different moments and drift apart by what each activation is late, so one
of them stands still for a growing part of every epoch, at full speed. Partitions of one step can't drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition

from sources.watched import Watched


class Together(FixedPartitionedSource[Any, Any]):
    """The partitions of several sources.

    Args:
        sources: Sources whose partitions have different names.

    Raises:
        ValueError: Two of them have a partition of the same name.
    """

    def __init__(self, sources: Sequence[FixedPartitionedSource[Any, Any]]) -> None:
        self._sources = sources
        names = self.list_parts()
        if len(set(names)) < len(names):
            raise ValueError(f"partitions of the same name: {', '.join(sorted(names))}")

    def list_parts(self) -> list[str]:
        """Names of all partitions."""
        return [name for source in self._sources for name in source.list_parts()]

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> StatefulSourcePartition[Any, Any]:
        """Open a partition at its source; from now on its turns are seen."""
        owner = next(source for source in self._sources if for_part in source.list_parts())
        return Watched(owner.build_part(step_id, for_part, resume_state), for_part)
