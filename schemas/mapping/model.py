"""The mapping file: how a foreign source's rows become records of our contracts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.mapping.formats import Csv, Format
from schemas.mapping.rules import Conversion, Numbers, RuleOrColumn, Strict, Texts, Times


class Split(Strict):
    """One cell that holds several values."""

    column: str = Field(description="Column to take apart.")
    pattern: str = Field(
        description="Regular expression with named groups `(?P<name>...)`; each group becomes a column. "
        "It must match the whole cell."
    )
    on_mismatch: Literal["reject", "missing"] = Field(
        "reject", description="What a cell that the pattern does not match is."
    )


class Long(Strict):
    """Long format: a row holds one value, and its key says which."""

    key: str = Field(description="Column that holds the key.")
    value: str = Field(description="Column that holds the value.")
    keys: dict[str, str] = Field(description="Their keys to the columns that the values go to.", min_length=1)
    other_keys: Literal["reject", "ignore"] = Field("reject", description="What rows with any other key are.")
    join_on: Texts = Field([], description="Rows equal in these columns (time, machine) become one row; files only.")
    join_within: int = Field(
        1000, ge=1, le=100_000, description="Rows further apart than this many lines are not joined."
    )


class ContextField(Strict):
    """A value that is written once and holds for the rows that follow."""

    from_: str = Field(alias="from", description="Column that carries the value where it is written.")
    set_when: str | None = Field(None, description="SQL condition: only such rows set the value.")
    reset_when: str | None = Field(None, description="SQL condition: such a row ends the value.")
    reset_includes_row: bool = Field(
        False,
        description="Whether the ending row is already without the value; else it is the last to have it.",
    )


class Context(Strict):
    """Values that hold until they are replaced or reset, for the rows of the same machine."""

    per: Texts = Field(description="Columns that tell whose rows a value holds for; usually the machine.", min_length=1)
    fields: dict[str, ContextField] = Field(description="Column that is filled, and how.", min_length=1)
    across_files: bool = Field(False, description="Whether values hold on into the next file, as in rotated logs.")


class Output(Strict):
    """One record of a contract that a row makes."""

    contract: str = Field(description="Name of the contract.")
    name: str | None = Field(
        None, description="Name of the output, part of hashed event ids; default is the contract's."
    )
    when: str | None = Field(None, description="SQL condition: only such rows make this record.")
    any_of: Texts = Field([], description="Only rows in which one of these columns has a value make this record.")
    fields: dict[str, RuleOrColumn] = Field({}, description="Fields of the contract and their rules.")

    @property
    def identity(self) -> str:
        """What tells this output from the others of the mapping."""
        return self.name or self.contract


class Mapping(Strict):
    """A whole mapping file. The steps work in the order in which they stand here."""

    version: Literal["1"] = Field(description="Version of the mapping language.")
    description: str = Field("", description="For people.")
    format: Format = Field(description="Format of the files; a Kafka topic of JSON is `jsonl`.")
    trim: bool = Field(True, description="Whether blanks around values are cut off.")
    missing: list[str] = Field([], description="Words that mean missing, beside the empty text.")
    numbers: Numbers = Field(default_factory=Numbers, description="How numbers are written.")
    times: Times = Field(default_factory=Times, description="How times are written and where their clock stands.")
    code_lists: dict[str, dict[str, str]] = Field({}, description="Named lists of their words to ours.")
    rename: dict[str, str] = Field({}, description="Their column names to the names used below.")
    constants: dict[str, str] = Field({}, description="Columns with the same value in every row.")
    split: list[Split] = Field([], description="Cells that hold several values.")
    filter: str | None = Field(
        None, description="SQL condition over text columns: other rows are left out and counted."
    )
    long: Long | None = Field(None, description="Long format.")
    convert: dict[str, Conversion] = Field({}, description="Typed columns, for expressions to calculate with.")
    derive: dict[str, str] = Field({}, description="New columns by SQL expressions, in order.")
    context: Context | None = Field(None, description="Values written once that hold for the rows that follow.")
    fields: dict[str, RuleOrColumn] = Field({}, description="Rules for every output whose contract has such a field.")
    outputs: list[Output] = Field(description="Records that a row makes; several may come from one row.", min_length=1)
    unmatched: Literal["reject", "ignore"] = Field("reject", description="What a row that makes no record is.")

    @property
    def needs_header(self) -> bool:
        """Whether a missing column shows in the file's header, so that the whole file is refused for it."""
        return isinstance(self.format, Csv)
