"""A plant that runs short buys through a real ERP: one purchase request per crossing, and the ERP's stock is ours."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from millrace.ledger import Ledger
from tests.conformance.faulty import Faulty
from tests.integration.test_tryton_kill import finish, poster
from tests.integration.tryton_buyer import Buyer
from tests.integration.tryton_plant import asked, world
from tests.integration.tryton_stockroom import Stockroom
from tests.servers import Tryton

pytestmark = pytest.mark.server
BARS, RIVETS, BARS_AGAIN = "P1||BAR|STO|1", "P1||RIVET|STO|1", "P1||BAR|STO|2"


@pytest.fixture
def buyer(tryton: Tryton) -> Iterator[Buyer]:
    """The user who buys."""
    one = Buyer(tryton)
    yield one
    one.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """The ledger that posters work from."""
    one = Ledger(url(tmp_path))
    yield one
    one.close()


def test_one_purchase_request_per_crossing_and_the_stock_of_the_erp_is_the_projection(
    tmp_path: Path, tryton: Tryton, buyer: Buyer, ledger: Ledger
) -> None:
    """Of two materials that run short one comes in parts; the poster is killed over what Tryton has booked."""
    room = Stockroom(tryton)
    room.use(("BAR", 260), ("RIVET", 900), ("GREASE", 5), ("BAR", 170))
    assert room.asked() == {BARS: 530}
    room.use(("RIVET", 650), ("GREASE", 3))
    assert room.asked() == {BARS: 530, RIVETS: 1600}
    killed_over_what_is_booked(tmp_path, tryton, ledger, room)
    post(tmp_path, tryton, ledger, room)
    assert room.bought() == [(BARS, 530, "draft"), (RIVETS, 1600, "draft")]
    assert room.in_erp() == room.projected() == {"BAR": 70, "RIVET": 450, "GREASE": 32}

    lines = {number: buyer.purchase(request) for number, request in room.requests().items()}
    for line in lines.values():
        room.ordered(line)
    assert room.stages() == {BARS: "acknowledged", RIVETS: "acknowledged"}
    room.comes(buyer, lines[BARS], Decimal(200))
    room.comes(buyer, lines[RIVETS])
    room.use(("BAR", 40), ("RIVET", 100))
    assert room.stages() == {BARS: "acknowledged"}, "the rest of the bars is still to come"
    room.comes(buyer, lines[BARS])
    assert room.stages() == {}, "what is received is closed"
    room.use(("BAR", 470))
    post(tmp_path, tryton, ledger, room)

    assert room.bought() == [(BARS, 530, "purchased"), (BARS_AGAIN, 510, "draft"), (RIVETS, 1600, "purchased")]
    assert {buyer.delivered(line) for line in lines.values()} == {"received"}
    assert room.in_erp() == room.projected() == {"BAR": 90, "RIVET": 1950, "GREASE": 32}
    room.counted()
    assert room.judge().alerts == {}, "the balance that the ERP tells is what was expected"


def url(folder: Path) -> str:
    """Of the ledger, as `poster` has it."""
    return f"sqlite:///{folder}/ledger.db"


def post(folder: Path, tryton: Tryton, ledger: Ledger, room: Stockroom) -> None:
    """Post what the flows want, who have read everything again."""
    room.request(url(folder))
    room.post(url(folder))
    finish(poster(folder, tryton), ledger)


def killed_over_what_is_booked(folder: Path, tryton: Tryton, ledger: Ledger, room: Stockroom) -> None:
    """A poster is killed twice: Tryton has made a request, and the ledger does not know."""
    room.request(url(folder))
    for _ in range(2):
        killed = poster(folder, tryton, MILLRACE_FAILPOINT="poster.before_outcome")
        assert killed.wait(timeout=120) == -signal.SIGKILL
        assert room.bought() != []
        assert ledger.unfinished() == 2


@pytest.mark.parametrize(
    ("settings", "once"), [({}, True), ({"lookup": False, "options": {"search_first": False}}, False)]
)
def test_a_lost_answer_makes_more_requests_only_without_the_look_up(
    settings: dict, once: bool, tmp_path: Path, tryton: Tryton
) -> None:
    """Tryton has approved, which makes the purchase request, and nobody hears it; the second case is the control."""
    key = tmp_path / "key"
    key.write_text(tryton.key)
    key.chmod(0o600)
    clause = [["product.code", "=", "SCREW"]]
    before = len(tryton.read("purchase.request", clause))
    wire, lost = Faulty(httpx.AsyncHTTPTransport(trust_env=False)), [httpx.ReadTimeout("no answer in time")]
    wire.after(lambda request: request.url.path.endswith("/approve"), lost.pop)
    plant = world(tmp_path, tryton, key, wire, **settings)
    plant.want(asked("700", order="stock:lost answer"))
    for _ in range(4):  # without the look-up it would go on for ever
        plant.post()
        plant.clock.advance(61)
    plant.close()
    made = len(tryton.read("purchase.request", clause)) - before
    assert lost == [], "else this shows nothing"
    assert made == 1 if once else made > 1
