"""The mapping language's keys as Markdown, from the models themselves."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from schemas.mapping import formats, model, rules
from schemas.mapping.reasons import SENTENCES
from schemas.mapping.units import UNITS

_BEGIN, _END = "<!-- reference begins -->", "<!-- reference ends -->"

#: Sections of a mapping file and the models behind them.
MODELS: dict[str, type[BaseModel]] = {
    "Top level": model.Mapping,
    "format (csv)": formats.Csv,
    "format (jsonl)": formats.JsonLines,
    "format (text)": formats.Text,
    "format (parquet)": formats.Parquet,
    "format (avro)": formats.Avro,
    "numbers": rules.Numbers,
    "times": rules.Times,
    "split": model.Split,
    "long": model.Long,
    "context": model.Context,
    "context.fields": model.ContextField,
    "outputs": model.Output,
    "A rule: fields, outputs.fields, convert": rules.Conversion,
    "unit, where a column names it": rules.UnitFrom,
}


def markdown() -> str:
    """Tables of every key, of the units and of the reasons for rejection."""
    parts = [_table(title, each) for title, each in MODELS.items()]
    units = ", ".join(f"`{code}`" for code in sorted(UNITS))
    reasons = "\n".join(f"| `{reason}` | {text.replace('{text}', '...')} |" for reason, text in SENTENCES.items())
    parts.append(f"### Units\n\nUN/ECE Rec 20 codes with exact factors: {units}.\n")
    parts.append(f"### Reasons for rejection\n\n| reason | the row's sentence |\n|---|---|\n{reasons}\n")
    return "\n".join(parts)


def _table(title: str, each: type[BaseModel]) -> str:
    rows = [_row(name, field) for name, field in each.model_fields.items()]
    return f"### {title}\n\n| key | value | default | meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _row(name: str, field: FieldInfo) -> str:
    default = "required" if field.is_required() else _written(field.get_default(call_default_factory=True))
    return f"| `{field.alias or name}` | {_type(field.annotation)} | {default} | {field.description} |"


def _written(value: Any) -> str:
    if isinstance(value, BaseModel):
        return "see below"
    if value is None or value in ("", [], {}):
        return "none"
    text = str(value).lower() if isinstance(value, bool) else ", ".join(value) if isinstance(value, list) else value
    return f"`{text}`"


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{each}`" if each != "" else "empty" for each in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(each) for each in arguments if each is not type(None)))
    if origin is list:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"map of text to {_type(arguments[1])}"
    names = {str: "text", bool: "true or false", int: "whole number"}
    return names.get(annotation, "section" if _is_model(annotation) else "number")


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def renewed(page: str) -> str:
    """The guide with its reference written anew between the two marks."""
    before, rest = page.split(_BEGIN)
    return f"{before}{_BEGIN}\n{markdown()}{_END}{rest.split(_END)[1]}"


def main() -> None:
    """Write the reference into `docs/mapping.md`."""
    page = Path(__file__).parents[2] / "docs" / "mapping.md"
    page.write_text(renewed(page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
