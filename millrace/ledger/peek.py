"""Which schema a ledger has, without making or upgrading anything."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from millrace.errors import Misconfigured, Retriable
from millrace.ledger import postgres_password
from millrace.ledger.schema import found_version, refuse_newer


def peek(url: str) -> int | None:
    """Schema version; None where there is no ledger yet.

    Raises:
        Misconfigured: The URL leads nowhere, or to a ledger of a newer Millrace.
        Retriable: The database does not answer.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        if not Path(parsed.database or "").absolute().parent.is_dir():
            raise Misconfigured(f"ledger {parsed.render_as_string()}: its folder does not exist")
        return None
    try:
        engine = create_engine(parsed)
    except (SQLAlchemyError, ImportError) as error:
        raise Misconfigured(f"ledger {parsed.render_as_string()}: {error}") from error
    if parsed.get_backend_name() == "postgresql":
        postgres_password.read_at_connect(engine)
    try:
        with engine.connect() as connection:
            found = found_version(connection)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise Retriable(f"ledger {parsed.render_as_string()}: {reason}") from error
    finally:
        engine.dispose()
    refuse_newer(engine, found or 0)
    return found


__all__ = ["peek"]
