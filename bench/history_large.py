"""Stages of `bench.history` over one day with many times as many rows: what they do must not take memory by rows."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from bench.history_rows import START, TOPIC, write_day
from bench.history_work import Work, timed
from bench.process import Result, peak_rss_mib
from schemas.contracts import contract
from schemas.types import polars_schema
from sinks.history.compact import compact, only_one

#: Times the rows of the other days, and raw files of that day.
_LARGE, _LARGE_FILES = 13, 2400
_ALL = 10**12
#: Who reports, in turns.
_PEOPLE = 200


def large_written(work: Work) -> Result:
    """One day with many times as many rows, written."""
    _, took = timed(lambda: write_day(work.large, 0, _LARGE * work.a_day, _LARGE_FILES))
    return dict(took)


def large_compacted(work: Work) -> Result:
    """That day compacted."""
    return _compacted(work, TOPIC)


def large_published(work: Work) -> Result:
    """That day as a Delta table, in one commit."""
    from sinks.history.delta import DeltaTarget  # noqa: PLC0415 - an extra
    from sinks.history.publish import publish  # noqa: PLC0415 - an extra

    done, took = timed(lambda: publish(work.large, TOPIC, DeltaTarget(work.large / "delta", TOPIC)))
    return {**took, "rows": done.rows, "rows_per_cpu_s": done.rows / took["cpu_s"], "peak_rss_mib": peak_rss_mib()}


def reports_compacted(work: Work) -> Result:
    """As many reports of persons, written and compacted."""
    write_day(work.large, 0, _LARGE * work.a_day, _LARGE_FILES, "OperationReport", _reported)
    return _compacted(work, contract("OperationReport").topic)


def reports_erased(work: Work) -> Result:
    """One person taken out of them: the whole file is written again."""
    from sinks.history.erase import Erasure  # noqa: PLC0415 - what it needs counts as memory of this stage only
    from sinks.history.erasure_report import Report  # noqa: PLC0415 - as above

    report = Report.begin(work.large, {})
    with only_one(work.large):
        erasure = Erasure(work.large, f"A{_PEOPLE // 2}", lambda _: _ALL, report)
        done, took = timed(lambda: erasure.topic(contract("OperationReport").topic))
    report.end()
    rows = report.touched[0].rows
    more = {"rows": rows, "changed": done.rows, "rows_per_cpu_s": rows / took["cpu_s"]}
    return {**took, **more, "peak_rss_mib": peak_rss_mib()}


def _compacted(work: Work, topic: str) -> Result:
    until = START.date() + timedelta(days=1)
    with only_one(work.large):
        done, took = timed(lambda: compact(work.large, topic, until, lambda _: _ALL))
    rate = {"rows_per_cpu_s": done.rows / took["cpu_s"], "mb_per_cpu_s": done.bytes_before / 1e6 / took["cpu_s"]}
    return {**took, **rate, "rows": done.rows, "files": done.files_before, "peak_rss_mib": peak_rss_mib()}


def _reported(cycles: pl.DataFrame) -> pl.DataFrame:
    """Reports of what machines counted."""
    known = {"quantity_yield": pl.col("quantity_good"), "completed": pl.lit(value=False)}
    known["operator"] = pl.concat_str(pl.lit("A"), (pl.col("offset") % _PEOPLE).cast(pl.String))
    columns = [
        known.get(name, pl.col(name) if name in cycles.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in polars_schema(contract("OperationReport")).items()
    ]
    return cycles.select(*columns, "origin", "offset")
