"""DuckDB reads the tables of Delta Lake and Iceberg by its own extensions: the same rows as in the day files.

Not a test of the quick set: the extensions are those of one version of DuckDB, which gets an environment of its own,
made once in the cache folder. They come as packages, so nothing is downloaded by DuckDB.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from sinks.history.compact import compact
from sinks.history.delta import DeltaTarget
from sinks.history.iceberg import IcebergTarget
from sinks.history.publish import publish
from tests.spark.environment import prepared
from tests.unit.history_case import BEFORE, TOPIC, add, fill, in_days

HERE = Path(__file__).parent
_PROGRAM = """
import importlib.util, json, sys
from pathlib import Path
import duckdb
folder = Path(list(importlib.util.find_spec("duckdb_ext").submodule_search_locations)[0]) / "extensions"
config = {"extension_directory": str(folder), "autoinstall_known_extensions": "false"}
tables = {"delta": f"delta_scan('{sys.argv[1]}')", "iceberg": f"iceberg_scan('{sys.argv[2]}')"}
sums = "SELECT plant, date::VARCHAR, sum(quantity_good)::VARCHAR FROM {} GROUP BY ALL ORDER BY 2"
found = {}
with duckdb.connect(config=config) as connection:
    connection.execute("LOAD avro")
    for name, source in tables.items():
        connection.execute(f"LOAD {name}")
        rows = connection.execute(f"SELECT event_id FROM {source} ORDER BY event_id").fetchall()
        found[name] = {"ids": [row[0] for row in rows], "sums": connection.execute(sums.format(source)).fetchall()}
print(json.dumps(found))
"""


def main() -> int:
    """Exit code 1 when an extension finds anything else than the day files hold."""
    environment = prepared(HERE / "requirements.txt", "duckdb-tables")
    with tempfile.TemporaryDirectory(prefix="millrace-tables-") as name:
        folder = Path(name)
        delta, iceberg = _tables(folder)
        asked = [str(environment / "bin" / "python"), "-c", _PROGRAM, delta, iceberg]
        done = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True)
        written = in_days(folder / "history")
    found = json.loads(done.stdout)
    for kind, answer in found.items():
        if answer["ids"] != written or answer["sums"] != found["delta"]["sums"]:
            sys.stderr.write(f"{kind}: found {answer}, written was {written}\n")
            return 1
    sys.stdout.write(f"{len(written)} rows by delta_scan and by iceberg_scan; by day: {found['delta']['sums']}\n")
    return 0


def _tables(folder: Path) -> tuple[str, str]:
    """Places of both tables after two passes, of which the second brought late rows."""
    root, warehouse = folder / "history", folder / "warehouse"
    warehouse.mkdir()
    settings = {"TYPE": "sql", "URI": f"sqlite:///{folder}/catalog.db", "WAREHOUSE": f"file://{warehouse}"}
    os.environ.update({f"PYICEBERG_CATALOG__PLANT__{name}": value for name, value in settings.items()})
    fill(root)
    targets = (DeltaTarget(folder / "tables", TOPIC), IcebergTarget("plant", "millrace", TOPIC))
    for below in (10**9, 2 * 10**9):
        compact(root, TOPIC, BEFORE, lambda _, below=below: below)  # type: ignore[misc]
        for target in targets:
            publish(root, TOPIC, target)
        add(root, [3, 4], 10**9, "LATE")
    return str(folder / "tables" / TOPIC), targets[1].table().metadata_location


if __name__ == "__main__":
    sys.exit(main())
