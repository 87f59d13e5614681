"""Spark reads files of three contract versions as one table, as docs/analysts.md tells it to.

Not a test of the quick set: Spark is half a gigabyte. Its environment is made once, in the cache folder.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers.jars import java
from tests.spark.environment import prepared
from tests.versions_case import COLUMNS, recipe, topic_folder, write_versions

_PROGRAM = """
import json, sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
folder, columns = sys.argv[1], sys.argv[2].split(",")
{recipe}
found = [row.asDict() for row in rows.select(*columns).collect()]
types = dict(rows.dtypes)
open(sys.argv[3], "w").write(json.dumps({{"rows": found, "types": types, "count": rows.count()}}))
"""


def main() -> int:
    """Exit code 1 when Spark finds anything else than what was written."""
    environment = prepared()
    with tempfile.TemporaryDirectory(prefix="millrace-spark-") as name:
        folder = Path(name)
        expected = write_versions(folder)
        program, answer = folder / "read.py", folder / "answer.json"
        program.write_text(_PROGRAM.format(recipe=recipe("Spark")))
        command = [str(environment / "bin" / "python"), str(program), str(topic_folder(folder)), ",".join(COLUMNS)]
        home = str(Path(java()).resolve().parents[1])
        subprocess.run([*command, str(answer)], check=True, env={**os.environ, "JAVA_HOME": home})
        found = json.loads(answer.read_text())
    rows = sorted(found["rows"], key=lambda each: str(each["event_id"]))
    if rows != expected or found["count"] != len(expected):
        sys.stderr.write(f"Spark found {rows}, written was {expected}\n")
        return 1
    sys.stdout.write(f"{found['count']} rows of three versions; types: {found['types']}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
