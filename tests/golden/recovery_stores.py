"""Recovery stores as this release leaves them in the middle of a plant's day: `python -m tests.golden.recovery_stores`.

Each is left half-way over records in memory, beside what was announced until then. A test resumes it with the code of
the day: the rest of the records has to end in exact totals. The records here are part of the stores; leave them as
they are. Make a new store only beside the old ones, when `steps` of a flow rises.
"""

from __future__ import annotations

import io
import json
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from dataflows.state import prepare
from dataflows.unfinished_epochs import forget_unfinished
from schemas.batch import RawBatch
from tests.flows import movement_memory, stock_memory
from tests.flows.memory import Consumer, Script, batch
from tests.flows.memory import run as run_confirmations
from tests.flows.stock_records import balance, issue
from tests.flows.test_confirmations import cut, orders, plant
from tests.flows.test_confirmations import settings as confirmations_settings

FOLDER = Path(__file__).with_name("stores")
ANNOUNCED = "announced.json"
Quantities = dict[str, Decimal]


@dataclass(frozen=True)
class Case:
    """A flow over fixed records.

    Args:
        name: Begin of the archive's name.
        settings: Settings of the flow.
        run: Runs over the records, to their end or until so many batches are read, and returns what was announced.
        half: Batches after which the store was left.
    """

    name: str
    settings: Any
    run: Callable[[Path | None, int | None], Quantities]
    half: int


def _confirmations(store: Path | None, stop: int | None) -> Quantities:
    partitions, _ = plant(11, 300)
    consumer = Consumer()
    script = Script(cut(partitions, 11), orders(), abort_after=stop)
    run_confirmations(CONFIRMATIONS, script, consumer, store)
    return {key: record["quantity_yield"] for key, record in consumer.best.items() if record["quantity_yield"]}


def _movements(store: Path | None, stop: int | None) -> Quantities:
    book = movement_memory.Book()
    rows = [batch("MaterialConsumption", [movement_memory.used(n, 90 * n)], 0, n) for n in range(1, 21)]
    materials = [batch("Material", [movement_memory.material()], 0, 0)]
    movement_memory.run(MOVEMENTS, Script([rows], materials, abort_after=stop), book, store)
    return {key: Decimal(record["quantity"]) for key, record in book.best.items()}


def _replenishment(store: Path | None, stop: int | None) -> Quantities:
    heard = stock_memory.Heard()
    lanes: list[list[RawBatch]] = [
        stock_memory.polled([balance(0, 160), *(issue(n, 2.0 * n, 12) for n in range(1, 60))])
    ]
    stock_memory.run(REPLENISHMENT, lanes, heard, store, stop=stop)
    return {key: record["quantity"] for key, record in heard.requests.items()}


CONFIRMATIONS = confirmations_settings(lanes=2)
MOVEMENTS = movement_memory.settings()
REPLENISHMENT = stock_memory.settings()
CASES = (
    Case("confirmations", CONFIRMATIONS, _confirmations, 5),
    Case("goods-movements", MOVEMENTS, _movements, 10),
    Case("replenishment", REPLENISHMENT, _replenishment, 30),
)


def make(case: Case, store: Path) -> None:
    """Leave a store half-way, and beside it what was announced until then."""
    prepare(store, 2, case.settings.layout(), 0)
    announced = case.run(store, case.half)
    (store / ANNOUNCED).write_text(json.dumps(announced, default=str, sort_keys=True))


def resume(case: Case, store: Path) -> Quantities:
    """What was announced before and after, the newest of each key, as a ledger keeps it."""
    before = {key: Decimal(text) for key, text in json.loads((store / ANNOUNCED).read_text()).items()}
    prepare(store, 2, case.settings.layout(), 0, case.settings.resumes)
    forget_unfinished(store)
    return {**before, **case.run(store, None)}


def total(announced: Mapping[str, Decimal]) -> Decimal:
    """Sum over all documents."""
    return sum(announced.values(), Decimal(0))


def pack(store: Path, archive: Path) -> None:
    """A store as one small file."""
    with tarfile.open(archive, "w:xz") as packed:
        for path in sorted(path for path in store.iterdir() if path.is_file()):
            info = tarfile.TarInfo(path.name)
            content = path.read_bytes()
            info.size = len(content)
            packed.addfile(info, io.BytesIO(content))


def unpack(archive: Path, store: Path) -> Path:
    """The store of an archive."""
    with tarfile.open(archive) as packed:
        packed.extractall(store, filter="data")
    return store


def archive_of(case: Case, steps: int | None = None) -> Path:
    """`<flow>-steps<version>.tar.xz`, of the present version or an earlier one."""
    return FOLDER / f"{case.name}-steps{steps or case.settings.steps}.tar.xz"


def main() -> int:
    """Make those that are not there."""
    FOLDER.mkdir(exist_ok=True)
    for case in CASES:
        if not archive_of(case).exists():
            with tempfile.TemporaryDirectory() as folder:
                make(case, Path(folder) / "state")
                pack(Path(folder) / "state", archive_of(case))
            sys.stdout.write(f"{archive_of(case).name}: {archive_of(case).stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
