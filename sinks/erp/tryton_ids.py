"""Tryton knows products, units and places by its own ids: asked for once per posting, by code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millrace.errors import Rejected
from sinks.erp.connector import Answer, Kind, Next, Verdict
from sinks.erp.tryton_moves import Line
from sinks.erp.tryton_rest import Record, Rest, records, refusal, text_value

#: Rec 20 code to the symbol of Tryton's unit; every Tryton database has these.
UNITS: Mapping[str, str] = {
    **dict.fromkeys(("C62", "H87", "EA", "PCE"), "u"),
    **dict(zip(("KGM", "GRM", "LBR", "ONZ"), ("kg", "g", "lb", "oz"), strict=True)),
    **dict(zip(("MTR", "CMT", "MMT", "KMT"), ("m", "cm", "mm", "km"), strict=True)),
    **dict(zip(("LTR", "MTQ", "CMQ", "MTK", "CMK"), ("l", "m³", "cm³", "m²", "cm²"), strict=True)),
    **dict(zip(("SEC", "MIN", "HUR"), ("s", "min", "h"), strict=True)),
}
_BOM = "boms.bom"
_PRODUCT_FIELDS = (
    *("code", "default_uom.symbol", "default_uom.factor"),
    *(f"{_BOM}.inputs.{name}" for name in ("product", "quantity", "unit.digits")),
    *(f"{_BOM}.outputs.{name}" for name in ("product", "quantity", "unit.factor")),
)


@dataclass(frozen=True, slots=True)
class Query:
    """A question whose answer is kept under a name."""

    name: str
    model: str
    domain: Sequence[Any]
    fields: Sequence[str]


Answers = Mapping[str, list[Record]]


def ask(rest: Rest, queries: Sequence[Query], then: Callable[[Answers], Verdict], answers: Answers) -> Verdict:
    """Ask one after the other, then go on with all answers."""
    if not queries:
        try:
            return then(answers)
        except Rejected as error:
            return Verdict(Kind.REJECTED, reason=error.reason, detail=error.detail)
    first = queries[0]
    request = rest.find(first.model, first.domain, first.fields)

    def read(answer: Answer) -> Verdict:
        return refusal(answer) or ask(rest, queries[1:], then, {**answers, first.name: records(answer)})

    return Verdict(Kind.CONTINUE, next=Next(request, read))


@dataclass(frozen=True, slots=True)
class Ids:
    """Finds ids in the answers.

    Args:
        answers: By name of the question.
        symbols: Rec 20 code to symbol.
    """

    answers: Answers
    symbols: Mapping[str, str]

    def product(self, code: str) -> Record:
        """Product of a code; refused by the field `material` where there is none."""
        return self._by("products", "code", code, "material")

    def location(self, code: str) -> int:
        """Id of a location."""
        return int(self._by("locations", "code", code, "storage_location")["id"])

    def unit(self, code: str | None, product: Record) -> Record:
        """Unit of a Rec 20 code; the product's own without one."""
        own: Record = product["default_uom"]
        symbol = symbol_of(code, self.symbols) if code else own["symbol"]
        return own if symbol == own["symbol"] else self._by("units", "symbol", symbol, "unit")

    @property
    def currency(self) -> int:
        """Id of the company's currency."""
        return int(self.answers["company"][0]["currency"])

    def party(self, code: str) -> int:
        """Id of a supplier."""
        return int(self._by("parties", "code", code, "supplier")["id"])

    def lot(self, number: str, product: Record) -> int | None:
        """Id of a lot, None where there is none yet."""
        lots, wanted = self.answers.get("lots", ()), (number, product["id"])
        return next((int(lot["id"]) for lot in lots if (lot["number"], lot["product"]) == wanted), None)

    def _by(self, name: str, key: str, wanted: str, of: str) -> Record:
        for record in self.answers[name]:
            if record[key] == wanted:
                return record
        raise Rejected("code_unknown", f"{of} {wanted!r} is not known to Tryton")


def symbol_of(code: str, symbols: Mapping[str, str]) -> str:
    """Symbol of a Rec 20 code.

    Raises:
        Rejected: It is in neither table.
    """
    symbol = symbols.get(code) or UNITS.get(code)
    if symbol is None:
        raise Rejected("unit_unknown", f"unit {code!r} has no symbol in Tryton: add it to the option units")
    return symbol


def queries_for(lines: Iterable[Line], places: Iterable[str], company: int, symbols: Mapping[str, str]) -> list[Query]:
    """What has to be known to book some lines between some places.

    Raises:
        Rejected: A unit has no symbol.
    """
    moved = list(lines)
    products = sorted({text_value(line.material, "material") for line in moved})
    lots = sorted({text_value(line.lot, "batch") for line in moved if line.lot})
    wanted = sorted({*places, *(place for line in moved for place in (line.source, line.target))})
    units = sorted({symbol_of(line.unit, symbols) for line in moved if line.unit})
    queries = [
        Query("products", "product.product", [["code", "in", products]], _PRODUCT_FIELDS),
        Query("locations", "stock.location", [["code", "in", wanted]], ["code"]),
        Query("units", "product.uom", [["symbol", "in", units]], ["symbol", "factor"]),
        Query("company", "company.company", [["id", "=", company]], ["currency"]),
    ]
    if lots:
        queries.append(Query("lots", "stock.lot", [["number", "in", lots]], ["number", "product"]))
    return queries
