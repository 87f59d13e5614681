"""How one value is found and read: the keys that a field of an output and a column conversion share."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Kind = Literal["text", "integer", "number", "boolean", "time", "date", "duration"]
Ambiguous = Literal["reject", "earlier", "later"]
Nonexistent = Literal["reject", "shift"]
Rounding = Literal["reject", "half_up", "half_even", "down"]


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


#: A list that may be written as its only item.
Texts = Annotated[list[str], BeforeValidator(_as_list)]


class Strict(BaseModel):
    """Base of everything in a mapping file: unknown keys are refused, nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Numbers(Strict):
    """How numbers are written."""

    decimal: Literal[".", ","] = Field(".", description="Decimal mark.")
    thousands: Literal["", ".", ",", " ", "'", "_"] = Field(
        "", description="Mark between groups of three digits; a space also stands for a no-break space."
    )
    trailing_minus: bool = Field(False, description="Whether a minus may stand behind the number, as in `12,5-`.")
    rounding: Rounding = Field(
        "reject",
        description="What happens to more than six decimals: the row is rejected, or they are rounded.",
    )

    @model_validator(mode="after")
    def _marks_differ(self) -> Numbers:
        if self.decimal == self.thousands:
            raise ValueError(f"decimal and thousands are both '{self.decimal}'")
        return self


class Times(Strict):
    """How times are written and where their clock stands."""

    formats: Texts = Field(
        ["iso8601"],
        description="Formats in order: strptime patterns, `iso8601`, `epoch_s`, `epoch_ms`, `epoch_us`.",
    )
    zone: str | None = Field(None, description="IANA zone of times without an offset; without it these are rejected.")
    ambiguous: Ambiguous = Field(
        "reject",
        description="A local time that happens twice when clocks go back: the first, the second, or reject.",
    )
    nonexistent: Nonexistent = Field(
        "reject", description="A local time skipped when clocks go forward: shift by the gap, or reject."
    )


class UnitFrom(Strict):
    """The unit of a quantity, where a column of the row names it."""

    from_: str = Field(alias="from", description="Column that names the unit.")
    codes: dict[str, str] = Field({}, description="Their unit words to UN/ECE Rec 20 codes.")


class Rule(Strict):
    """Where a value comes from (one of from, value, expr, hash_of) and how it is read."""

    from_: Texts | None = Field(
        None, alias="from", description="Column, or several whose values are joined by `separator`."
    )
    separator: str = Field(" ", description="What stands between the values of several columns.")
    value: str | None = Field(None, description="A constant.")
    expr: str | None = Field(None, description="A Polars SQL expression over the row's columns.")
    hash_of: Texts | None = Field(
        None,
        description="For `event_id`: the columns that tell one event from another; the id is a hash of them.",
    )
    repeated: Literal["same", "occurrence", "line"] = Field(
        "same",
        description="For `hash_of`: rows equal in all its columns are the `same` event, or told apart by "
        "their `occurrence` or by file and `line`.",
    )
    missing: Texts = Field([], description="More words that mean missing, for this value.")
    default: str | None = Field(None, description="Our value where theirs is missing.")
    required: bool = Field(
        False, description="Reject the row where the value is missing, though the contract allows it."
    )
    on_error: Literal["reject", "missing"] = Field("reject", description="What an unreadable value is.")
    codes: dict[str, str] | str | None = Field(
        None, description="Their words to ours, or the name of a list under `code_lists`."
    )
    other: str | None = Field(None, description="Our word for a word that `codes` does not list; without it: reject.")
    ignore_case: bool = Field(False, description="Whether `codes` compares without regard to case.")
    decimal: Literal[".", ","] | None = Field(None, description="As `numbers.decimal`, for this value.")
    thousands: Literal["", ".", ",", " ", "'", "_"] | None = Field(
        None, description="As `numbers.thousands`, for this value."
    )
    trailing_minus: bool | None = Field(None, description="As `numbers.trailing_minus`, for this value.")
    rounding: Rounding | None = Field(None, description="As `numbers.rounding`, for this value.")
    factor: Decimal | None = Field(None, description="Exact factor that the number is multiplied by.")
    unit: str | UnitFrom | None = Field(
        None, description="Unit of the source, UN/ECE Rec 20 code, or the column that names it."
    )
    to: str | None = Field(
        None, description="Unit to convert to; default is the contract's fixed unit, else the base unit."
    )
    formats: Texts | None = Field(None, description="As `times.formats`, for this value.")
    zone: str | None = Field(None, description="As `times.zone`, for this value.")
    ambiguous: Ambiguous | None = Field(None, description="As `times.ambiguous`, for this value.")
    nonexistent: Nonexistent | None = Field(None, description="As `times.nonexistent`, for this value.")
    duration: Texts | None = Field(
        None,
        description="Patterns of a duration: `mmm:ss`, `hh:mm`, `iso8601` ...; the value is in seconds.",
    )
    true_words: Texts = Field(["true"], description="Words that mean true, compared without regard to case.")
    false_words: Texts = Field(["false"], description="Words that mean false.")

    @model_validator(mode="after")
    def _one_origin(self) -> Rule:
        given = [n for n in ("from_", "value", "expr", "hash_of") if getattr(self, n) is not None]
        if len(given) != 1:
            raise ValueError("needs exactly one of from, value, expr, hash_of")
        if self.repeated != "same" and self.hash_of is None:
            raise ValueError("repeated goes with hash_of")
        if self.other is not None and self.codes is None:
            raise ValueError("other goes with codes")
        if self.to is not None and self.unit is None:
            raise ValueError("to goes with unit")
        return self


class Conversion(Rule):
    """A rule that also names the type that its column gets, so that expressions can calculate with it."""

    type: Kind = Field(description="Type of the column from here on; a duration becomes a number of seconds.")


def _as_rule(value: Any) -> Any:
    return {"from": value} if isinstance(value, str) else value


#: A rule that may be written as the name of its column.
RuleOrColumn = Annotated[Rule, BeforeValidator(_as_rule)]
