"""A wrong mapping file is refused with file, line and field before any row is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from millrace.errors import Misconfigured
from schemas.mapping import load, loads

GOOD = """version: 1
format: {type: csv, delimiter: ";"}
times: {zone: Europe/Berlin}
code_lists:
  states: {L: PRODUCTION, S: DOWN}
fields:
  event_id: id
  event_time: time
  plant: {value: "0010"}
  source: machine
  work_center: machine
outputs:
  - contract: MachineState
    when: state IS NOT NULL
    fields:
      state: {from: state, codes: states}
      job_event: {value: NONE}
      completed: {value: "false"}
      reason: why
"""

WRONG = {
    "an unknown key, with the nearest known one": (
        "times: {zone", "times: {zon", "m.yaml:3: times.zon: unknown key; is 'zone' meant?"
    ),
    "an unknown key of a format": ("delimiter:", "delimeter:", "m.yaml:2: format.delimeter: unknown key"),
    "a missing section": ("format: {type: csv, delimiter: \";\"}\n", "", "m.yaml:1: format: is missing"),
    "an unknown format": ("type: csv", "type: xls", "m.yaml:2: format:"),
    "a zone that does not exist": ("Europe/Berlin", "Europe/Bonn", "m.yaml:3: times.zone: 'Europe/Bonn'"),
    "an unknown contract": ("MachineState", "MachineStatus", "m.yaml:13: outputs.0.contract:"),
    "a field that the contract does not have": ("reason: why", "cause: why",
        "m.yaml:19: outputs.0.fields.cause:"),
    "a required field without a rule": ("  event_time: time\n", "", "MachineState.event_time is required"),
    "a code that is no value of the contract": ("L: PRODUCTION", "L: RUN",
        "outputs.0.fields.state.codes: 'RUN'"),
    "a constant that is no value of the contract": ("NONE", "STOP",
        "job_event.value: 'STOP' is not one of NONE"),
    "a code list that does not exist": ("codes: states", "codes: stats", "there is no list 'stats'"),
    "broken SQL": ("IS NOT NULL", "IS NOT", "m.yaml:14: outputs.0.when: is no SQL expression"),
    "SQL that looks beyond one row": ("state IS NOT NULL", "SUM(x) > 1",
        "outputs.0.when: 'SUM' looks beyond one row"),
    "two origins of one value": ("{value: NONE}", "{value: NONE, from: x}", "needs exactly one of"),
    "a key that is written twice": ("  source: machine", "  event_id: machine",
        "the key 'event_id' is written twice"),
    "broken YAML": ("{zone: Europe/Berlin}", "{zone: Europe/Berlin", "m.yaml:"),
    "an unknown version": ("version: 1", "version: 2", "m.yaml:1: version:"),
    "hash_of outside the event id": ("reason: why", "reason: {hash_of: [a]}",
        "reason.hash_of: makes event ids only"),
    "a duration where no seconds are": ("reason: why", "reason: {from: a, duration: 'mm:ss'}",
        "is in seconds"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_mapping_is_refused_for(what: str) -> None:
    old, new, message = WRONG[what]
    assert old in GOOD
    with pytest.raises(Misconfigured) as caught:
        loads(GOOD.replace(old, new, 1), "m.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("m.yaml:")


def test_every_finding_is_told_at_once() -> None:
    text = GOOD.replace("Europe/Berlin", "Europe/Bonn").replace("L: PRODUCTION", "L: RUN")
    with pytest.raises(Misconfigured) as caught:
        loads(text, "m.yaml")
    assert len(str(caught.value).splitlines()) == 2


def test_words_keep_what_yaml_would_change() -> None:
    mapping = loads(GOOD.replace('"0010"', "0010").replace("{L: PRO", "{NO: PRO").replace("S: DOWN", "on: DOWN"))
    assert mapping.fields["plant"].value == "0010"
    assert mapping.code_lists["states"] == {"NO": "PRODUCTION", "on": "DOWN"}


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"gone.yaml:1: mapping: cannot be read"):
        load(tmp_path / "gone.yaml")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{from: t, unit: KGM}", "no conversion from the unit 'KGM' to 'SEC'"),
        ("{from: t, unit: PSI}", "'PSI' is no UN/ECE Rec 20 code"),
        ("{from: t, unit: MIN, to: HUR}", "the contract wants setup_time in SEC"),
        ("{from: t, duration: 'ss:mm'}", "at most once and in this order"),
        ("{from: t, decimal: ',', thousands: ','}", "decimal and thousands are both ','"),
        ("{from: t, factor: '0'}", "the factor must be above 0"),
        ("{from: t, default: '1,5'}", "default: '1,5' is not a number"),
        ("{value: '0.1234567'}", "too_many_decimals"),
    ],
)
def test_a_number_is_refused_for_what_can_never_be_right(rule: str, message: str) -> None:
    text = """version: 1
format: {type: csv}
fields: {event_id: a, event_time: a, plant: a, source: a, work_center: a, completed: a}
outputs:
  - contract: OperationReport
    fields:
      order_id: a
      operation: a
      quantity_yield: a
      quantity_scrap: a
      quantity_rework: a
      unit: {value: C62}
      machine_time: a
      labour_time: a
      setup_time: """
    with pytest.raises(Misconfigured, match=r"m.yaml:15: outputs.0.fields.setup_time") as caught:
        loads(text + rule, "m.yaml")
    assert message in str(caught.value)


def test_a_quantity_is_not_declared_in_another_unit_than_it_is_converted_to() -> None:
    text = """version: 1
format: {type: csv}
fields: {event_id: a, event_time: a, plant: a, source: a, work_center: a}
outputs:
  - contract: MachineCycle
    fields:
      counting: {value: DELTA}
      quantity_good: {from: a, unit: GRM, to: KGM}
      quantity_scrap: {value: "0"}
      quantity_rework: {value: "0"}
      unit: {value: GRM}
"""
    with pytest.raises(Misconfigured, match="is converted to KGM, but the field unit says GRM"):
        loads(text)
    loads(text.replace("value: GRM", "value: KGM"))
