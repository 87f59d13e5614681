"""Dashboards on a real Prometheus: no panel stays empty over the demo's day."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monitoring import demo


@pytest.mark.server
@pytest.mark.slow
def test_every_query_of_every_panel_has_an_answer_during_the_demo(tmp_path: Path) -> None:
    watched = demo.WatchedDemo(tmp_path)
    try:
        watched.start()
        assert demo.unseen(watched) == []
        assert not watched.prometheus.query("millrace_no_such_metric"), "an answer proves nothing"
    finally:
        watched.close()
