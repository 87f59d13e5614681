"""Each alert's fault as it happens in a plant, and its repair as the runbook says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.monitoring.plant import ORDER, WatchedPlant
from tests.monitoring.remote_history import PlantOnStore
from tests.monitoring.stockroom import StockedPlant


@dataclass(frozen=True)
class Trial:
    """One fault.

    Args:
        alerts: Alerts that have to fire, and to end after the repair.
        fault: Brings it about.
        repair: What the runbook says.
        keep: Called again and again until the alerts fire: work that goes on meanwhile.
        quick: Whether it belongs to the tests of every commit.
        plant: What has to be there.
        settings: Settings of flow, poster and system that differ.
    """

    alerts: tuple[str, ...]
    fault: Callable[[WatchedPlant], object]
    repair: Callable[[WatchedPlant], object]
    keep: Callable[[WatchedPlant], object] = field(default=lambda plant: plant.piece())
    quick: bool = False
    plant: type[WatchedPlant] = WatchedPlant
    settings: dict[str, dict[str, object]] = field(default_factory=dict)


def _ran(plant: WatchedPlant, *arguments: str) -> None:
    done = plant.command(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def _documents(plant: WatchedPlant) -> None:
    """Pieces that become documents at once: their window is over."""
    plant.piece(ago_s=20)
    plant.piece()


def _stop_erp(plant: WatchedPlant) -> None:
    plant.erp.order_fault("refuse", None)
    _documents(plant)


def _reject(plant: WatchedPlant) -> None:
    plant.erp.order_fault("reject", 1)
    _documents(plant)


def _retry(plant: WatchedPlant) -> None:
    config = str(plant.folder / "post.yaml")
    _ran(plant, "post", "retry", "--config", config, "--order", ORDER, "--reason", "the stock is corrected")


def _refused(plant: WatchedPlant) -> None:
    plant.piece()
    plant.garbage(5)


def _discard(plant: WatchedPlant) -> None:
    config = str(plant.folder / "flow.yaml")
    _ran(plant, "dlq", "discard", "--config", config, "--code", "no_prefix", "--reason", "test records")


def _lose_answers(plant: WatchedPlant) -> None:
    """The answer is lost, then nobody can be asked; a session is open since the first booking."""
    _documents(plant)
    booked = 'millrace_postings_total{erp="sandbox-erp",outcome="booked",tier="1"}'
    plant.wait(lambda: plant.metric(booked, plant.poster_port) > 0, "nothing was booked")
    plant.erp.order_fault("lose_answer", 1)
    plant.erp.order_fault("refuse", None)
    _documents(plant)


def _hang(plant: WatchedPlant) -> None:
    plant.process("flow-0").kill()
    plant.start_flow(failpoint="lane.before_snapshot@40:hang")


def _wait_for_ledger(plant: WatchedPlant) -> None:
    plant.hold_ledger()
    plant.piece()


def _new_broker(plant: WatchedPlant) -> None:
    """The embedded broker comes back empty and elsewhere, which is worse than a real one's outage."""
    plant.start_broker()
    plant.start_flow(kafka_out_of_range="earliest")


def _many_orders(plant: WatchedPlant) -> None:
    names = [f"R{number:03d}" for number in range(150)]
    plant.release(*names)
    for name in names:
        plant.piece(ago_s=20, order_id=name)


def _on_store(plant: WatchedPlant) -> PlantOnStore:
    assert isinstance(plant, PlantOnStore)
    return plant


def _stocked(plant: WatchedPlant) -> StockedPlant:
    assert isinstance(plant, StockedPlant)
    return plant


TRIALS: dict[str, Trial] = {
    "process-down": Trial(("MillraceProcessDown",), lambda p: p.process("poster").kill(), lambda p: p.start_poster()),
    "loop-stalled": Trial(("MillraceLoopStalled", "MillraceHistoryStale"), _hang, lambda p: p.start_flow()),
    "waits-for-system": Trial(
        ("MillraceWaitsForSystem",), _wait_for_ledger, lambda p: p.release_ledger(), keep=lambda _: None
    ),
    "broker-unreachable": Trial(
        ("MillraceBrokerUnreachable",), lambda p: p.process("broker").kill(), _new_broker, keep=lambda _: None
    ),
    "plant-silent": Trial(("MillracePlantSilent",), lambda _: None, lambda p: p.piece(), keep=lambda _: None),
    "reading-behind": Trial(
        ("MillraceReadingBehind",),
        lambda p: p.pieces(30_000),
        lambda p: p.start_flow(batch=50_000),
        settings={"flow": {"batch": 1}},
        keep=lambda _: None,
    ),
    "records-refused": Trial(("MillraceRecordsRefused",), _refused, lambda _: None, keep=_refused),
    "history-spool-filling": Trial(
        ("MillraceHistorySpoolFilling",),
        lambda p: _on_store(p).cut_store(),
        lambda p: _on_store(p).heal_store(),
        keep=lambda p: p.pieces(2_000),
        plant=PlantOnStore,
    ),
    "inventory-inaccurate": Trial(
        ("MillraceInventoryInaccurate",),
        lambda p: _stocked(p).lose_issue(),
        lambda p: _stocked(p).send_issue(),
        keep=lambda p: _stocked(p).count_again(),
        plant=StockedPlant,
    ),
    "dead-letters-wait": Trial(("MillraceDeadLettersWait",), lambda p: p.garbage(1), _discard),
    "sequence-gaps": Trial(("MillraceSequenceGaps",), lambda p: p.lose(3), lambda p: p.resend()),
    "erp-down": Trial(
        ("MillraceErpDown", "MillraceTier1Late"), _stop_erp, lambda p: p.erp.clear_fault("refuse"), quick=True
    ),
    "documents-need-a-person": Trial(("MillraceDocumentsNeedAPerson",), _reject, _retry, keep=lambda _: None),
    "outcome-unknown": Trial(
        ("MillraceOutcomeUnknown",), _lose_answers, lambda p: p.erp.clear_fault("refuse"), keep=lambda _: None
    ),
    "no-route": Trial(
        ("MillraceNoRoute",),
        lambda p: (p.start_poster(routes=[{"plant": "other", "system": "sandbox-erp"}]), _documents(p)),
        lambda p: p.start_poster(routes=[]),
    ),
    "rate-used-up": Trial(
        ("MillraceRateUsedUp",),
        _many_orders,
        lambda p: p.start_poster(system={"rate": None}),
        settings={"system": {"rate": 2, "burst": 4}},
        keep=lambda _: None,
    ),
    "confirmations-slow": Trial(
        ("MillraceConfirmationsSlow",),
        lambda p: p.piece(ago_s=3_000),
        lambda _: None,
        keep=lambda p: p.piece(ago_s=3_000),
    ),
}
