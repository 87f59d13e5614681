"""Writes docs/sizing.md from bench/results: `python -m tools.sizing_docs`; `--check` compares."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.generated import write_or_check
from tools.sizing_history import bytes_of_a_row
from tools.sizing_history import history as history_part

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "sizing.md"
RESULTS = ROOT / "bench" / "results"
#: Share of a core that is planned with, so that a backlog shrinks while new records come.
PLANNED = 0.5
_DAY_S = 86_400
HEAD = """\
# Sizing

Generated from `bench/results` by `python -m tools.sizing_docs`; a test compares. The figures are those of one
machine's core: `make bench`, `make bench-replenishment`, `make bench-posting` and `make bench-history` measure yours,
on a real broker.
"""
FLOW = """\
## A flow

| case | CPU per event | events per CPU second | memory at most |
|---|---|---|---|
{rows}

The confirmations flow with windows of 10 s over events of 99 bytes, with de-duplication and recoverable state. "Live"
is {live_rate:,} events a second as they come, an epoch every half second: the 99th percentile from the event to its
document is {p99:.2f} s. A backlog is read in larger batches, so it costs less per event. 1,000 times as many machines
cost {machines:.2f} times as much per event.

Plan with half of a core at the live cost: **{planned:,} events a second for each core**. More cores are further
workers or processes ([operations](operations.md#several-workers-and-processes)), at most as many as `lanes`, which
cannot be changed later.

| plant | events a second | of one core | history a day, compacted |
|---|---|---|---|
{plants}

At a few hundred events a second the epochs cost more than the events in them; `millrace_cpu_seconds_total` of a
running flow tells. Give a flow 1 GiB of memory for 10,000 machines and 2 GiB for 100,000. With `window: operation`
state grows with the orders seen.
"""
STOCK = """\
## Stock

| case | CPU per record | to only reading the topic | memory at most |
|---|---|---|---|
{rows}

The replenishment flow over a backlog of {records:,} records of consumption that no balance covers yet, with
de-duplication and recoverable state, without history and ledger: the cost of the last three quarters of them, of the
cheapest of four runs. Such figures vary by a tenth or two from run to run, so a difference between the lines that is
as small as that says nothing. What is kept (movements since `keep_h` before the newest balance of each place) is
written once, to files beside the recovery store ([ADR 0026](adr/0026-kept-movements-lie-in-files.md)). When a place is
counted or something comes late, all that its shard keeps is read, a file at a time; what is found is in memory at once.
In a run in which the ERP counts all places again after every 300,000 records, {first:,} MiB at most in the first
third, {second:,} in the second, {last:,} in the last.
In that run a record costs {counted:.1f} µs, nearly all of it the balances, of which one comes for
three records: about {balance:.0f} µs for each.
"""
POSTER = """\
## A poster

Postings a second by the ERP's answer time and by `concurrency`, the orders worked on at a time:

| answer time | {heads} |
|---|{rule}|
{rows}

What limits is nearly always the ERP: its answer time, and `rate`. A posting costs {cheap:.1f} to {dear:.1f} ms of CPU,
the more the fewer orders share a turn of the poster.
A poster holds {idle:.0f} MiB with nothing to do and {peak:.0f} MiB at most while it books a backlog of
{backlog:,} documents, {at_a_time} orders at a time. A ledger that is full costs little more than an empty one:

| ledger | settled documents | a posting, empty | full | ratio | CPU, ratio |
|---|---|---|---|---|---|
{ledgers}
"""
DISKS = """\
## Disks

| what | how much |
|---|---|
| recovery store | `millrace state inspect` and `millrace_recovery_store_bytes` tell; as much again for each copy kept |
| ledger | grows with each document that was booked, until `millrace ledger archive` takes it out |
| history | bytes a row from above, times rows, times the days that are kept; twice that for the day being compacted |
| spool before an object store | `history_spool_mb`: what the flow writes in the longest outage that you plan for |
"""


def page() -> str:
    """The whole page."""
    flow, posting, history, stock = (json.loads((RESULTS / f"{name}.json").read_text()) for name in _FILES)
    return "\n".join([HEAD, _flow(flow, history), _stock(stock), _poster(posting), history_part(history), DISKS])


_FILES = ("flow", "posting", "history", "replenishment")
_CASES = {
    "flow": "10,000 machines, a backlog",
    "flow_with_history": "the same with history",
    "machines_100": "100 machines, a backlog",
    "machines_100000": "100,000 machines, a backlog",
    "latency": "10,000 machines, live",
}
_PLANTS = {
    "a line of 20 machines, a cycle a second": 20,
    "500 machines, a cycle a second": 500,
    "40 such plants": 20_000,
}


def _flow(found: dict[str, Any], history: dict[str, Any]) -> str:
    cost = found["cpu_us_per_event"]
    rows = [
        f"| {told} | {cost[name]:.2f} µs | {1e6 / cost[name]:,.0f} | {found['runs'][name]['peak_rss_mib']:,.0f} MiB |"
        for name, told in _CASES.items()
    ]
    a_row = bytes_of_a_row(history, "compacted")
    plants = [
        f"| {told} | {rate:,} | {rate * cost['latency'] / 1e4:.2g} % | {rate * _DAY_S * a_row / 1e9:.2g} GB |"
        for told, rate in _PLANTS.items()
    ]
    return FLOW.format(
        rows="\n".join(rows),
        plants="\n".join(plants),
        live_rate=found["latency_at_per_s"],
        p99=found["p99_latency_s"],
        machines=found["ratio_100k_to_100_machines"],
        planned=int(round(PLANNED * 1e6 / cost["latency"], -4)),
    )


def _stock(found: dict[str, Any]) -> str:
    cost, runs, memory = found["cpu_us_per_record"], found["runs"], found["resident_mib_counted"]
    rows = [
        f"| {int(places):,} places, a backlog | {cost[f'flow_{places}']:.2f} µs | {ratio:.2f} times |"
        f" {runs[f'flow_{places}']['peak_rss_mib']:,.0f} MiB |"
        for places, ratio in found["ratio_to_drain"].items()
    ]
    most = max(found["ratio_to_drain"], key=int)
    return STOCK.format(
        records=runs[f"flow_{most}"]["records"],
        rows="\n".join(rows),
        first=memory["first_third"],
        second=memory["second_third"],
        last=memory["last_third"],
        counted=cost["counted"],
        balance=(cost["counted"] - cost[f"flow_{most}"]) * 3,
    )


def _poster(found: dict[str, Any]) -> str:
    answers = found["answers"]
    parallel = sorted({each["parallel"] for each in answers})
    rate = {(each["answer_ms"], each["parallel"]): each["per_s"] for each in answers}
    rows = [
        f"| {wait} ms | " + " | ".join(f"{rate[wait, lanes]:,.0f}" for lanes in parallel) + " |"
        for wait in sorted({each["answer_ms"] for each in answers})
    ]
    ledgers = [
        f"| {name} | {each['documents']:,} | {each['empty']['ms']:.2f} ms | {each['full']['ms']:.2f} ms"
        f" | {each['ratio']:.2f} | {each['cpu_ratio']:.2f} |"
        for name, each in found["full_ledger"].items()
    ]
    return POSTER.format(
        heads=" | ".join(f"{lanes} orders" if lanes > 1 else "1 order" for lanes in parallel),
        rule="|".join("---" for _ in parallel),
        rows="\n".join(rows),
        cheap=min(each["cpu_ms"] for each in answers),
        dear=max(each["cpu_ms"] for each in answers),
        ledgers="\n".join(ledgers),
        idle=found["memory"]["idle_rss_mib"],
        peak=found["memory"]["peak_rss_mib"],
        backlog=found["memory"]["documents"],
        at_a_time=found["memory"]["parallel"],
    )


def main(arguments: Sequence[str]) -> int:
    """Write the page, or with `--check` compare it; 1 where it is stale."""
    return write_or_check("tools.sizing_docs", {PAGE: page()}, arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
