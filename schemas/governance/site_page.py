"""Pages of the contracts' site: an overview, and one page per contract."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from html import escape
from typing import Any

from schemas.contracts import Contract, Schema
from schemas.dictionary import fields_with_paths, type_words, unit_words
from schemas.governance import vocabulary as words
from schemas.governance.compat import differences
from schemas.governance.release_log import Release, deprecations
from schemas.governance.site_svg import diagram
from schemas.samples import sample

_EXAMPLES = 2
_TIERS = {1: "completion, quality hold, inventory movement", 2: "replenishment, procurement", 3: "the rest"}


def index_page(contracts: Sequence[Contract]) -> str:
    """Overview: all topics in one picture and one table."""
    rows = [
        [
            f'<a href="{each.name}.html">{each.name}</a>',
            _code(each.topic),
            str(each.tier),
            escape(each.owner),
            escape(each.schema["retention"]),
            "yes" if each.schema["personal_data"] else "no",
            escape(each.schema["doc"]),
        ]
        for each in contracts
    ]
    heads = ("contract", "topic", "tier", "owner", "retention", "personal data", "what a record stands for")
    return _html(
        "Contracts",
        "<h1>Contracts</h1><p>What travels between machines, systems, flows and people. A topic leads to its page.</p>"
        f'<div class="wide">{diagram(contracts)}</div>{_table(heads, rows)}',
    )


def contract_page(contract: Contract, versions: Sequence[Schema], log: Sequence[Release]) -> str:
    """All about one contract.

    Args:
        contract: The current contract.
        versions: Released schemas, oldest first.
        log: Release log, oldest first.
    """
    parts = [
        f'<p><a href="index.html">All contracts</a></p><h1>{contract.name}</h1><p>{_prose(contract.schema["doc"])}</p>',
        f'<div class="wide">{diagram([contract])}</div>',
        f"<h2>Agreed</h2>{_facts(contract)}",
        f"<h2>Fields</h2>{_fields(contract.schema)}",
        _enums(contract.schema),
        _deprecated(contract.schema),
        f"<h2>Example records</h2>{_examples(contract)}",
        f"<h2>Changes</h2>{_changes(versions, log)}",
    ]
    return _html(contract.name, "".join(parts))


def _facts(contract: Contract) -> str:
    schema = contract.schema
    meaning, days = words.RETENTION[schema["retention"]]
    kept = "the latest record per key" if days is None else f"{days} days"
    rows = [
        ["topic", f"{_code(contract.topic)}, keeps {kept}"],
        ["key", f"{_code(contract.key)}; partition by {words.PARTITIONING[schema['partitioning']]}"],
        ["subject in a registry", f"{_code(contract.subject)}, FULL_TRANSITIVE"],
        ["owner", escape(contract.owner)],
        ["tier", f"{contract.tier}: {_TIERS[contract.tier]}"],
        ["retention", f"{escape(schema['retention'])}: {escape(meaning)}"],
        ["personal data", _personal(schema)],
        ["written by", escape(", ".join(schema["producers"]))],
        ["read by", escape(", ".join(schema["consumers"]))],
    ]
    return _table((), rows)


def _personal(schema: Schema) -> str:
    marked = [_code(path) for path, field in fields_with_paths(schema, "") if field.get("personal")]
    return ", ".join(marked) or "none"


def _fields(schema: Schema) -> str:
    rows = [
        [
            _code(path) + (' <span class="mark">deprecated</span>' if field.get("deprecated") else ""),
            escape(type_words(field["type"])),
            _unit(unit_words(field)),
            escape(field.get("standard", "")),
            _prose(field["doc"]),
        ]
        for path, field in fields_with_paths(schema, "")
    ]
    return _table(("field", "type", "unit", "standard", "meaning"), rows)


def _unit(text: str) -> str:
    return _code(text.strip("`")) if text.startswith("`") else escape(text)


def _enums(schema: Schema) -> str:
    rows = [
        [_code(path), _code(symbol), escape(meaning)]
        for path, field in fields_with_paths(schema, "")
        for symbol, meaning in _meanings(field["type"])
    ]
    return f"<h2>Symbols</h2>{_table(('field', 'symbol', 'meaning'), rows)}" if rows else ""


def _meanings(avro: Any) -> list[tuple[str, str]]:
    branches = avro if isinstance(avro, list) else [avro]
    enums = [each for each in branches if isinstance(each, dict) and each.get("type") == "enum"]
    return [(symbol, each.get("meanings", {}).get(symbol, "")) for each in enums for symbol in each["symbols"]]


def _deprecated(schema: Schema) -> str:
    rows = [
        [_code(each.field), str(each.since), each.until.isoformat(), escape(each.instead)]
        for each in deprecations(schema)
    ]
    heads = ("field", "since version", "until", "instead")
    return f"<h2>Deprecated</h2>{_table(heads, rows)}" if rows else ""


def _examples(contract: Contract) -> str:
    records = sample(contract, _EXAMPLES)
    return "".join(f"<pre>{escape(json.dumps(each, default=_plain, indent=2))}</pre>" for each in records)


def _plain(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return format(value, "f") if isinstance(value, Decimal) else value.hex()


def _changes(versions: Sequence[Schema], log: Sequence[Release]) -> str:
    rows = []
    for each in reversed(log):
        made = each.version <= len(versions)
        told = [escape(change) for change in each.changes] + (_computed(versions, each) if made else [])
        rows.append([str(each.version), each.date.isoformat(), escape(each.owner), "<br>".join(told)])
    return _table(("version", "date", "owner", "what"), rows)


def _computed(versions: Sequence[Schema], release: Release) -> list[str]:
    """What the files themselves say has changed, as of the day of the release."""
    if release.version < 2:
        return []
    before, after = versions[release.version - 2], versions[release.version - 1]
    found = [each for each in differences(before, after, release.date) if each.rule not in {"doc", "meaning_stated"}]
    return [f"{_code(each.field)}: {escape(str(each))}" if each.field else escape(str(each)) for each in found]


def _prose(text: str) -> str:
    """Words in backquotes are names."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already; without heads the first cell of a row is its head."""
    top = "<thead><tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr></thead>" if heads else ""
    body = "\n".join(_row(row, by_row=not heads) for row in rows)
    return f'<div class="wide"><table>{top}<tbody>{body}</tbody></table></div>'


def _row(row: Sequence[str], *, by_row: bool) -> str:
    first, *rest = row
    tag = "th" if by_row else "td"
    return f"<tr><{tag}>{first}</{tag}>" + "".join(f"<td>{cell}</td>" for cell in rest) + "</tr>"


def _html(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escape(title)} · Millrace</title>\n<link rel="stylesheet" href="style.css">\n</head>\n'
        f"<body>\n<main>{body}</main>\n</body>\n</html>\n"
    )
