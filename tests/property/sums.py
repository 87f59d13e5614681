"""The plain sum over the newest documents, which is what an ERP should hold."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal


def plain_sums(documents) -> dict[tuple[str, str], dict[str, Decimal]]:
    """The plain sum, with times in whole thousandths of a minute, as the ERP holds them."""
    sums: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for wanted in documents:
        for name, amount in wanted.quantities.items():
            quantum = Decimal("0.06") if name.endswith("_time") else Decimal("0.001")
            held = (amount / quantum + Decimal("0.5")).to_integral_value("ROUND_FLOOR") * quantum
            sums[wanted.order_id, wanted.operation][name] += held
    plain = {key: {n: a for n, a in total.items() if a} for key, total in sums.items()}
    return {key: total for key, total in plain.items() if total}
