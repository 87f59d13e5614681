"""`millrace mapping check` shows what a mapping makes of a sample; its exit code says whether all is fine."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from millrace.cli.mapping import app

EXAMPLE = Path(__file__).parents[2] / "examples" / "press_line"
MAP, SAMPLE = str(EXAMPLE / "mapping.yaml"), str(EXAMPLE / "sample.csv")


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["check", *arguments], env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_rejected_rows_are_shown_with_file_line_and_field() -> None:
    code, output = run(MAP, "--sample", SAMPLE)
    assert code == 1
    assert "read 10, mapped 4, rejected 5, filtered 1" in output
    row = next(line for line in output.splitlines() if "zw\u00f6lf" in line)
    assert [part in row for part in ("sample.csv", " 9 ", "quantity_good", "not_a_number")] == [True] * 4


def test_json_counts_every_reason_and_shows_as_many_records_as_asked_for() -> None:
    code, output = run(MAP, "--sample", SAMPLE, "--json", "--rows", "2")
    report = json.loads(output)
    assert code == 1
    assert report["read"] == report["mapped"] + report["rejected"] + report["filtered"]
    assert sum(each["rows"] for each in report["reasons"]) == report["rejected"] == len(report["rejects"])
    assert {name: len(rows) for name, rows in report["first"].items()} == {
        "MachineCycle": 2,
        "MachineState": 2,
    }
    assert report["first"]["MachineCycle"][0]["quantity_good"] == "1250.000000"


def test_a_sample_without_rejects_exits_with_0(tmp_path: Path) -> None:
    good = (EXAMPLE / "sample.csv").read_bytes().splitlines(keepends=True)[:4]
    (tmp_path / "x.csv").write_bytes(b"".join(good))
    assert run(MAP, "--sample", str(tmp_path / "x.csv"))[0] == 0


def test_an_invalid_mapping_or_file_exits_with_2_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("version: 1\nformt: {}\n")
    code, output = run(str(tmp_path / "m.yaml"), "--sample", SAMPLE)
    assert code == 2
    assert "m.yaml:2: formt: unknown key; is 'format' meant?" in output
    assert run(MAP, "--sample", str(tmp_path / "none.csv"))[0] == 2
    (tmp_path / "x.csv").write_text("1\n2\na;b\n1;2\n")
    code, output = run(MAP, "--sample", str(tmp_path / "x.csv"), "--json")
    assert code == 2
    assert "has no column" in json.loads(output)["invalid"][0]
