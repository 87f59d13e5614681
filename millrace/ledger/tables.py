"""Tables of the posting ledger. Times are microseconds UTC, quantities JSON objects of decimal strings."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TextClause,
    false,
    text,
)

from millrace.ledger.model import OPEN_STATUSES, DocumentState

#: Rises with each script under `migrations/`; a database that says more was written by a newer Millrace.
SCHEMA_VERSION = 7

metadata = MetaData()

#: Text that is compared and sorted: byte by byte on every database, whatever its language settings.
Name = String().with_variant(String(collation="C"), "postgresql")

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

documents = Table(
    "documents",
    metadata,
    Column("key", Name, primary_key=True),
    Column("kind", Name, nullable=False),
    Column("system", Name),  # set when first routed, and kept: what is booked is booked there
    Column("plant", Name, nullable=False),
    Column("order_id", Name, nullable=False),
    Column("operation", Name, nullable=False),
    Column("sort_key", Name, nullable=False),
    Column("tier", Integer, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("reference_version", BigInteger, nullable=False),
    Column("quantities", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("payload_hash", String, nullable=False),
    Column("state", String, nullable=False),
    Column("reason", Text),  # why it was last rejected or parked
    Column("requires", Text, nullable=False, server_default="[]"),  # what it declares to depend on
    Column("waits_for", String),  # what its next posting waits for
    Column("waits_since", BigInteger),
    Column("cancelled", Boolean, nullable=False, server_default=false()),  # withdrawn: nothing is desired any more
    Column("open_since", BigInteger, nullable=False, server_default="0"),  # since when it has something to book
    Column("steps", Integer, nullable=False),  # number of the last step given out
    Column("booked", Text, nullable=False),
    Column("booked_final", Boolean, nullable=False),
    Column("correlation_id", String),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# Partial indexes: their size follows what is open, however much is settled. SQLite uses one only for a query
# that repeats its condition word by word, so the conditions are literal text that both share.
NEW_DOCUMENT = text(f"documents.state = '{DocumentState.NEW}'")
UNSETTLED_DOCUMENT = text(f"documents.state <> '{DocumentState.SETTLED}'")
LANE_IN_USE = text("lanes.due_at IS NOT NULL")
OPEN_POSTING = text("postings.status IN ({})".format(", ".join(f"'{status}'" for status in OPEN_STATUSES)))


def _where(condition: TextClause) -> dict[str, Any]:
    bare = text(re.sub(r"\b[a-z_]+\.", "", condition.text))  # an index's condition names columns without their table
    return {"sqlite_where": bare, "postgresql_where": bare}


Index("documents_new", documents.c.tier, documents.c.plant, documents.c.kind, **_where(NEW_DOCUMENT))
Index(
    "documents_unsettled",
    documents.c.order_id,
    documents.c.plant,
    documents.c.state,
    documents.c.sort_key,
    documents.c.key,
    **_where(UNSETTLED_DOCUMENT),
)
Index("documents_order", documents.c.order_id)

#: The orders of each system: who is worked on, and when the next look is worth while. The row is the order's
#: mutex.
lanes = Table(
    "lanes",
    metadata,
    Column("system", Name, primary_key=True),
    Column("plant", Name, primary_key=True),
    Column("order_id", Name, primary_key=True),
    Column("tier", Integer, nullable=False),
    Column("due_at", BigInteger),  # NULL: nothing to do
    Column("lease_owner", String),  # replica that works on it; NULL: free
    Column("lease_until", BigInteger),  # the claim may be taken over from then on
    Column("fence", BigInteger, nullable=False, server_default="0"),  # rises with each claim
)
Index("lanes_due", lanes.c.system, lanes.c.tier, lanes.c.due_at, **_where(LANE_IN_USE))

postings = Table(
    "postings",
    metadata,
    Column("external_reference", Name, primary_key=True),
    Column("document_key", Name, nullable=False),
    Column("step", Integer, nullable=False),
    Column("action", String, nullable=False),
    Column("reverses", Name),
    Column("reverses_document", String),
    Column("system", Name, nullable=False),
    Column("kind", Name, nullable=False),
    Column("plant", Name, nullable=False),
    Column("order_id", Name, nullable=False),
    Column("operation", Name, nullable=False),
    Column("quantities", Text, nullable=False),
    Column("attributes", Text, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("reference_version", BigInteger, nullable=False),
    Column("status", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("next_attempt_at", BigInteger),
    Column("fence", BigInteger, nullable=False, server_default="0"),  # the lane's, when it was last claimed
    Column("sent_at", BigInteger),
    Column("erp_document", String),
    Column("reason", String),
    Column("detail", Text),
    Column("correlation_id", String),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)
Index("postings_document", postings.c.document_key, postings.c.step, unique=True)
Index("postings_order", postings.c.order_id)
Index("postings_open", postings.c.system, postings.c.order_id, **_where(OPEN_POSTING))

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("event_id", Name, primary_key=True),
    Column("event_time", BigInteger, nullable=False),
    Column("plant", Name, nullable=False),
    Column("source", String, nullable=False),
    Column("sequence", BigInteger),
    Column("correlation_id", String),
    Column("kind", Name, nullable=False),
    Column("reason", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("topic", String, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("document_key", Name),
    Column("revision", BigInteger, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("error_class", String, nullable=False, server_default="application"),
    Column("owner", String, nullable=False, server_default=""),  # who answers for the flow
    Column("state", String, nullable=False, server_default="open"),
    Column("state_at", BigInteger, nullable=False, server_default="0"),
    Column("replays", Integer, nullable=False, server_default="0"),
    Column("found_in", Text),  # JSON list of documents that may hold the pieces of a total without a job
)
Index("dead_letters_document", dead_letters.c.document_key)
OPEN_LETTER = text("dead_letters.state = 'open'")
Index("dead_letters_open", dead_letters.c.event_time, **_where(OPEN_LETTER))
#: Totals that may still become documents.
WAITING_TOTAL = text("dead_letters.kind = 'TOTAL' AND dead_letters.state IN ('open', 'replayed')")
Index("dead_letters_waiting", dead_letters.c.document_key, **_where(WAITING_TOTAL))

#: Every change of a posting, and what people did to documents and dead letters: who, from what to what, and why.
audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("external_reference", Name),
    Column("document_key", Name),  # of the posting, or what the change itself is about
    Column("letter_id", Name),
    Column("at", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("from_status", String),
    Column("to_status", String, nullable=False),
    Column("why", Text),
)
# Nothing finds a posting's changes by its reference, which is random: see docs/adr/0018-indexes-by-order.md.
Index("audit_document", audit.c.document_key, **_where(text("audit.document_key IS NOT NULL")))
Index("audit_letter", audit.c.letter_id, **_where(text("audit.letter_id IS NOT NULL")))

#: Bulk work on dead letters by people, see `millrace.ledger.campaigns`.
campaigns = Table(
    "campaigns",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("action", String, nullable=False),
    Column("selection", Text, nullable=False),  # JSON of the filter
    Column("who", String, nullable=False),
    Column("why", Text, nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    Column("cursor", String, nullable=False),  # identity of the last letter that is done
    Column("intent", Text),  # JSON of what is being done to the next one
    Column("done", BigInteger, nullable=False),
    Column("skipped", BigInteger, nullable=False),
    Column("runner", String, nullable=False),  # process that works on it
    Column("beat_at", BigInteger, nullable=False),  # when it last showed a sign of life
    Column("ended_at", BigInteger),
)
OPEN_CAMPAIGN = text("campaigns.ended_at IS NULL")
Index("campaigns_open", campaigns.c.action, **_where(OPEN_CAMPAIGN))

#: What a later revision of an archived document needs, packed: see `tombstones`.
tombstones = Table(
    "tombstones",
    metadata,
    Column("unit", Name, primary_key=True),
    Column("batch", String, nullable=False),
    Column("packed", LargeBinary, nullable=False),
)

#: Batches that were moved to Parquet files.
archives = Table(
    "archives",
    metadata,
    Column("batch", Name, primary_key=True),
    Column("folder", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("who", String, nullable=False),
    Column("documents", Integer, nullable=False),
    Column("postings", Integer, nullable=False),
    Column("audit", Integer, nullable=False),
)

#: What a person must know of posting, see `millrace.ledger.alerts`.
alerts = Table(
    "alerts",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event_id", Name, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("plant", Name, nullable=False),
    Column("source", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("error_class", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("correlation_id", String),
)
Index("alerts_event", alerts.c.event_id, unique=True)
Index("alerts_at", alerts.c.at)

#: How far a stream was published: number of the last row of its outbox that is out for good.
published = Table(
    "published",
    metadata,
    Column("stream", Name, primary_key=True),
    Column("position", BigInteger, nullable=False),
)

#: How places of stock and open requests stand, see `stock_standings`.
stock_standings = Table(
    "stock_standings",
    metadata,
    Column("plant", Name, primary_key=True),
    Column("name", Name, primary_key=True),  # what stands: `stock|...`, `request|...`, `item|...`
    Column("material", Name, nullable=False),
    Column("storage_location", Name, nullable=False),
    Column("instant", BigInteger, nullable=False),  # event time that it stands for
    Column("content", Text, nullable=False),
)
Index("stock_standings_material", stock_standings.c.material, stock_standings.c.plant)
