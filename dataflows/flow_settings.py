"""Settings that every flow has: one typed base model, unknown keys refused, checked when the flow is built."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from millrace.errors import Misconfigured
from millrace.secret import Secret
from operators.dedupe import Numbering
from operators.screen import TimeLimits
from operators.windows import Window
from schemas.contracts import contract
from sinks.history.places import ObjectPath, located
from sources.kafka_settings import KafkaSettings

SECOND = 1_000_000
#: Names of flows stand in file names, consumer groups and labels.
FLOW_NAME = r"^[a-z][a-z0-9_.]{0,40}$"


def _place(value: Any) -> Any:
    """A URL as a place; what is wrong with it is told with file and line."""
    try:
        return located(value) if isinstance(value, str) else value
    except Misconfigured as error:
        raise ValueError(str(error)) from error


class Section(BaseModel):
    """Part of a flow's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class RegistrySettings(Section):
    """Schema registry; left out, schemas come from the folder `schemas/avro`.

    Args:
        url: Base URL of a Confluent-compatible registry.
        user: User of basic authentication.
        password: Its password, by environment only; else `password_file`.
        password_file: Mounted secret; read at start.
        ca: CA bundle.
    """

    url: str
    user: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    ca: Path | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        if self.user is None and (self.password is not None or self.password_file is not None):
            raise ValueError("a password without user")
        return self

    def auth(self) -> tuple[str, str] | None:
        """User and password; None where the registry asks for none.

        Raises:
            Misconfigured: The password's file can't be read, or is empty.
        """
        if self.user is None:
            return None
        if self.password_file is not None:
            return self.user, Secret(file=self.password_file).read().get_secret_value()
        return self.user, self.password.get_secret_value() if self.password else ""


class NumberingRule(Section):
    """Register width of the numbers of sources whose name matches a pattern."""

    source: str = "*"
    modulus: int = Field(gt=1)


