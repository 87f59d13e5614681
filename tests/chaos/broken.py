"""Flow and poster with one safeguard off, for the negative controls: the crash test must notice each.

`python -m tests.chaos.broken NAME --config FILE [--process I --addresses A;B]`
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import signal
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dataflows import confirmations
from dataflows.run import run
from dataflows.settings import ConfirmationsSettings
from millrace.ledger import Ledger
from millrace.ledger.model import DesiredDocument
from millrace.settings import load
from millrace.telemetry import configure_logging
from sinks.erp.run import run_poster
from sinks.erp.settings import PosterSettings


def without_deduplication(options: argparse.Namespace) -> None:
    """The flow counts every record that it reads."""
    _flow(options, deduplicate=False)


def running_revisions(options: argparse.Namespace) -> None:
    """Revisions are numbers of announcements, which begin anew with the process."""
    numbers = itertools.count(1)
    put = Ledger.put_desired

    def renumbered(ledger: Ledger, documents: Iterable[DesiredDocument], *more: Any, **named: Any) -> int:
        return put(ledger, [replace(document, revision=next(numbers)) for document in documents], *more, **named)

    Ledger.put_desired = renumbered  # type: ignore[assignment, method-assign]
    _flow(options, deduplicate=True)


def without_lookup(options: argparse.Namespace) -> None:
    """The poster sends again what it does not know the answer to."""
    settings = load(PosterSettings, options.config)

    async def main() -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await run_poster(settings, stop, lookup_before_resend=False)

    asyncio.run(main())


def _flow(options: argparse.Namespace, *, deduplicate: bool) -> None:
    settings = load(ConfirmationsSettings, options.config)
    run(
        confirmations.build(settings, deduplicate=deduplicate),
        settings.recovery,
        partitions=settings.recovery_partitions,
        layout=settings.layout(),
        process=options.process,
        addresses=[address for address in options.addresses.split(";") if address],
    )


SAFEGUARDS_OFF = {
    "without-deduplication": without_deduplication,
    "running-revisions": running_revisions,
    "without-lookup": without_lookup,
}


def main() -> None:
    """Run one of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.broken", description=__doc__)
    parser.add_argument("name", choices=SAFEGUARDS_OFF)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--process", type=int, default=0)
    parser.add_argument("--addresses", default="")
    options = parser.parse_args()
    configure_logging()
    SAFEGUARDS_OFF[options.name](options)


if __name__ == "__main__":
    main()
