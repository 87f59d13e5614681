"""Settings of the poster: ledger, ERP systems, and which documents go where."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self
from zoneinfo import available_timezones

from pydantic import BaseModel, Field, field_validator, model_validator

from millrace.errors import Misconfigured
from millrace.ledger.dependencies import Dependencies, DependencyRule
from schemas.contracts import contracts
from sinks.erp.auth_settings import Auth, ClientCertificate, protected_url
from sinks.erp.results_settings import ResultsSettings
from sinks.erp.routes import PlantSettings, RouteSettings, check_routes, routed
from sinks.erp.tier_settings import Tiers


class SystemSettings(BaseModel, extra="forbid", frozen=True):
    """One ERP system.

    Args:
        name: Name in ledger, logs and metrics.
        connector: Name of a registered connector.
        base_url: Root of the service, for instance
            `https://erp/sap/opu/odata/sap/API_PROD_ORDER_CONFIRMATION_2_SRV`.
        options: The connector's own options.
        auth: How to authenticate: `basic`, `token` or `oauth2`.
        client_certificate: Certificate to introduce oneself with (mutual TLS), alone or besides `auth`.
        ca_file: Certificates to trust instead of the system's; read again when it changes. What the ERP shows
            is always verified.
        concurrency: Orders worked on at a time.
        rate: Requests per second at most, of all `replicas` together.
        burst: Requests that may come at once under `rate`.
        connect_timeout: Seconds to connect.
        answer_timeout: Seconds for one exchange as a whole.
        max_answer_bytes: Longer answers are cut and count as incomplete.
        settle_seconds: How long after sending the ERP may still be busy with a request whose answer was lost.
            A look-up that finds nothing is believed only then; it has to be longer than the ERP's own limit
            for one request.
        backoff_base: Seconds before the first retry.
        backoff_cap: Upper bound between retries.
        retry_after_cap: Longest wait that a Retry-After header is granted.
        accepted_poll: Seconds between look-ups of what the ERP has queued.
        breaker_threshold: Unanswered requests in a row that open the circuit breaker.
        breaker_cool_off: Seconds before its first probe, doubling up to `backoff_cap`.
        reject_window: Latest documents that decide whether to stop.
        reject_share: Share of rejected ones among them above which to stop.
        tiers: How the tiers share slots and rate, and how soon their documents should be booked.
        overdue_after: Seconds after which an open posting is reported; nothing is ever given up for its age.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    connector: str
    base_url: str = Field(pattern=r"^https?://[^\s?#]+$")
    options: dict[str, Any] = Field(default_factory=dict)
    auth: Auth | None = None
    client_certificate: ClientCertificate | None = None
    ca_file: Path | None = None
    concurrency: int = Field(16, ge=1, le=256)
    rate: float | None = Field(None, gt=0)
    burst: int = Field(16, ge=1)
    connect_timeout: float = Field(5.0, gt=0)
    answer_timeout: float = Field(60.0, gt=0)
    max_answer_bytes: int = Field(1 << 20, ge=1024)
    settle_seconds: float = Field(60.0, ge=0)
    backoff_base: float = Field(0.5, gt=0)
    backoff_cap: float = Field(60.0, gt=0)
    retry_after_cap: float = Field(300.0, gt=0)
    accepted_poll: float = Field(5.0, gt=0)
    breaker_threshold: int = Field(5, ge=1)
    breaker_cool_off: float = Field(1.0, gt=0)
    reject_window: int = Field(20, ge=2)
    reject_share: float = Field(0.5, gt=0, le=1)
    tiers: Tiers = Tiers()
    overdue_after: float = Field(900.0, gt=0)

    @field_validator("base_url")
    @classmethod
    def _without_credentials(cls, value: str) -> str:
        if "@" in value:
            raise ValueError("credentials do not belong into the address: use auth")
        return value

    @model_validator(mode="after")
    def _credentials_travel_encrypted(self) -> Self:
        if self.auth is not None:
            protected_url(self.base_url)
        if self.client_certificate is not None and not self.base_url.startswith("https://"):
            raise ValueError("client_certificate needs an https base_url")
        return self


