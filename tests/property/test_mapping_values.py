"""What a mapping reads from texts agrees with plain Python, value by value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.mapping import chains, context
from schemas.mapping.durations import read_durations
from schemas.mapping.model import Context
from schemas.mapping.numbers import read_decimals
from schemas.mapping.rules import Numbers, Times
from schemas.mapping.times import read_times
from schemas.mapping.units import UNITS, factor

MICRO = Decimal("0.000001")
ROUNDINGS = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "down": ROUND_DOWN}
ties = st.integers(0, 999).map(lambda n: f"0.{n:06d}5")
plain_numbers = st.one_of(st.from_regex(r"\A[+-]?[0-9]{1,14}(\.[0-9]{0,12})?\Z"), ties)


def exact(text: str, by: Fraction, rounding: str) -> Decimal | None:
    """The number times a factor with six decimals, or None where it does not fit."""
    with localcontext(prec=80):
        value = Fraction(Decimal(text)) * by
        micros = value * 10**6
        if rounding == "reject":
            if micros.denominator != 1:
                return None
            number = Decimal(micros.numerator) * MICRO
        else:
            # 60 digits are far beyond any tie of six decimals and factors below 10^10.
            number = (Decimal(value.numerator) / Decimal(value.denominator)).quantize(MICRO, ROUNDINGS[rounding])
        return number if abs(number) < 10**12 else None


@settings(max_examples=150, deadline=None)
@given(
    st.lists(plain_numbers, min_size=1, max_size=5),
    st.sampled_from(["reject", "half_up", "half_even", "down"]),
    st.one_of(st.just(Fraction(1)), st.fractions(min_value=Fraction(1, 1000), max_value=1000, max_denominator=1000)),
)
def test_numbers_are_exact_under_every_rounding_and_factor(texts: list[str], rounding: str, by: Fraction) -> None:
    read = read_decimals(pl.Series(texts), Numbers(rounding=rounding), by)  # type: ignore[arg-type]
    assert read.values.to_list() == [exact(text, by, rounding) for text in texts]
    assert [reason is None for reason in read.reasons] == [value is not None for value in read.values]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="0123456789.,+-' eE\u00a0x", max_size=12), min_size=1, max_size=20))
def test_a_number_is_never_guessed_from_a_text_of_another_style(texts: list[str]) -> None:
    style = Numbers(decimal=",", thousands=".")
    read = read_decimals(pl.Series(texts, dtype=pl.String), style)
    for text, value in zip(texts, read.values, strict=True):
        whole, _, decimals = text.lstrip("+-").partition(",")
        groups = whole.split(".")
        grouped = len(groups) == 1 or (1 <= len(groups[0]) <= 3 and all(len(g) == 3 for g in groups[1:]))
        digits = "".join(groups) + decimals
        if value is not None:
            assert grouped
            assert digits.isascii()
            assert digits.isdigit()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)))
def test_conversions_of_units_compose(one: str, two: str, three: str) -> None:
    first, second, whole = factor(one, two), factor(two, three), factor(one, three)
    assert (first is None) == (UNITS[one].dimension != UNITS[two].dimension and one != two)
    if first is not None and second is not None:
        assert whole == first * second


moments = st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31)).map(lambda d: d.replace(microsecond=0))
near_changes = st.builds(
    lambda day, minutes: day + timedelta(minutes=minutes),
    st.sampled_from([datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 3, 8), datetime(2026, 11, 1)]),
    st.integers(0, 300),
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.one_of(near_changes, moments), min_size=1, max_size=10),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"]),
    st.sampled_from(["reject", "earlier", "later"]),
    st.sampled_from(["reject", "shift"]),
)
def test_local_times_agree_with_the_zone_database(
    local: list[datetime], zone: str, ambiguous: str, nonexistent: str
) -> None:
    style = Times(zone=zone, ambiguous=ambiguous, nonexistent=nonexistent)  # type: ignore[arg-type]
    read = read_times(pl.Series([each.isoformat(" ") for each in local]), style)
    for each, value, reason in zip(local, read.values, read.reasons, strict=True):
        first, second = (each.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
        exists = first.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == each
        if not exists:
            # Python reads a skipped time, fold 0, with the offset before the gap: moved on by its length.
            assert (value, reason) == ((first, None) if nonexistent == "shift" else (None, "nonexistent_time"))
        elif first != second and ambiguous == "reject":
            assert (value, reason) == (None, "ambiguous_time")
        else:
            assert (value, reason) == (second if ambiguous == "later" else first, None)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 999), st.integers(0, 59), st.integers(0, 59))
def test_durations_are_their_seconds(large: int, middle: int, small: int) -> None:
    texts = pl.Series([f"{large:03d}:{middle:02d}", f"{large}:{middle:02d}:{small:02d}"])
    seconds = read_durations(texts, ["mmm:ss", "h:mm:ss"]).values.to_list()
    assert seconds == [large * 60 + middle, large * 3600 + middle * 60 + small]


events = st.lists(
    st.tuples(
        st.sampled_from(["M1", "M2", None]),
        st.sampled_from(["A", "B", None, None, None]),
        st.sampled_from(["END", None, None]),
    ),
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(events, st.integers(1, 30), st.booleans())
def test_context_holds_per_machine_until_reset_whatever_the_batches(
    rows: list[tuple[str | None, str | None, str | None]], size: int, includes: bool
) -> None:
    rule = {"from": "own", "reset_when": "event = 'END'", "reset_includes_row": includes}
    wanted = Context.model_validate({"per": ["machine"], "fields": {"order": rule}})
    held: context.Held = {}
    got: list[str | None] = []
    for start in range(0, len(rows), size):
        schema = {"machine": pl.String, "own": pl.String, "event": pl.String}
        frame = pl.DataFrame(rows[start : start + size], schema=schema, orient="row")
        filled = context.fill(frame, wanted, held, "context")
        held = filled.held
        got += filled.frame["order"].to_list()
    assert got == filled_by_hand(rows, includes=includes)


def filled_by_hand(rows: list[tuple[str | None, str | None, str | None]], *, includes: bool) -> list[str | None]:
    current: dict[str, str | None] = {}
    out: list[str | None] = []
    for machine, own, event in rows:
        if machine is None:
            out.append(own)
            continue
        if event == "END" and includes:
            current[machine] = None
        current[machine] = own if own is not None else current.get(machine)
        out.append(current[machine])
        if event == "END" and not includes:
            current[machine] = None
    return out


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 9000)), max_size=30),
    st.integers(1, 30),
)
def test_equal_rows_are_numbered_alike_whatever_the_batches(steps: list[tuple[str, int]], size: int) -> None:
    keys, lines, line = [], [], 0
    for key, step in steps:
        line += step
        keys.append(key)
        lines.append(line)
    held: chains.Numbered = {}
    got: list[int] = []
    for start in range(0, len(keys), size):
        part = slice(start, start + size)
        numbers, held = chains.occurrences(
            pl.Series(keys[part], dtype=pl.String), pl.Series(lines[part], dtype=pl.Int64), held
        )
        got += numbers.to_list()
    wanted, last = [], dict[str, tuple[int, int]]()
    for key, at in zip(keys, lines, strict=True):
        before, count = last.get(key, (at, 0))
        count = 1 if at - before > chains.HORIZON else count + 1
        last[key] = (at, count)
        wanted.append(count)
    assert got == wanted
    assert all(at >= line - chains.HORIZON for at, _ in held.values())
