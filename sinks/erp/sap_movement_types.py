"""SAP's movement types: what moves where in Millrace's words, and in SAP's numbers.

Source: SAP's documentation of goods movements; a plant with types of its own names them in the options.
"""

from __future__ import annotations

from collections.abc import Mapping

from millrace.errors import Rejected
from millrace.ledger.model import Step

#: Transaction that a movement belongs to.
GOODS_MOVEMENT_CODE = {
    "RECEIPT": "02",  # for a production order; 01 for a purchase order
    "BY_PRODUCT": "05",
    "ISSUE": "03",
    "RETURN": "03",
    "SCRAP": "03",
    "TRANSFER": "04",
    "STATUS_CHANGE": "04",
}
#: Stock type of a receipt as SAP's usability code; unrestricted stock has none.
STOCK_TYPES = {"QUALITY": "X", "BLOCKED": "S"}

#: Movement, with the stock types where they decide, to movement type.
MOVEMENT_TYPES = {
    "RECEIPT": "101",
    "BY_PRODUCT": "531",
    "ISSUE": "261",
    "ISSUE to cost centre": "201",
    "RETURN": "262",
    "SCRAP UNRESTRICTED": "551",
    "SCRAP QUALITY": "553",
    "SCRAP BLOCKED": "555",
    "TRANSFER": "311",
    "TRANSFER to plant": "301",
    "QUALITY UNRESTRICTED": "321",
    "UNRESTRICTED QUALITY": "322",
    "BLOCKED UNRESTRICTED": "343",
    "UNRESTRICTED BLOCKED": "344",
    "BLOCKED QUALITY": "349",
    "QUALITY BLOCKED": "350",
}


def movement_type(step: Step, own: Mapping[str, str]) -> str:
    """Movement type of a goods movement or of a quality decision.

    Args:
        step: The step.
        own: Types that a plant has of its own, by the names of the table.

    Raises:
        Rejected: The table has none for it.
    """
    name = _name(step)
    found = {**MOVEMENT_TYPES, **own}.get(name)
    if found is None:
        raise Rejected("cannot_be_built", f"GoodsMovementType: no movement type for {name!r}; see movement_types")
    return found


def has_other_end(step: Step) -> bool:
    """Whether stock moves between two places or states of the plant rather than in or out."""
    return step.attributes.get("movement", "STATUS_CHANGE") in ("TRANSFER", "STATUS_CHANGE")


def _name(step: Step) -> str:
    of = step.attributes
    movement = of.get("movement", "STATUS_CHANGE")  # a quality decision is one
    if movement == "STATUS_CHANGE":
        return f"{of.get('stock_type_from')} {of.get('stock_type_to')}"
    if movement == "SCRAP":
        return f"SCRAP {of.get('stock_type_from') or 'UNRESTRICTED'}"
    if movement == "ISSUE" and not of.get("order_id"):
        return "ISSUE to cost centre"
    if movement == "TRANSFER" and of.get("to_plant") not in (None, "", step.plant):
        return "TRANSFER to plant"
    return str(movement)
