"""`python -m tests.fuzz --records N`: hostile records on both paths of the codec; a table of what was tried.

Exit code 0: no crash, no hang, memory below the cap, both paths agree. 1: not so; the record is shown as hex.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from pathlib import Path

from tests.fuzz.run import Disagreement, fuzz, show


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--memory-mib", type=int, default=3072, help="cap of the address space; beyond it the run fails"
    )
    parser.add_argument("--hang-s", type=float, default=60.0, help="seconds for one batch; beyond them the run fails")
    parser.add_argument("--json", type=Path, help="file for the result")
    options = parser.parse_args()
    cap = options.memory_mib << 20
    resource.setrlimit(resource.RLIMIT_AS, (cap, cap))
    try:
        result = fuzz(options.records, options.seed, show, hang_s=options.hang_s)
    except (Disagreement, MemoryError) as error:
        sys.stdout.write(f"\n{type(error).__name__}: {error}\n")
        return 1
    sys.stdout.write(f"\n\n{result.table()}\n\nBy contract: {dict(result.contracts.most_common())}\n")
    rate = result.records / result.seconds
    sys.stdout.write(f"{result.records:,} records in {result.seconds:,.0f} s ({rate:,.0f}/s), ")
    sys.stdout.write(f"{result.resident >> 20} MiB at most, seed {options.seed}\n")
    if options.json:
        plain = {
            "records": result.records,
            "seed": options.seed,
            "seconds": round(result.seconds, 1),
            "resident": result.resident,
            "verdicts": {kind: dict(found) for kind, found in result.verdicts.items()},
            "contracts": dict(result.contracts),
        }
        options.json.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
