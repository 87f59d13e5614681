"""Errors sorted by how one recovers from them.

`Retriable` is tried again later, `Rejected` concerns one record or document and goes to the dead letters,
`Misconfigured` stops the process with a sentence that names file, line and field.
"""


class MillraceError(Exception):
    """Base of every error that Millrace raises on purpose."""


class Retriable(MillraceError):
    """An outage: the same call may succeed later. Never a reason to give a record up."""


class NoRoom(Retriable):
    """What has to be kept before more is read fills its bound; whoever fills it says what it waits for."""


class Rejected(MillraceError):
    """One record or document cannot go on; the rest does.

    Args:
        reason: Machine-readable reason, a bounded vocabulary fit for a metric label.
        detail: One sentence for a person that names the field or key.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Misconfigured(MillraceError):
    """Settings, a mapping or an environment that no retry can mend."""
