"""PostgreSQL's password from a mounted file, read again at every connection: a rotated one needs no restart.

libpq's own `PGPASSFILE` does the same on a host, but refuses files that a group may read, as mounted secrets are.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from millrace.secret import RotatingSecret, Secret

#: Names the file; only counts where the URL holds no password.
VARIABLE = "PGPASSWORD_FILE"


def read_at_connect(engine: Engine) -> None:
    """Give every new connection what the file holds then.

    Raises:
        Misconfigured: The file that the environment names is not there, or is empty.
    """
    file = os.environ.get(VARIABLE)
    if not file or engine.url.password is not None:
        return
    secret = RotatingSecret(Secret(file=Path(file)))

    @event.listens_for(engine, "do_connect")
    def _with_password(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        parameters["password"] = secret.value()
