"""Grants of the contracts on a cluster: what is missing is added, what is there beyond them is told, never removed.

Delivery: idempotent; a grant that stands is not written again, and a run that was cut short is finished by the next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs forget to export them
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from millrace.errors import Misconfigured, Retriable
from schemas.governance.acls import Grant

_TIMEOUT_S = 20.0
_ANY_HOST = "*"
_NO_RIGHT = "our user may not manage ACLs: it needs Alter and Describe on the cluster"


@dataclass(frozen=True, slots=True)
class Difference:
    """Grants of the contracts against those of the cluster.

    Args:
        missing: To be added.
        present: Stand already.
        beyond: Rights to the contracts' topics that no contract speaks of, in words.
    """

    missing: tuple[Grant, ...]
    present: tuple[Grant, ...]
    beyond: tuple[str, ...]


class ClusterGrants:
    """A cluster's ACLs.

    Args:
        client: Configuration of the connection; its user needs Alter and Describe on the cluster.
    """

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._admin = AdminClient(dict(client))

    def compare(self, wanted: Sequence[Grant]) -> Difference:
        """What applying would do; only reads.

        Raises:
            Misconfigured: The cluster has no authorizer, or our user may not see its ACLs.
            Retriable: It does not answer.
        """
        anyone: Any = None  # the client's annotations know no "any"
        self._refuse_blind()
        everything = AclBindingFilter(
            *(ResourceType.ANY, anyone, ResourcePatternType.ANY, anyone, anyone),
            *(AclOperation.ANY, AclPermissionType.ANY),
        )
        found: list[AclBinding] = _result(self._admin.describe_acls(everything, request_timeout=_TIMEOUT_S))
        bindings = {_binding(grant): grant for grant in wanted}
        standing = {binding for binding in found if binding in bindings}
        topics = {grant.name for grant in wanted if grant.resource == "TOPIC"}
        return Difference(
            missing=tuple(grant for binding, grant in bindings.items() if binding not in standing),
            present=tuple(grant for binding, grant in bindings.items() if binding in standing),
            beyond=tuple(sorted(_words(each) for each in found if each not in bindings and _concerns(each, topics))),
        )

    def _refuse_blind(self) -> None:
        """To a user without the right a broker shows no ACLs, as if there were none."""
        cluster = _result(self._admin.describe_cluster(include_authorized_operations=True, request_timeout=_TIMEOUT_S))
        if AclOperation.DESCRIBE not in (cluster.authorized_operations or ()):  # None is how it says "nothing"
            raise Misconfigured(_NO_RIGHT)

    def add(self, grants: Sequence[Grant]) -> None:
        """Add them.

        Raises:
            Misconfigured: Our user may not.
            Retriable: The cluster does not answer; some may stand.
        """
        if grants:
            added = self._admin.create_acls([_binding(each) for each in grants], request_timeout=_TIMEOUT_S)
            for future in added.values():
                _result(future)


def _binding(grant: Grant) -> AclBinding:
    return AclBinding(
        ResourceType[grant.resource],
        grant.name,
        ResourcePatternType[grant.pattern],
        grant.principal,
        _ANY_HOST,
        AclOperation[grant.operation],
        AclPermissionType.ALLOW,
    )


def _concerns(binding: AclBinding, topics: set[str]) -> bool:
    """Whether an ACL speaks of one of the topics, by its name, its beginning or all names."""
    if binding.restype != ResourceType.TOPIC:
        return False
    if binding.resource_pattern_type == ResourcePatternType.PREFIXED:
        return any(topic.startswith(binding.name) for topic in topics)
    return binding.name == "*" or binding.name in topics


def _words(binding: AclBinding) -> str:
    verb = "may" if binding.permission_type == AclPermissionType.ALLOW else "must not"
    which = " beginning with" if binding.resource_pattern_type == ResourcePatternType.PREFIXED else ""
    where = "" if binding.host == _ANY_HOST else f" from {binding.host}"
    operation = AclOperation(binding.operation).name.lower()
    return f"{binding.principal} {verb} {operation} topic{which} {binding.name}{where}"


def _result(future: Future[Any]) -> Any:
    try:
        return future.result(_TIMEOUT_S + 5)
    except KafkaException as error:
        cause: KafkaError = error.args[0]
        if cause.code() == KafkaError.SECURITY_DISABLED:
            raise Misconfigured("the cluster has no authorizer: ACLs would be without effect") from error
        if cause.code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED:
            raise Misconfigured(_NO_RIGHT) from error
        raise Retriable(f"the cluster did not answer about ACLs: {cause.str()}") from error
