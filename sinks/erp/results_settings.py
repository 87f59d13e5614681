"""Settings of the publication of outcomes and alerts."""

from __future__ import annotations

from pydantic import BaseModel, Field

from millrace.errors import Misconfigured
from millrace.secret import Secret


class ResultsSettings(BaseModel, extra="forbid", frozen=True):
    """Where outcomes of postings are published, as records of the contract PostingResult, and what a person must know.

    Args:
        bootstrap: Kafka brokers, host:port list.
        topic: Topic of the outcomes.
        alerts: Topic of the alerts, records of the contract Alert; null leaves them in the ledger.
        client: Further settings of the Kafka client, as librdkafka names them.
        secrets: Settings of the client whose values are secret, by place.
        registry: URL of a schema registry; left out, schemas come from the package.
    """

    bootstrap: str = Field(min_length=1)
    topic: str = "posting-result"
    alerts: str | None = "alert"
    client: dict[str, str] = Field(default_factory=dict)
    secrets: dict[str, Secret] = Field(default_factory=dict)
    registry: str | None = None

    def topic_of(self, contract: str) -> str:
        """Topic of the records of a contract.

        Raises:
            Misconfigured: None is named.
        """
        topic = self.alerts if contract == "Alert" else self.topic
        if topic is None:
            raise Misconfigured(f"results: no topic is named for {contract}")
        return topic

    def configuration(self) -> dict[str, str]:
        """Configuration for librdkafka.

        Raises:
            Misconfigured: A secret is not where it should be.
        """
        secrets = {name: secret.read().get_secret_value() for name, secret in self.secrets.items()}
        return {"bootstrap.servers": self.bootstrap, **self.client, **secrets}
