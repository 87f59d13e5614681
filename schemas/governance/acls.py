"""Who may do what on a Kafka cluster, derived from what the contracts declare: nothing else is granted.

A producer may write the topics of its contracts, a consumer may read those of its own and commit to groups of its own:
a flow to its name (with `_` for `-`, as its settings have it), others to `<kind>-<name>`, both also with `_` and more
behind. `history:` parties are no clients of the broker: the flow that reads writes the history.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from millrace.errors import Misconfigured
from schemas.contracts import Contract

#: How parties are called on a cluster; kinds are told apart, since a flow and a system may share a name.
PRINCIPAL = "User:{kind}-{name}"
_NO_CLIENTS = {"history"}
#: Groups that our clients only name when they look at a topic: nothing is ever committed to them.
_LOOKING = "millrace-"
Operation = Literal["READ", "WRITE", "DESCRIBE"]
Resource = Literal["TOPIC", "GROUP"]
Pattern = Literal["LITERAL", "PREFIXED"]


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One right; names and values as Kafka has them. Who may read or write may describe.

    Args:
        principal: Whose, such as `User:mes`.
        resource: TOPIC or GROUP.
        name: Its name, or the beginning of names.
        operation: READ, WRITE or DESCRIBE.
        pattern: LITERAL, or PREFIXED for the beginning of names.
    """

    principal: str
    resource: Resource
    name: str
    operation: Operation
    pattern: Pattern = "LITERAL"

    def sentence(self) -> str:
        """The right in words."""
        which = "" if self.pattern == "LITERAL" else " beginning with"
        return f"{self.principal} may {self.operation.lower()} {self.resource.lower()}{which} {self.name}"

    def command(self, bootstrap: str, command_config: str | None = None) -> str:
        """Line that grants it with Kafka's own tool; quoted for a shell."""
        words = ["kafka-acls.sh", "--bootstrap-server", bootstrap]
        words += ["--command-config", command_config] if command_config else []
        words += ["--add", "--allow-principal", self.principal, "--operation", self.operation.capitalize()]
        words += [f"--{self.resource.lower()}", self.name, "--resource-pattern-type", self.pattern.lower()]
        return shlex.join(words)


def grants(contracts: Iterable[Contract], principal: str = PRINCIPAL, topic_prefix: str = "") -> list[Grant]:
    """All rights that the contracts' producers and consumers need, sorted, each once.

    Args:
        contracts: The contracts.
        principal: Template of principals, with `{name}` and `{kind}` of the party.
        topic_prefix: What stands before the topics' names on this cluster.

    Raises:
        Misconfigured: Two parties would be one principal, and have each other's rights.
    """
    chosen = list(contracts)
    called = _principals(chosen, principal)
    found: set[Grant] = set()
    for contract in chosen:
        topic = topic_prefix + contract.topic
        for party in contract.schema["producers"]:
            found.add(Grant(called[party], "TOPIC", topic, "WRITE"))
        for party in contract.schema["consumers"]:
            found.update(_reading(called[party], topic, party))
    return sorted(each for each in found if each.principal)


def _reading(principal: str, topic: str, party: str) -> Iterator[Grant]:
    kind, _, name = party.partition(":")
    group = name.replace("-", "_") if kind == "flow" else f"{kind}-{name}"
    yield Grant(principal, "TOPIC", topic, "READ")
    yield Grant(principal, "GROUP", group, "READ")
    yield Grant(principal, "GROUP", f"{group}_", "READ", "PREFIXED")
    yield Grant(principal, "GROUP", _LOOKING, "DESCRIBE", "PREFIXED")


def _principals(contracts: Sequence[Contract], template: str) -> dict[str, str]:
    """Principal by party; empty for those that are no clients."""
    called: dict[str, str] = {}
    for contract in contracts:
        for party in (*contract.schema["producers"], *contract.schema["consumers"]):
            kind, _, name = party.partition(":")
            mine = "" if kind in _NO_CLIENTS else template.replace("{name}", name).replace("{kind}", kind)
            other = next((each for each, theirs in called.items() if mine and theirs == mine and each != party), None)
            if other is not None:
                raise Misconfigured(f"--principal {template}: {other} and {party} would both be {mine}; use {{kind}}")
            called[party] = mine
    return called
