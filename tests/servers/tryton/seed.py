"""Fills an empty Tryton database with a small company. Runs inside Tryton's own environment, once per version.

`python seed.py <configuration> <database> <facts>` writes key and ids that a caller needs as JSON to `facts`.
"""

from __future__ import annotations

import datetime
import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from proteus import Model, config
from trytond.modules.account.tests.tools import create_chart, get_accounts
from trytond.modules.company.tests.tools import create_company, get_company

#: Code: unit and opening stock. GASKET is bought but never in stock; the last three are little enough to run short.
BOUGHT = {
    **dict.fromkeys(("SHEET", "SCREW"), ("u", 1_000_000)),
    "COIL": ("kg", 1_000_000),
    "GASKET": ("u", 0),
    "BAR": ("kg", 500),
    "RIVET": ("u", 2_000),
    "GREASE": ("l", 40),
}
#: Code: unit and components of one unit. BRK-100 and the following are the simulated plant's articles.
MADE: Mapping[str, tuple[str, Mapping[str, float]]] = {
    "BRACKET": ("u", {"SHEET": 2, "COIL": 0.25}),
    "PUMP": ("u", {"BRACKET": 1, "GASKET": 2}),
    "BRK-100": ("kg", {"COIL": 1}),
    "PLT-110": ("u", {"SHEET": 1}),
    "HSG-200": ("u", {"COIL": 2}),
    "FLG-210": ("u", {"COIL": 1}),
    "CAP-300": ("u", {"SHEET": 1}),
    "VLV-310": ("u", {"SHEET": 1, "SCREW": 4}),
    "SHF-400": ("u", {"COIL": 1}),
    "PIN-410": ("u", {"COIL": 1}),
}
#: What a user needs who posts; Stock Cancellation lets it take back what is done.
GROUPS = (
    "Stock",
    "Stock Cancellation",
    "Production",
    "Purchase Request",
    "Purchase Requisition",
    "Purchase Requisition Approval",
)
#: What a user needs who buys and takes in what was bought.
BUYER_GROUPS = ("Purchase", "Purchase Request", "Stock")
SUPPLIER = "ACME"
EPOCH = datetime.date(2020, 1, 1)  # stock is there for any posting date that a test thinks of


CLOSED_UNTIL = datetime.date(2019, 12, 31)


def main(configuration: str, database: str, facts: str) -> None:
    """Make everything and write the facts."""
    config.set_trytond(database, config_file=configuration)
    create_company(currency="EUR")
    create_chart()
    products = _products()
    locations = _locations()
    _stock(products, locations["STO"])
    Model.get("stock.period")(date=CLOSED_UNTIL).click("close")
    _order_point(products["SCREW"], locations["WH"])
    Model.get("party.party")(name="Acme", code=SUPPLIER).save()
    user, employee = _user("Millrace", GROUPS)
    buyer, _ = _user("Buyer", BUYER_GROUPS)
    keys = {login.login: _key(login) for login in (user, buyer, _stranger())}
    found = {"company": get_company().id, "employee": employee.id, "keys": keys, "password": _password(buyer)}
    Path(facts).write_text(json.dumps(found))


def _products() -> dict[str, Any]:
    expense = get_accounts()["expense"]
    category = Model.get("product.category")(name="Materials", accounting=True, account_expense=expense)
    category.save()
    products = {code: _product(code, unit, category, purchasable=True) for code, (unit, _) in BOUGHT.items()}
    for code, (unit, components) in MADE.items():
        products[code] = _product(code, unit, category, producible=True)
        _bill_of_material(products[code], {products[part]: amount for part, amount in components.items()})
    return products


def _product(code: str, unit: str, category: Any, **kind: bool) -> Any:
    [uom] = Model.get("product.uom").find([("symbol", "=", unit)])
    template = Model.get("product.template")(name=code, default_uom=uom, type="goods", list_price=Decimal(1))
    template.account_category = category
    for name, value in kind.items():
        setattr(template, name, value)
    [product] = template.products
    product.suffix_code = code
    product.cost_price = Decimal(1)
    template.save()
    return template.products[0]


def _bill_of_material(product: Any, components: Mapping[Any, float]) -> None:
    bom = Model.get("production.bom")(name=product.code)
    for component, amount in components.items():
        line = bom.inputs.new()
        line.product, line.quantity = component, amount
    output = bom.outputs.new()
    output.product, output.quantity = product, 1
    bom.save()
    product.boms.append(Model.get("product.product-production.bom")(bom=bom))
    product.save()


def _locations() -> dict[str, Any]:
    """The warehouse that every database has, with a second store, a hold location and codes for the rest."""
    place = Model.get("stock.location")
    [warehouse] = place.find([("code", "=", "WH")])
    for code, name in (("STO2", "Second store"), ("HOLD", "Quality hold"), ("BLOCK", "Blocked")):
        place(name=name, code=code, type="storage", parent=warehouse).save()
    waste = place(name="Scrap", code="SCRAP", type="lost_found")
    waste.save()
    warehouse.waste_locations.append(place(waste.id))
    warehouse.save()
    for code, kind in (("PROD", "production"), ("LOST", "lost_found")):
        for location in place.find([("type", "=", kind)], limit=1):
            location.code = code
            location.save()
    return {location.code: location for location in place.find([]) if location.code}


def _stock(products: Mapping[str, Any], storage: Any) -> None:
    inventory = Model.get("stock.inventory")(location=storage, date=EPOCH)
    for code, (_, amount) in BOUGHT.items():
        if amount:
            line = inventory.lines.new()
            line.product, line.quantity = products[code], amount
    inventory.click("confirm")


def _order_point(product: Any, warehouse: Any) -> None:
    point = Model.get("stock.order_point")(product=product, location=warehouse, type="purchase")
    point.min_quantity, point.target_quantity = 1_000, 5_000
    point.save()


def _user(name: str, groups: Sequence[str]) -> tuple[Any, Any]:
    party = Model.get("party.party")(name=name)
    party.save()
    employee = Model.get("company.employee")(party=party)
    employee.save()
    user = Model.get("res.user")(name=name, login=name.lower())
    user.companies.append(get_company())
    user.company = get_company()
    user.employees.append(employee)
    user.employee = employee
    for group in Model.get("res.group").find([("name", "in", groups)]):
        user.groups.append(group)
    user.save()
    return user, employee


def _key(user: Any) -> Any:
    application = Model.get("res.user.application")(user=user, application="rest")
    application.save()
    return application.key


def _password(user: Any) -> str:
    """For what Tryton has in its clients alone: a session needs one, a key does not open it."""
    password = secrets.token_urlsafe(16)
    user.password = password
    user.save()
    return password


def _stranger() -> Any:
    """A user who may do nothing, for what happens to a posting without permission."""
    user = Model.get("res.user")(name="Stranger", login="stranger")
    user.save()
    return user


if __name__ == "__main__":
    main(*sys.argv[1:])
