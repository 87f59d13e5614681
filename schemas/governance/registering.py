"""`millrace contracts register`: bring the contracts to a registry, all checked before the first is written.

What stands between two runs is safe: each step is idempotent, the level of a known subject is raised before its new
version is written and put back when that is refused, and a run that was cut short is finished by the next.
Two runs at once end in the same versions; where they bring different schemas, the later of two that do not go together
is withdrawn.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote

from millrace.errors import MillraceError, Misconfigured, Retriable
from schemas.contracts import Contract, Schema
from schemas.governance.check import Report, check_contract
from schemas.governance.versions import RegistryVersions, Version, avro_of
from schemas.registry import RegistrySchemas, reason

LEVEL = "FULL_TRANSITIVE"
_PAUSES_S = (0.3, 1.0, 3.0, 5.0)


class RefusedError(MillraceError):
    """Contracts that may not be registered; nothing was written."""

    def __init__(self, reports: Sequence[Report]) -> None:
        sentences = [each.sentence(report.contract) for report in reports for each in report.refusals]
        super().__init__("nothing was registered:\n" + "\n".join(sentences))


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done, or was, for one subject.

    Args:
        contract: The contract.
        known: Numbers of the subject's versions when the plan was made.
        present: Number of the version that is this very schema; None where it is to be written.
        level: Compatibility level of the subject then; None where it has none of its own.
        id: Schema id, once it is registered.
    """

    contract: Contract
    known: tuple[int, ...]
    present: int | None
    level: str | None
    id: int | None = None

    @property
    def actions(self) -> list[str]:
        """What the step does, in words."""
        return [*(["register"] if self.present is None else []), *([f"set {LEVEL}"] if self.level != LEVEL else [])]

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "subject": self.contract.subject,
            "contract": self.contract.name,
            "actions": self.actions,
            "version": self.present,
            "id": self.id,
        }


