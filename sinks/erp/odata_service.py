"""What the connectors of SAP's OData V2 services share: session, metadata, requests, answers, look-ups.

A connector adds its table of fields, the values of one step, and how its document is named and found.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import format_datetime
from typing import Any, ClassVar
from urllib.parse import quote

from pydantic import Field

from millrace.ledger.model import Action, Step
from sinks.erp import odata, odata_answer, odata_metadata
from sinks.erp.connector import Answer, Description, Kind, Options, Request, Verdict
from sinks.erp.odata_entity import Entity
from sinks.erp.sap_messages import Meaning, Messages
from sinks.erp.sap_reference import plain_reference


class ODataOptions(Options):
    """Options that all of SAP's services share.

    Args:
        messages: Message id (`class/number` or `class/*`) to what it means, on top of the built-in table.
        read_metadata: Read `$metadata` at the start, and send only what this release knows.
        repeatable: Send `RequestID` and `RepeatabilityCreation`, which an idempotent service goes by.
    """

    messages: dict[str, Meaning] = Field(default_factory=dict)
    read_metadata: bool = True
    repeatable: bool = True


class ODataService(ABC):
    """Base of a connector; everything but what is abstract here is the same for each service.

    Args:
        options: The connector's options.
        entities: Tables of fields that it may send, by entity set or function import.
    """

    kinds: ClassVar[frozenset[str]]

    def __init__(self, options: ODataOptions, *entities: Entity) -> None:
        self._shared = options
        self._messages = Messages.with_changes(options.messages)
        self._entities = {entity.name: entity for entity in entities}

    # -- what a service adds

    @abstractmethod
    def build(self, step: Step) -> Request:
        """Request that books the step."""

    @abstractmethod
    def reverse(self, step: Step) -> Request | None:
        """Request that cancels `step.reverses_document`."""

    @abstractmethod
    def booked(self, step: Step, entity: Mapping[str, Any]) -> Verdict:
        """What an entity, from an answer to a posting or to a look-up, says about the step.

        A missing field (KeyError) makes the answer one that cannot be read.
        """

    @abstractmethod
    def question(self, step: Step) -> tuple[str, Mapping[str, str], tuple[str, ...]]:
        """Where the step is looked for: entity set, filter by equal literals, fields to read."""

    # -- what most services share

    def quantum(self, measure: str, attributes: Mapping[str, Any]) -> Decimal:  # noqa: ARG002
        """A thousandth of the unit: SAP's quantities have three places."""
        return Decimal("0.001")

    def split(self, amounts: Mapping[str, Decimal]) -> Sequence[Mapping[str, Decimal]]:
        """One document takes it all."""
        return [amounts]

    # -- session and metadata

    def session(self) -> Request:
        """Fetch a CSRF token; its cookies stay in the client."""
        return odata_answer.csrf_request()

    def session_headers(self, answer: Answer) -> Mapping[str, str] | None:
        """The token."""
        return odata_answer.csrf_headers(answer)

    def describe(self) -> Request | None:
        """The service's metadata."""
        return Request("GET", "$metadata", {"Accept": "application/xml"}) if self._shared.read_metadata else None

    def described(self, answer: Answer) -> Description | None:
        """A connector that sends only what the service knows, and what that leaves out."""
        try:
            metadata = odata_metadata.parse(answer.body)
        except ValueError:
            return None
        narrowed = {name: entity.known_to(metadata) for name, entity in self._entities.items()}
        unknown = [field for name, entity in self._entities.items() for field in entity.missing_in(narrowed[name])]
        connector = copy(self)
        connector._entities = narrowed
        return Description(connector, tuple(unknown))

    # -- requests

    def entity(self, name: str) -> Entity:
        """Table of an entity set or function import, as far as the service knows it."""
        return self._entities[name]

    def change(self, step: Step, path: str, values: Mapping[str, Any] | None = None, method: str = "POST") -> Request:
        """A request that changes something; it says which posting it is, for a service that is idempotent."""
        body = None if values is None else json.dumps(values).encode()
        headers = dict(odata.JSON_HEADERS)
        if self._shared.repeatable:
            headers["RequestID"] = plain_reference(step.external_reference)
            created = datetime.fromtimestamp((step.sent_at or 0) / 1e6, UTC)
            headers["RepeatabilityCreation"] = format_datetime(created, usegmt=True)
        return Request(method, path, headers, body)

    def create(self, step: Step, name: str, values: Mapping[str, Any]) -> Request:
        """Create an entity."""
        return self.change(step, name, self.entity(name).body(values))

    def call(self, step: Step, function: str, values: Mapping[str, Any]) -> Request:
        """Call a function import."""
        return self.change(step, f"{function}?{self.entity(function).parameters(values)}")

    def lookup(self, step: Step) -> Request:
        """Ask for what the step has left in the ERP."""
        name, wanted, fields = self.question(step)
        condition = "%20and%20".join(f"{field}%20eq%20{literal}" for field, literal in wanted.items())
        path = f"{name}?$filter={condition}&$select={quote(','.join(fields), safe=',')}&$format=json"
        return Request("GET", path, {"Accept": "application/json"})

    # -- answers

    def classify(self, step: Step, answer: Answer) -> Verdict:
        """Booked only where the answer names the document and is about this step."""
        if answer.status >= 400:
            return odata_answer.refusal(answer, self._messages)
        return self._read(step, _unwrapped(odata.parse(answer)))

    def read_lookup(self, step: Step, answer: Answer) -> Verdict:
        """An empty result is the only proof of absence."""
        found = odata.results(odata.parse(answer))
        if found is None:
            return Verdict(Kind.UNKNOWN, reason="unreadable", detail="look-up without a result list")
        return self._read(step, found[0]) if found else Verdict(Kind.ABSENT)

    def _read(self, step: Step, entity: Any) -> Verdict:
        try:
            return self.booked(step, entity)
        except (KeyError, TypeError, AttributeError, IndexError):
            return Verdict(Kind.UNKNOWN, reason="unreadable", detail="answer names no document of the service")


def is_reversal(step: Step) -> bool:
    """Whether the step cancels another one."""
    return step.action is Action.REVERSE


def posting_date(step: Step) -> date | None:
    """Date to post on, where the document names one."""
    text = step.attributes.get("posting_date")
    return date.fromisoformat(text) if text else None


def about_another(found: str, wanted: str) -> Verdict:
    """An answer that carries another reference than the step's."""
    return Verdict(Kind.UNKNOWN, reason="unreadable", detail=f"answer is about {found}, not {wanted}")


def _unwrapped(content: Any) -> Any:
    """A function import answers with its entity under its own name, or without."""
    if isinstance(content, dict) and len(content) == 1:
        [inner] = content.values()
        return inner if isinstance(inner, dict) else content
    return content