class FlowSettings(Section):
    """What every flow can be told. A flow's own model names its contracts and adds what only it has.

    Args:
        flow: Name of the flow; part of the state, of file names and of the consumer group.
        kafka: Cluster; None for runs on files.
        registry: Schema registry.
        topics: Topic by contract where it differs from the contract's own.
        mappings: Mapping file by topic, for topics of foreign JSON that are read beside the contracts' own.
        lanes: Consumers that share the partitions; part of the state.
        window: `shift`, `day`, `operation` or a duration such as `10m`.
        lateness_s: Seconds the watermark stays behind the slowest partition.
        horizon_h: Correction horizon, hours: windows leave the state after it, later events are adjustments.
        future_s: Most that an event may be ahead of the log's time, seconds.
        age_days: Most that it may be behind, days.
        wait_s: Event time that a total waits for its reference data, seconds.
        most_waiting: Rows of totals per shard that may wait.
        idle_s: Wall-clock seconds without data after which a partition does not hold the watermark.
        ahead_s: Event time that a partition may be ahead of its lane's slowest, seconds.
        batch: Most records of one poll.
        shards: Buckets of keys; part of the state.
        ring: Window slots per shard; part of the state.
        numbering: Numbers that wrap.
        id_horizon_s: Event time within which events without number are told apart by id, seconds.
        calendar: File with ShiftCalendar records (YAML or JSON), or None for the topic.
        default_zone: Zone of plants without calendar; None sends their events to the dead letters.
        history: Folder of the raw zone, or a place on an object store; None keeps no history.
        history_spool: Folder on a disk that outlives the process, where files wait for the object store.
        history_spool_mb: Megabytes that may wait there, for all lanes of a process; then the flow reads no more.
        ledger: URL of the posting ledger; None writes to Kafka only.
        publish: Also send what the flow announces to Kafka.
        recovery: Folder of the recovery store.
        recovery_partitions: Its partitions.
        epoch_s: Seconds between polls of what is new; each ends with a snapshot. A backlog is read without a pause.
        metrics_port: Port of metrics and probes on all interfaces; None serves none. Process n serves port + n.
        stall_s: Seconds without a turn of the worker loop after which `/livez` says no; waiting for another system
            does not count.
        kafka_out_of_range: `stop`, or `earliest` to go on where the log still has data.
        owner: Who answers for the flow and its dead letters; None names the owner of the contract concerned.
        reject_window: Latest records of a lane that decide whether to stop because most are refused.
        reject_share: Share of refused ones among them above which the flow stops; 1 never stops.
    """

    #: Version of the steps that keep state: a store made for others holds keys that nobody would look for.
    steps: ClassVar[int] = 1
    #: Earlier versions whose state today's steps read.
    resumes: ClassVar[tuple[int, ...]] = ()
    #: Contracts of the events that lanes read, of reference data, and of what the flow sends.
    events: ClassVar[tuple[str, ...]] = ()
    references: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ("DeadLetter", "Alert")
    #: Settings that the state is laid out for.
    laid_out: ClassVar[tuple[str, ...]] = ("flow", "lanes", "window", "shards", "ring")

    flow: str = Field(pattern=FLOW_NAME)
    kafka: KafkaSettings | None = None
    registry: RegistrySettings | None = None
    topics: dict[str, str] = {}
    mappings: dict[str, Path] = {}
    lanes: int = Field(default=2, ge=1, le=99)
    window: str = "shift"
    lateness_s: float = Field(default=60, ge=0)
    horizon_h: float = Field(default=24, gt=0)
    future_s: float = Field(default=300, ge=0)
    age_days: float = Field(default=400, gt=0)
    wait_s: float = Field(default=3600, ge=0)
    most_waiting: int = Field(default=100_000, ge=1)
    idle_s: float = Field(default=60, gt=0)
    ahead_s: float = Field(default=300, gt=0)
    batch: int = Field(default=50_000, ge=1, le=100_000)
    shards: int = Field(default=4, ge=1, le=999)
    ring: int = Field(default=32, ge=1, le=999)
    numbering: tuple[NumberingRule, ...] = ()
    id_horizon_s: float = Field(default=3600, gt=0)
    calendar: Path | None = None
    default_zone: str | None = None
    history: Annotated[Path | ObjectPath | None, BeforeValidator(_place)] = None
    history_spool: Path | None = None
    history_spool_mb: int = Field(default=10_000, ge=1)
    ledger: str | None = None
    publish: bool = False
    recovery: Path | None = None
    recovery_partitions: int = Field(default=4, ge=1, le=64)
    epoch_s: float = Field(default=0.5, ge=0, le=60)
    kafka_out_of_range: Literal["stop", "earliest"] = "stop"
    metrics_port: int | None = Field(default=None, ge=1, le=65_000)
    stall_s: float = Field(default=180, gt=0)
    owner: str | None = None
    reject_window: int = Field(default=1000, ge=1)
    reject_share: float = Field(default=0.5, gt=0, le=1)

    @field_validator("window")
    @classmethod
    def _known_window(cls, text: str) -> str:
        try:
            Window.parse(text)
        except Misconfigured as error:
            raise ValueError(str(error)) from error
        return text

    @model_validator(mode="after")
    def _known_topics(self) -> Self:
        unknown = set(self.topics) - {*self.events, *self.references, *self.outputs, "ShiftCalendar"}
        if unknown:
            raise ValueError(f"topics: no such contract: {', '.join(sorted(unknown))}")
        return self

    @model_validator(mode="after")
    def _spool(self) -> Self:
        if isinstance(self.history, ObjectPath) and self.history_spool is None:
            raise ValueError("history_spool: a history on an object store needs it")
        return self

    def topic(self, name: str) -> str:
        """Topic of a contract."""
        return self.topics.get(name, contract(name).topic)

    def limits(self) -> TimeLimits:
        """Limits of event times."""
        return TimeLimits(
            ahead=int(self.future_s * SECOND),
            age=int(self.age_days * 86_400 * SECOND),
            horizon=int(self.horizon_h * 3600 * SECOND),
        )

    def numbering_of_all(self) -> dict[str, Numbering]:
        """Numbering by contract."""
        rules = tuple((rule.source, rule.modulus) for rule in self.numbering)
        one = Numbering(modulus=rules, id_horizon=int(self.id_horizon_s * SECOND))
        return dict.fromkeys(self.events, one)

    def layout(self) -> dict[str, object]:
        """What the state was laid out for; a state of another layout can't be used."""
        return {"steps": self.steps, **{name: getattr(self, name) for name in self.laid_out}}