class Registrar:
    """Registers contracts.

    Args:
        registry: Connection.
        today: Day on which deprecated fields are judged.
        pause: Waits some seconds before a write is tried again.
    """

    def __init__(self, registry: RegistrySchemas, today: date, pause: Callable[[float], object] = time.sleep) -> None:
        self._registry, self._today, self._pause = registry, today, pause
        self._versions = RegistryVersions(registry)

    def plan(self, contracts: Mapping[str, Contract]) -> list[Step]:
        """What is to be done; only reads.

        Raises:
            RefusedError: A contract is not compatible with what the registry holds.
            Retriable: The registry does not answer.
            Misconfigured: It is read-only, or answers what no registry answers.
        """
        status, mode = self._registry.ask("GET", "/mode")
        if status == 200 and isinstance(mode, dict) and str(mode.get("mode", "")).startswith("READONLY"):
            raise Misconfigured("the registry is read-only; nothing was registered")
        steps, refused = [], []
        for contract in in_order(contracts):
            numbers = self._versions.numbers(contract.subject)
            versions = [self._version(contract.subject, number) for number in numbers]
            report = check_contract(contract, versions, self._today)
            refused += [report] if report.refusals else []
            same = [n for n, each in zip(numbers, versions, strict=True) if each.schema == contract.schema]
            level = self._level(contract.subject) if numbers else None
            steps.append(Step(contract, tuple(numbers), same[-1] if same else None, level))
        if refused:
            raise RefusedError(refused)
        return steps

    def carry_out(self, steps: Sequence[Step]) -> Iterator[Step]:
        """Do the steps; each is yielded when it is durable in the registry, with its version and id.

        Raises:
            Retriable: The registry failed in between. Steps that were yielded stand; run again to finish.
            Misconfigured: It refuses.
        """
        numbers: dict[str, int] = {}
        for step in steps:
            done = self._done(step, numbers)
            numbers[step.contract.name] = done.present or 0
            yield done

    def _done(self, step: Step, numbers: Mapping[str, int]) -> Step:
        subject, level = step.contract.subject, step.level
        if level != LEVEL and self._set_level(subject, LEVEL, missing_is_fine=not step.known):
            level = LEVEL
        number = step.present
        if number is None:
            try:
                self._write(step.contract, numbers)
            except Misconfigured:
                if level != step.level and step.level is not None:
                    self._set_level(subject, step.level)
                raise
            number = self._written(step)
        if level != LEVEL:
            self._set_level(subject, LEVEL)
        return Step(step.contract, step.known, number, LEVEL, self._id(step.contract, number))

    def _write(self, contract: Contract, numbers: Mapping[str, int]) -> None:
        path = f"/subjects/{quote(contract.subject, safe='')}/versions"
        status, answer = self._patiently(path, body(contract, numbers))
        if status in {401, 403, 405}:
            raise Misconfigured(f"the registry lets us not write {contract.subject}: {status} {reason(answer)}")
        if status != 200:
            raise Misconfigured(f"the registry refuses {contract.subject}: {status} {reason(answer)}")

    def _patiently(self, path: str, content: Any) -> tuple[int, Any]:
        """Registering is idempotent, so it is tried again: of two runs at once a registry may fail or refuse one."""
        for pause in _PAUSES_S:
            try:
                status, answer = self._registry.ask("POST", path, content)
            except Retriable:
                self._pause(pause)
                continue
            if status != 409:
                return status, answer
            self._pause(pause)
        return self._registry.ask("POST", path, content)

    def _written(self, step: Step) -> int:
        """Number under which the registry shows our schema now; judges versions that came in between."""
        subject, contract = step.contract.subject, step.contract
        between: list[Version] = []
        for number in self._versions.numbers(subject):
            if number in step.known:
                continue
            version = self._version(subject, number)
            if version.schema == contract.schema:
                self._judge(contract, number, between)
                return number
            between.append(version)
        raise Retriable(f"the registry took the schema of {subject} and does not show it: look at it, then run again")

    def _judge(self, contract: Contract, number: int, between: Sequence[Version]) -> None:
        report = check_contract(contract, between, self._today)
        if not report.refusals:
            return
        path = f"/subjects/{quote(contract.subject, safe='')}/versions/{number}"
        status, answer = self._registry.ask("DELETE", path)
        fate = "withdrawn" if status == 200 else f"to be withdrawn by hand ({status} {reason(answer)})"
        others = "; ".join(each.sentence(contract.name) for each in report.refusals)
        raise Misconfigured(
            f"{contract.subject}: another version came at the same time; ours, version {number}, is {fate}: {others}"
        )

    def _id(self, contract: Contract, number: int) -> int:
        """Schema id of the version, whose schema by id is ours."""
        path = f"/subjects/{quote(contract.subject, safe='')}/versions/{number}"
        status, answer = self._registry.ask("GET", path)
        found = answer.get("id") if status == 200 and isinstance(answer, dict) else None
        if type(found) is not int:
            raise Retriable(f"the registry tells no id for {contract.subject} version {number}: {status}")
        status, by_id = self._registry.ask("GET", f"/schemas/ids/{found}")
        if status != 200 or avro_of(by_id) != contract.schema:
            raise Retriable(f"the registry shows another schema under id {found} than that of {contract.subject}")
        return found

    def _version(self, subject: str, number: int) -> Version:
        return Version(f"registry version {number}", self._versions.schema(subject, number))

    def _level(self, subject: str) -> str | None:
        status, answer = self._registry.ask("GET", f"/config/{quote(subject, safe='')}")
        if status == 404:
            return None
        found = answer.get("compatibilityLevel") if isinstance(answer, dict) else None
        if status != 200 or not isinstance(found, str):
            raise Misconfigured(f"the registry tells no compatibility level of {subject}: {status} {reason(answer)}")
        return found

    def _set_level(self, subject: str, level: str, *, missing_is_fine: bool = False) -> bool:
        """Set a subject's level; some registries have none for a subject without versions."""
        status, answer = self._registry.ask("PUT", f"/config/{quote(subject, safe='')}", {"compatibility": level})
        if status == 404 and missing_is_fine:
            return False
        # Of two runs at once a registry may refuse the second one's level, which the first has set.
        if status != 200 and not (status == 409 and self._level(subject) == level):
            raise Misconfigured(f"the registry does not set {level} for {subject}: {status} {reason(answer)}")
        return True


def body(contract: Contract, numbers: Mapping[str, int]) -> dict[str, Any]:
    """What registers a contract; `numbers` are the versions of contracts that it may refer to."""
    given: dict[str, Any] = {"schema": json.dumps(contract.schema, ensure_ascii=False), "schemaType": "AVRO"}
    references = _references(contract.schema)
    if references:
        given["references"] = [
            {"name": each["name"], "subject": each["subject"], "version": numbers[each["contract"]]}
            for each in references
        ]
    return given


def in_order(contracts: Mapping[str, Contract]) -> list[Contract]:
    """Contracts with those that they refer to in front of them.

    Raises:
        Misconfigured: A contract refers to one that is not there, or to itself over others.
    """
    ordered: dict[str, Contract] = {}

    def add(name: str, around: tuple[str, ...]) -> None:
        if name in around or name not in contracts:
            raise Misconfigured(f"{around[-1]}: references: {name} is " + ("a circle" if name in around else "unknown"))
        for each in _references(contracts[name].schema):
            if each["contract"] not in ordered:
                add(each["contract"], (*around, name))
        ordered[name] = contracts[name]

    for name in contracts:
        if name not in ordered:
            add(name, ())
    return list(ordered.values())


def _references(schema: Schema) -> list[dict[str, str]]:
    found: list[dict[str, str]] = schema.get("references", [])
    return found
