"""The reconciliation as tables on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sandbox.plant_disturb import PLANNED
from sandbox.reconcile import MEASURES, UNKNOWN_ORDER, OperationRow, Reconciliation
from sandbox.reconcile_counts import Check
from sandbox.reconcile_materials import MaterialRow, Materials

PLACES = ("truth", "ledger", "erp")
#: Used by the orders and booked so; stock as `millrace status` shows it; requests in the three places.
MATERIAL_COLUMNS = (
    *("Used", "Booked in ERP", "On hand", "Blocked", "Projected"),
    *("Crossings", "Requests", "In ERP"),
)


def figure(value: Decimal | int) -> str:
    """A number with thousands separated and no zeros behind the point."""
    text = f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def total(rows: Sequence[OperationRow], place: str, measure: str) -> Decimal:
    """A measure summed over operations in one place."""
    return sum((getattr(row, place)[measure] for row in rows), Decimal(0))


def difference(rows: Sequence[OperationRow], measures: Sequence[str] = MEASURES) -> Decimal:
    """How far the ERP is from the truth: absolute sums over operations and measures; nothing cancels."""
    return sum((abs(row.erp[name] - row.truth[name]) for row in rows for name in measures), Decimal(0))


def status(rows: Sequence[OperationRow]) -> str:
    """`exact`, or what differs."""
    found = sorted({name for row in rows for name in row.differences})
    return ", ".join(found) if found else "exact"


def orders_table(result: Reconciliation) -> Table:
    """One line per order: yield in the three places, all its differences, postings."""
    table = Table(
        title="Orders: yield over their operations",
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
    )
    for name in ("Order", "Material", "Unit"):
        table.add_column(name)
    for name in ("Operations", "Plant truth", "Ledger", "Booked in ERP", "Difference", "Postings"):
        table.add_column(name, justify="right")
    table.add_column("Status", no_wrap=True)
    for order, rows in result.by_order().items():
        state = status(rows)
        yields = [figure(total(rows, place, "yield")) for place in PLACES]
        off = difference(rows)
        table.add_row(
            *(order, rows[0].material, rows[0].unit, str(len(rows)), *yields),
            Text(figure(off), style="red bold" if off else "dim"),
            figure(sum(row.postings for row in rows)),
            Text(state, style="green" if state == "exact" else "red bold"),
        )
    for order, events in result.unknown_orders.items():
        table.add_row(order, "", "", *("-",) * 6, Text(f"not in the ERP: {events:,} events", "yellow"))
    return table


def counts_of(result: Reconciliation) -> list[str]:
    """Names of all counts, in their order: the columns of the table of counts."""
    return list(dict.fromkeys(check.what for check in result.checks))


def count(check: Check | None) -> str:
    """A count as found; where it differs, with what was expected."""
    if check is None:
        return ""
    return figure(check.actual) + ("" if check.ok else f" (not {figure(check.expected)})")


def checks_table(result: Reconciliation) -> Table:
    """One line per topic or order, one column per count."""
    table = Table(title="Counts", title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for name in counts_of(result):
        table.add_column(name, justify="right")
    for subject, found in result.by_subject().items():
        cells = [found.get(name) for name in counts_of(result)]
        styles = ["red bold" if check and not check.ok else "" for check in cells]
        table.add_row(subject, *(Text(count(c), style) for c, style in zip(cells, styles, strict=True)))
    return table


def dead_letters_table(result: Reconciliation) -> Table:
    """One line per reason, with what the plant did for it on purpose."""
    title = "Dead letters (events), each planned by the plant"
    table = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    table.add_column("Reason")
    table.add_column("Events", justify="right")
    table.add_column("Why")
    why = {**PLANNED, UNKNOWN_ORDER: never_released(result)}
    for check in result.reasons:
        known = why.get(check.what, "") if check.expected else "nothing of the plant's"
        table.add_row(check.what, Text(count(check), "" if check.ok else "red bold"), known)
    return table


def never_released(result: Reconciliation) -> str:
    """Which orders the plant works at that the ERP does not know."""
    return f"order {' and '.join(sorted(result.unknown_orders)) or 'none'}, which the ERP never releases"


def materials_table(materials: Materials) -> Table:
    """One line per component: what was used, its stock, its requests."""
    table = Table(title="Materials", title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    table.add_column("Material", no_wrap=True)
    for name in MATERIAL_COLUMNS:
        table.add_column(name, justify="right")
    table.add_column("Status", no_wrap=True)
    for row in materials.stock:
        state = ", ".join(row.differences) or "exact"
        table.add_row(row.material, *material_cells(row), Text(state, style="green" if row.ok else "red bold"))
    return table


def material_cells(row: MaterialRow) -> list[str]:
    """Figures of a component, by MATERIAL_COLUMNS."""
    stock = [_shown(row, name) for name in ("on_hand", "blocked", "projected")]
    counts = [str(number) for number in (row.crossings, row.announced, row.asked)]
    return [*(figure(used) for used in row.used), *stock, *counts]


def _shown(row: MaterialRow, name: str) -> str:
    """As the flow shows it; where plain sums say something else, with that."""
    truth, shown = row.truth[name], row.shown.get(name, Decimal(0))
    return figure(shown) + ("" if truth == shown else f" (not {figure(truth)})")


def tables(result: Reconciliation) -> RenderableType:
    """Everything, with the verdict as the last line."""
    materials = [] if result.materials is None else [materials_table(result.materials)]
    counts = [checks_table(result), dead_letters_table(result)]
    return Group(orders_table(result), *materials, *counts, verdict(result))


def verdict(result: Reconciliation) -> Text:
    """One sentence."""
    counted = [*result.checks, *result.reasons]
    if result.ok:
        postings = sum(row.postings for row in result.operations)
        stock = ""
        if result.materials is not None:
            asked = sum(row.asked for row in result.materials.stock)
            stock = f"{len(result.materials.movements)} sums of movements, {asked} requests, "
        return Text(
            f"Exact: {len(result.operations)} operations of {len(result.by_order())} orders, "
            f"{postings:,} postings, {stock}{len(counted)} counts; no difference.",
            "green bold",
        )
    wrong = sum(not row.ok for row in result.operations) + sum(not check.ok for check in counted)
    wrong += 0 if result.materials is None else result.materials.wrong
    noun = "difference" if wrong == 1 else "differences"
    return Text(f"Not exact: {wrong} {noun} between plant, history, ledger and ERP.", "red bold")
