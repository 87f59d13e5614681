"""Real servers that tests and benchmarks start themselves."""

from tests.servers.jars import ServersUnavailable
from tests.servers.kafka import Kafka
from tests.servers.kafka_secure import SecureKafka
from tests.servers.postgres import Postgres
from tests.servers.registry import Registry
from tests.servers.tryton import Tryton

__all__ = ["Kafka", "Postgres", "Registry", "SecureKafka", "ServersUnavailable", "Tryton"]
