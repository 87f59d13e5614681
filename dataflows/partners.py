"""Partners and what each may see: settings of `millrace contracts view` and `forward`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dataflows.settings import RegistrySettings
from millrace.errors import Misconfigured
from schemas.contracts import Contract, contract, contracts
from schemas.governance.views import View, view
from sources.kafka_settings import KafkaSettings


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PartnerContract(_Settings):
    """One contract that a partner gets.

    Args:
        contract: Its name.
        share: Tags that the partner is given; fields with other tags are left out. Personal fields always are.
        fields: Fields that the partner needs; left out, all that the tags allow, also those that later versions add.
    """

    contract: str
    share: tuple[Literal["internal", "commercial"], ...] = ()
    fields: tuple[str, ...] | None = None


class Partner(_Settings):
    """Who gets records outside the company.

    Args:
        name: Name; part of the consumer group that remembers how far was forwarded.
        contracts: What it gets; nothing else.
    """

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    contracts: tuple[PartnerContract, ...]

    def view(self, name: str) -> View:
        """The partner's view of a contract.

        Raises:
            Misconfigured: The partner does not get it, or what is set cannot be.
        """
        for each in self.contracts:
            if each.contract == name:
                return view(contract(name), each.share, each.fields)
        gets = _listed(each.contract for each in self.contracts)
        raise Misconfigured(f"partner {self.name} gets no {name}; it gets {gets}")


class PartnersSettings(_Settings):
    """Partners.

    Args:
        partners: All partners.
        kafka: Cluster of both topics; only for `forward`.
        registry: Schema registry of both topics; left out, schemas come from the folder `schemas/avro`.
        contract_topics: Topic by contract where it differs from the contract's own.
    """

    partners: tuple[Partner, ...]
    kafka: KafkaSettings | None = None
    registry: RegistrySettings | None = None
    contract_topics: Mapping[str, str] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [each.name for each in self.partners]
        if len(set(names)) < len(names):
            raise ValueError("partners: two have one name")
        for partner in self.partners:
            for each in partner.contracts:
                try:
                    partner.view(each.contract)
                except Misconfigured as error:
                    raise ValueError(f"partner {partner.name}: {error}") from error
        return self

    def partner(self, name: str) -> Partner:
        """Partner by name.

        Raises:
            Misconfigured: There is none.
        """
        for each in self.partners:
            if each.name == name:
                return each
        raise Misconfigured(f"no partner is named {name!r}; there are {_listed(p.name for p in self.partners)}")

    def contract_of(self, topic: str) -> Contract:
        """Contract whose records a topic carries.

        Raises:
            Misconfigured: None is known to.
        """
        for each in contracts().values():
            if self.contract_topics.get(each.name, each.topic) == topic:
                return each
        raise Misconfigured(f"--topic {topic}: no contract has this topic; name it under contract_topics")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