class PosterSettings(BaseModel, extra="forbid", frozen=True):
    """Settings of `millrace post`, from a file; variables `MILLRACE_POST_...` go before it.

    Args:
        ledger: SQLAlchemy URL of the posting ledger.
        systems: ERP systems.
        routes: Where documents go; without any, all go to the only system.
        dependencies: Which documents wait for which others of their order.
        zones: Plant to zone of its dates, for postings that a closed period moves to the current one; plants
            not named use UTC.
        plants: What routes need to know about plants.
        results: Where outcomes are published; left out, they are not.
        poll_seconds: How often an idle poster looks for new work.
        name: Name of this poster in audit and dead letters; replicas may share it.
        owner: Who answers for the postings and their dead letters; None names the owner of the document's contract.
        replicas: Posters that serve the same ledger; each takes its part of a system's `rate` and retry budgets.
        lease_seconds: How long a claim on an order lasts without a heartbeat, and so how long its orders wait after
            a replica was lost with its machine. Without a value twice the longest `answer_timeout` and 30 s more.
        metrics_port: Port of metrics and probes on all interfaces; None serves none.
        stall_s: Seconds without a turn of a system's poster after which `/livez` says no, but never less than a lease;
            waiting for an ERP or the ledger does not count.
    """

    ledger: str
    systems: tuple[SystemSettings, ...] = Field(min_length=1)
    routes: tuple[RouteSettings, ...] = ()
    dependencies: tuple[DependencyRule, ...] = ()
    zones: dict[str, str] = Field(default_factory=dict)
    plants: dict[str, PlantSettings] = Field(default_factory=dict)
    results: ResultsSettings | None = None
    poll_seconds: float = Field(0.05, gt=0)
    name: str = "poster"
    owner: str | None = None
    replicas: int = Field(1, ge=1)
    lease_seconds: float | None = Field(None, gt=0)
    metrics_port: int | None = Field(None, ge=1, le=65_000)
    stall_s: float = Field(180.0, gt=0)

    @field_validator("dependencies")
    @classmethod
    def _nothing_waits_in_a_circle(cls, rules: tuple[DependencyRule, ...]) -> tuple[DependencyRule, ...]:
        try:
            Dependencies(rules)
        except Misconfigured as error:
            raise ValueError(str(error)) from error
        kinds = {match.kind for rule in rules for match in (rule.document, rule.waits_for)}
        if unknown := sorted(kinds - set(contracts())):
            raise ValueError(f"dependencies name unknown contracts: {', '.join(unknown)}")
        return rules

    @field_validator("zones")
    @classmethod
    def _zones_exist(cls, zones: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(set(zones.values()) - available_timezones()):
            raise ValueError(f"unknown zones: {', '.join(unknown)}")
        return zones

    @model_validator(mode="after")
    def _routes_lead_somewhere(self) -> Self:
        check_routes(self.routes, [system.name for system in self.systems], self.plants)
        return self

    @model_validator(mode="after")
    def _leases_outlast_requests(self) -> Self:
        longest = max(system.answer_timeout for system in self.systems)
        if self.lease < 1.5 * longest:
            raise ValueError(
                f"lease_seconds has to be at least one and a half times answer_timeout, {1.5 * longest:g} s"
            )
        return self

    @property
    def lease(self) -> float:
        """Seconds that a claim lasts."""
        return self.lease_seconds or 30 + 2 * max(system.answer_timeout for system in self.systems)

    def route(self, plant: str, kind: str) -> str | None:
        """System for a document; None where no route matches."""
        if not self.routes:
            return self.systems[0].name
        return routed(self.routes, self.plants, plant, kind)


__all__ = ["PlantSettings", "PosterSettings", "RouteSettings", "SystemSettings", "Tiers"]
