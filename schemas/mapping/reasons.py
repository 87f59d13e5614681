"""Why a row is rejected: the bounded vocabulary and its sentences."""

from __future__ import annotations

#: Sentence by reason; `{text}` is what the source wrote, cut to 80 characters.
SENTENCES: dict[str, str] = {
    "missing": "has no value, and the contract or the mapping requires one",
    "not_a_number": "'{text}' is not a number as the mapping says numbers are written",
    "not_an_integer": "'{text}' is not a whole number",
    "too_many_decimals": "'{text}' has more than six decimals after conversion and no rounding is declared",
    "out_of_range": "'{text}' is too large for the contract's type",
    "not_a_boolean": "'{text}' is none of the words for true or false",
    "not_a_time": "'{text}' has none of the declared formats",
    "no_zone": "'{text}' is local time and no zone is declared",
    "ambiguous_time": "'{text}' happens twice when clocks go back, and the mapping does not choose",
    "nonexistent_time": "'{text}' is skipped when clocks go forward, and the mapping does not shift it",
    "time_out_of_range": "'{text}' is outside the years 1970 to 2199",
    "not_a_duration": "'{text}' has none of the declared patterns of a duration",
    "code_unknown": "'{text}' is not in the list of codes",
    "not_allowed": "'{text}' is none of the contract's values",
    "unit_unknown": "'{text}' has no unit, or one that is no known UN/ECE Rec 20 code",
    "unit_mismatch": "'{text}' has a unit that cannot be converted to the target's",
    "split_mismatch": "'{text}' does not match the pattern",
    "expression": "the expression fails for this row: {text}",
    "unknown_key": "'{text}' is none of the keys of the long format",
    "unmatched": "no output's condition holds for this row",
    "joined": "belongs to one record with a rejected line: {text}",
    "columns": "{text}",
    "torn": "{text}",
    "encoding": "{text}",
    "control_character": "the line holds a NUL character",
    "too_long": "{text}",
    "not_an_object": "{text}",
    "contract": "{text}",
}


def sentence(reason: str, text: str | None) -> str:
    """One sentence for a person."""
    shown = (text or "").replace("\n", " ")
    return SENTENCES[reason].format_map({"text": shown if len(shown) <= 80 else shown[:77] + "..."})
