"""`make bench-history`: what writing, compacting, reading and replaying the history costs, side by side in one run.

The layouts (uncompacted files, compacted days, a Delta table) hold the same rows. Questions are measured on DuckDB with
the data in the page cache, and every layout has to give the same answer. One command makes the rows, measures, writes
`bench/results/history.json` and the picture of it, and removes the rows. A run that was interrupted goes on when it is
called again; `--again STAGE` measures one stage and those behind it anew.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.history_rows import MACHINES
from bench.history_shown import draw, show
from bench.history_stages import QUESTIONS, STAGES
from bench.history_work import Work, circumstances, console
from bench.process import ROOT, Result

RESULTS = Path(__file__).parent / "results" / "history.json"
PICTURE = ROOT / "docs" / "images" / "bench-history.png"
LAYOUTS = ("uncompacted", "compacted", "delta")


def measure(work: Work, skipped: list[str]) -> None:
    """Run the stages that have not ended yet, each as a process of its own.

    Raises:
        SystemExit: One failed; call again to go on with it.
    """
    for number, stage in enumerate(STAGES, 1):
        if stage in skipped or work.result(stage) is not None:
            continue
        console.print(f"{number} of {len(STAGES)}: {stage}")
        command = [sys.executable, "-m", "bench.history_stages", stage, str(work.folder)]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            raise SystemExit(f"{stage} failed; the same command goes on with it in {work.folder}")
        took = (work.result(stage) or {})["circumstances"]["took_s"]
        console.print(f"  {stage}: {took:,.0f} s")


def collected(work: Work) -> Result:
    """All figures.

    Raises:
        SystemExit: The layouts give different answers.
    """
    found: dict[str, Any] = {stage: work.result(stage) for stage in STAGES}
    layouts = {name: found[f"ask_{name}"] for name in LAYOUTS}
    for question in QUESTIONS:
        if len({each["answers"][question] for each in layouts.values()}) != 1:
            raise SystemExit(f"{question}: the layouts give different answers")
    for name, stage in (("uncompacted", "write"), ("delta", "delta")):
        layouts[name]["written"] = found[stage]
    return {
        "at": circumstances()["at"],
        "rows": work.a_day * work.days,
        "days": work.days,
        "files_a_day": work.files,
        "machines": MACHINES,
        "repeat": work.repeat,
        "drain": found["drain"],
        "compaction": found["compact"],
        "large_day": found["large_compact"],
        "large_day_delta": found["large_publish"],
        "large_day_erased": found["reports_erase"],
        "read_back": found["read_back"],
        "replay": found["replay"],
        "layouts": {name: {k: v for k, v in each.items() if k != "answers"} for name, each in layouts.items()},
    }


def main() -> None:
    """Measure, print, keep as JSON and as a picture."""
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--files", type=int, default=400, help="raw files a day")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--broker-records", type=int, default=4_000_000, help="records of the topic on a broker")
    parser.add_argument("--folder", type=Path, help="where the rows are made; some 80 bytes a row")
    parser.add_argument("--again", choices=STAGES, help="measure this stage and those behind it anew")
    parser.add_argument("--without", action="append", choices=("drain",), default=[], help="leave the broker out")
    parser.add_argument("--keep", action="store_true", help="leave the rows where they are")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.gettempdir()) / f"millrace-bench-history-{args.rows}"
    work = Work(folder, args.rows, args.days, args.files, args.repeat, args.broker_records)
    work.begin()
    if args.again:
        _again(work, args.again)
    measure(work, args.without)
    result = collected(work)
    args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show(result)
    draw(result, args.picture)
    if not args.keep:
        shutil.rmtree(folder)


def _again(work: Work, stage: str) -> None:
    """Forget a stage and those behind it; raw files are gone once they are compacted, so they are written anew."""
    names = list(STAGES)
    first = {
        "ask_uncompacted": "write",
        "compact": "write",
        "large_compact": "large_write",
        "reports_erase": "reports_compact",
    }.get(stage, stage)
    work.forget(names[names.index(first) :])


if __name__ == "__main__":
    main()
