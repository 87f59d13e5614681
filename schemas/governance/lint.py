"""`millrace contracts lint`: what every contract owes its readers, checked file by file.

A rule is a function from a part of the file to findings; all rules run, so that one call shows everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from schemas.contracts import AVRO_FOLDER
from schemas.governance import vocabulary as words
from schemas.governance.findings import Finding, Node, fields_of
from schemas.governance.lint_fields import field_findings
from schemas.governance.positions import read


def lint_folder(folder: Path = AVRO_FOLDER) -> list[Finding]:
    """Findings in all current contracts of a folder, in order of file and line.

    Raises:
        Misconfigured: A file is no JSON; the message names file and line.
    """
    found = [each for path in sorted(folder.glob("*.avsc")) for each in lint_file(path)]
    return sorted(found)


def lint_file(path: Path) -> list[Finding]:
    """Findings in one contract."""
    root = Node(located := read(path), (), "", located.value)
    if not isinstance(root.value, dict) or root.value.get("type") != "record":
        return [root.says("shape", "a contract is a JSON object of the Avro type record")]
    found: list[Finding] = []
    for rule in _RULES:
        found.extend(rule(root))
    for field in fields_of(root):
        found.extend(field_findings(field, root))
    return sorted(set(found))


def _properties(root: Node) -> Iterator[Finding]:
    for name in sorted(set(root.value) - words.RECORD_PROPERTIES):
        yield root.says("property", f"no contract has a property {name!r}", name)
    for name in words.ATTRIBUTES:
        if name not in root.value:
            yield root.says("attribute", f"{name!r} is missing")


def _names(root: Node) -> Iterator[Finding]:
    name, topic = root.value.get("name"), root.value.get("topic")
    if not isinstance(name, str) or not words.PASCAL.fullmatch(name):
        yield root.says("name", f"the name {name!r} should be in PascalCase", "name")
    elif name != root.located.path.stem:
        yield root.says("name", f"the file should be named {name}.avsc", "name")
    if topic is not None and not (isinstance(topic, str) and words.KEBAB.fullmatch(topic)):
        yield root.says("topic", f"the topic {topic!r} should be in kebab-case", "topic")
    if not str(root.value.get("namespace", "")).startswith("io.millrace.v"):
        yield root.says("namespace", "the namespace should be io.millrace.v<major version>", "namespace")


def _documented(root: Node) -> Iterator[Finding]:
    doc = root.value.get("doc")
    if not isinstance(doc, str) or not doc.strip():
        yield root.says("doc", "one sentence that says what a record stands for is missing", "doc")


def _owned(root: Node) -> Iterator[Finding]:
    owner, tier = root.value.get("owner"), root.value.get("tier")
    if owner is not None and not (isinstance(owner, str) and words.KEBAB.fullmatch(owner)):
        yield root.says("owner", f"the owner {owner!r} should be a team's name in kebab-case", "owner")
    if tier is not None and tier not in (1, 2, 3):
        yield root.says("tier", f"the tier is {tier!r}; it is 1, 2 or 3", "tier")


def _keyed(root: Node) -> Iterator[Finding]:
    key, partitioning = root.value.get("key"), root.value.get("partitioning")
    fields = [each for each in root.value.get("fields", ()) if isinstance(each, dict)]
    types = {each.get("name"): each.get("type") for each in fields}
    if key is not None and key not in types:
        yield root.says("key", f"the key {key!r} is no field of the record", "key")
    elif key is not None and types[key] != "string":
        yield root.says("key", f"the key field {key!r} should be a string that is never null", "key")
    if partitioning is not None and partitioning not in words.PARTITIONING:
        yield root.says("partitioning", _choice("partitioning", partitioning, words.PARTITIONING), "partitioning")


def _kept(root: Node) -> Iterator[Finding]:
    retention, compacted = root.value.get("retention"), root.value.get("compacted")
    if compacted is not None and not isinstance(compacted, bool):
        yield root.says("compacted", "compacted is true or false", "compacted")
    if retention is None:
        return
    if retention not in words.RETENTION:
        yield root.says("retention", _choice("retention class", retention, words.RETENTION), "retention")
    elif (words.RETENTION[retention][1] is None) != bool(compacted):
        yield root.says(
            "retention", f"retention {retention} does not go with compacted {str(compacted).lower()}", "retention"
        )


def _parties(root: Node) -> Iterator[Finding]:
    for side in ("producers", "consumers"):
        given = root.value.get(side)
        if given is None:
            continue
        if not isinstance(given, list) or not given:
            yield root.says("parties", f"{side} is a list of at least one", side)
            continue
        for index, each in enumerate(given):
            if not isinstance(each, str) or not words.PARTY.fullmatch(each):
                kinds = ", ".join(sorted(words.PARTIES))
                yield root.says("parties", f"{each!r} should be kind:name with a kind of {kinds}", side, index)


def _personal(root: Node) -> Iterator[Finding]:
    """The flag of the contract and the marks of its fields say the same."""
    flag = root.value.get("personal_data")
    marked = [field.field for field in fields_of(root) if field.inner("personal").value is True]
    if flag is not None and not isinstance(flag, bool):
        yield root.says("personal", "personal_data is true or false", "personal_data")
    elif flag is True and not marked:
        yield root.says("personal", 'personal_data is true and no field is marked "personal": true', "personal_data")
    elif flag is False and marked:
        yield root.says("personal", f"personal_data is false and {marked[0]} is marked personal", "personal_data")


def _common(root: Node) -> Iterator[Finding]:
    fields = root.value.get("fields")
    names = [each.get("name") for each in fields if isinstance(each, dict)] if isinstance(fields, list) else []
    if tuple(names[: len(words.COMMON_FIELDS)]) != words.COMMON_FIELDS:
        yield root.says("common", f"the first fields should be {', '.join(words.COMMON_FIELDS)}", "fields")


def _choice(
    what: str, given: object, known: dict[str, object] | dict[str, str] | dict[str, tuple[str, int | None]]
) -> str:
    return f"no {what} is {given!r}; there are {', '.join(known)}"


_RULES = (_properties, _names, _documented, _owned, _keyed, _kept, _parties, _personal, _common)
