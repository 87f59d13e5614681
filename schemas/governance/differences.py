"""What may differ between two versions of a contract: each rule with its verdict and the way out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of difference.

    Args:
        allowed: Whether a version may differ so.
        instead: What to do instead; for an allowed one, what follows from it.
        by_word: The verdict hangs on words alone: a release log entry may declare that only the wording changed.
    """

    allowed: bool
    instead: str
    by_word: bool = False


_NEW_FIELD = "add a new optional field with the new meaning, and deprecate this one until its readers have moved"
_NEW_CONTRACT = "make a new contract with a topic of its own, and let producers write both for a while"
_KEEP = "leave it as it is"

RULES: dict[str, Rule] = {
    # What a strict registry refuses, too.
    "field_added_required": Rule(False, 'give it a default (["null", ...] with null): older records lack it'),
    "field_removed_required": Rule(False, "keep it; to retire it, add an optional successor and deprecate it first"),
    "type_changed": Rule(False, _NEW_FIELD),
    "null_added": Rule(False, _NEW_FIELD + "; readers of the older version cannot read null"),
    "null_removed": Rule(False, "leave it optional; older records carry null"),
    "symbol_added": Rule(False, "give the enum a default in a version of its own first, then append the symbol"),
    "symbol_removed": Rule(False, "keep the symbol, say in its meaning that it is no longer written"),
    "union_reordered": Rule(False, "keep null first: a default belongs to the first type"),
    "type_renamed": Rule(False, "keep the name of the type; its doc may change"),
    "record_renamed": Rule(False, _NEW_CONTRACT),
    # What registries let pass.
    "decimal_scale": Rule(False, _NEW_FIELD + "; the same bytes would mean another number"),
    "decimal_precision": Rule(False, _NEW_FIELD + "; readers of the older version refuse larger numbers"),
    "logical_type": Rule(False, _NEW_FIELD + "; the same bytes would mean something else"),
    "text_and_bytes": Rule(False, _NEW_FIELD + "; Avro reads one as the other, columns of history do not"),
    "unit_changed": Rule(False, _NEW_FIELD + "; totals would mix two units"),
    "unit_removed": Rule(False, "state the unit again"),
    "symbol_meaning": Rule(False, "add a symbol for the new meaning; if only the words changed, say so", by_word=True),
    "symbols_reordered": Rule(False, "append new symbols at the end; readers that store the index would mix them up"),
    "enum_default": Rule(False, "keep the enum's default; unknown symbols would be read as something else"),
    "default_changed": Rule(False, _NEW_FIELD + "; records that lack it would change their meaning"),
    "default_removed": Rule(False, "keep the default; records of versions without the field could not be read"),
    "key_changed": Rule(False, _NEW_CONTRACT + "; re-sends would miss their original and compaction would mix keys"),
    "partitioning_changed": Rule(False, _NEW_CONTRACT + "; records of one key would lose their order"),
    "compaction_changed": Rule(False, _NEW_CONTRACT + "; records would vanish, or stay, against what readers expect"),
    "topic_changed": Rule(False, _NEW_CONTRACT),
    "namespace_changed": Rule(False, "keep the namespace; a new major version is a new contract"),
    "field_removed_early": Rule(False, "deprecate it with an end date, and remove it after that date"),
    "personal_unmarked": Rule(False, "keep the mark: views for partners drop fields by it", by_word=True),
    "share_widened": Rule(False, "keep the mark: views for partners drop fields by it", by_word=True),
    "released_edited": Rule(False, "restore the released file; a change is a new version"),
    "released_missing": Rule(False, "restore the released file; records of that version are still in the history"),
    "contract_removed": Rule(False, "keep the .avsc; mark all its fields deprecated until nobody writes it"),
    # What a version may do.
    "field_added": Rule(True, "older records are read with its default"),
    "field_removed": Rule(True, "it was deprecated and its end date is past"),
    "fields_reordered": Rule(True, "fields are told by name"),
    "default_added": Rule(True, "older readers still need the field"),
    "symbol_added_safely": Rule(True, "older readers read the enum's default for it"),
    "enum_default_added": Rule(True, "a later version may append symbols"),
    "unit_stated": Rule(True, "the unit was not stated before"),
    "meaning_stated": Rule(True, "the meaning was not stated before"),
    "deprecated": Rule(True, "producers stop writing it before the end date"),
    "undeprecated": Rule(True, "it stays"),
    "personal_marked": Rule(True, "views for partners drop it from now on"),
    "share_narrowed": Rule(True, "views for partners drop it unless the partner is given the tag"),
    "attribute": Rule(True, "tell the readers; no record changes"),
    "doc": Rule(True, _KEEP + " unless the meaning changed: then it is a new field"),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between an older and a newer version.

    Args:
        rule: Name in RULES.
        field: Path of the field; empty for the contract itself.
        older: What the older version says.
        newer: What the newer version says.
    """

    rule: str
    field: str
    older: str = ""
    newer: str = ""

    @property
    def allowed(self) -> bool:
        """Whether a version may differ so."""
        return RULES[self.rule].allowed

    @property
    def instead(self) -> str:
        """What to do instead, or what follows."""
        return RULES[self.rule].instead

    def __str__(self) -> str:
        change = f" from {self.older} to {self.newer}" if self.older and self.newer else ""
        one = f" {self.newer or self.older}" if not change and (self.newer or self.older) else ""
        return f"{self.rule.replace('_', ' ')}{change}{one}"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "allowed": self.allowed, "instead": self.instead}
