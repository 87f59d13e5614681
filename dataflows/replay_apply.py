"""What a replay made, put into a ledger: the live one with an audit row each, or a scratch one beside it.

Delivery: exactly once in effect. Each transaction puts some documents; after a kill the comparison finds those that
are put already equal, and the next call puts the others.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from millrace.errors import Misconfigured
from millrace.failpoints import hit
from millrace.ledger import Ledger
from millrace.ledger.letter_states import Person
from millrace.ledger.model import DesiredDocument
from millrace.ledger.replaying import AT_ONCE, Fate, Put, begin, put
from millrace.shutdown import draining

#: Seconds between two looks at documents that a poster works on.
LOOK_S = 1.0
#: Late additions that came so long before the first document is put may have been unknown when it was compared.
SLACK = 60_000_000
SCRATCH = "ledger.db"


def put_live(
    ledger: Ledger,
    documents: Sequence[DesiredDocument],
    by: Person,
    what: str,
    patience_s: float,
    heard: Callable[[int], None] = lambda _n: None,
) -> Counter[Fate]:
    """Put documents into the ledger that posters book from.

    Args:
        ledger: The ledger.
        documents: What is to be desired.
        by: Who does it, and why.
        what: Names the replay in the audit.
        patience_s: How long to wait for documents that a poster works on.
        heard: Told how many documents are dealt with.

    Returns:
        Documents by fate; those still under way when patience ends are left for another call.
    """
    if documents:
        ledger.change(lambda _engine, connection, now: begin(connection, by, what, now))
    fates: Counter[Fate] = Counter()
    todo, until = list(documents), time.monotonic() + patience_s
    since = ledger.now() - SLACK
    while todo:
        again: list[DesiredDocument] = []
        for some in _chunks(todo):
            done = _put(ledger, some, by, since)
            fates.update({fate: n for fate, n in done.counts.items() if fate is not Fate.UNDER_WAY})
            again += done.again
            heard(len(some) - len(done.again))
        todo = again
        if not todo or draining.is_set() or time.monotonic() >= until:
            break
        time.sleep(LOOK_S)
    if todo:
        fates[Fate.UNDER_WAY] = len(todo)
    return fates


def _put(ledger: Ledger, some: Sequence[DesiredDocument], by: Person, since: int) -> Put:
    done = ledger.change(lambda engine, connection, now: put(engine, connection, some, by, now, since))
    hit("replay.after_put")
    return done


def _chunks(documents: Sequence[DesiredDocument]) -> Iterable[Sequence[DesiredDocument]]:
    for start in range(0, len(documents), AT_ONCE):
        yield documents[start : start + AT_ONCE]


def put_scratch(folder: Path, documents: Iterable[DesiredDocument]) -> str:
    """Put everything that a replay made into a ledger of its own, in place of an earlier one; returns its URL.

    Raises:
        Misconfigured: The folder can't be written.
    """
    path = folder / SCRATCH
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"{SCRATCH}*"):
            old.unlink()
    except OSError as error:
        raise Misconfigured(f"--out: {folder}: {error.strerror}") from error
    url = f"sqlite:///{path.resolve()}"
    with Ledger(url, who="replay") as ledger:
        for some in _chunks(list(documents)):
            ledger.put_desired(some)
    return url


__all__ = ["put_live", "put_scratch"]
