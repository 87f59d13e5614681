"""A short run of the fuzzer, and proof that it would notice."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.batch import DecodedBatch, RawBatch, Reject
from schemas.codec import Codec
from schemas.contracts import contracts
from tests.fuzz.mutations import KINDS, LARGE
from tests.fuzz.run import BATCH, Disagreement, fuzz


def test_hostile_records_are_decided_alike_on_both_paths_by_every_kind_of_damage() -> None:
    result = fuzz(16 * BATCH, seed=7)
    assert set(result.tried) == {each.__name__ for each in (*KINDS, *LARGE)} | {"good"}
    assert set(result.verdicts["good"]) == {"accepted"}
    assert set(result.verdicts["oversize"]) == {"oversize"}
    assert set(result.verdicts["tombstone"]) == {"tombstone"}
    assert result.verdicts["cut"]["truncated"]
    assert len(result.contracts) > len(contracts()) // 3


def _accepts_less(codec: Codec, raw: RawBatch) -> DecodedBatch:
    decoded = codec.decode(raw)
    if codec._in_batches and decoded.rows is not None and decoded.frame.height:
        lost = int(decoded.rows[-1])
        decoded.frame, decoded.rows = decoded.frame[:-1], decoded.rows[:-1]
        decoded.rejects.append(Reject(lost, "decode", "made up"))
    return decoded


def _other_reason(codec: Codec, raw: RawBatch) -> DecodedBatch:
    decoded = codec.decode(raw)
    if codec._in_batches:
        decoded.rejects = [Reject(each.row, "decode", each.detail) for each in decoded.rejects]
    return decoded


def _other_value(codec: Codec, raw: RawBatch) -> DecodedBatch:
    decoded = codec.decode(raw)
    if codec._in_batches and decoded.frame.height > 1:
        decoded.frame = decoded.frame.with_columns(plant=decoded.frame["plant"].reverse() + "x")
    return decoded


def _loses(codec: Codec, raw: RawBatch) -> DecodedBatch:
    decoded = codec.decode(raw)
    decoded.rejects = decoded.rejects[1:]
    return decoded


@pytest.mark.parametrize("broken", [_accepts_less, _other_reason, _other_value, _loses])
def test_a_decoder_that_errs_is_found(broken: Callable[[Codec, RawBatch], DecodedBatch]) -> None:
    with pytest.raises(Disagreement):
        fuzz(2 * BATCH, seed=7, decode=broken)


def test_a_decoder_that_hangs_is_ended_and_shown() -> None:
    code = (
        "import time\n"
        "from tests.fuzz.run import fuzz\n"
        "def hang(codec, raw): time.sleep(300)\n"
        "fuzz(10, 1, decode=hang, hang_s=0.2)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 1
    assert "in hang" in done.stderr


def test_a_run_beyond_its_cap_of_memory_fails() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--records", "2000", "--memory-mib", "64"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode != 0
