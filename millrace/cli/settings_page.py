"""The reference of all settings as Markdown, from the settings models: `millrace config docs`, docs/settings.md."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from dataflows.flow_settings import NumberingRule, RegistrySettings
from dataflows.movement_settings import BackflushRule, ComponentRule
from dataflows.registry import FLOWS
from dataflows.settings import CounterRule
from millrace.ledger.dependencies import DependencyRule, Match
from millrace.secret import Secret
from operators.counter_policy import CounterPolicy
from operators.replenishment_policy import ReplenishmentRule
from sinks.erp.auth_settings import BasicAuth, ClientCertificate, OAuth2, TokenAuth
from sinks.erp.connector import Options
from sinks.erp.registry import CONNECTORS
from sinks.erp.results_settings import ResultsSettings
from sinks.erp.settings import PlantSettings, PosterSettings, RouteSettings, SystemSettings
from sinks.erp.tier_settings import SecondTier, ThirdTier, Tiers, TierSettings
from sinks.erp.tryton_moves import Places
from sinks.history.places import ObjectPath
from sinks.history.retention import RetentionRule, RetentionSettings
from sources.kafka_settings import KafkaSettings

#: What a key is without a value, in YAML left out or `null`.
UNSET = "unset"
#: Heading and model, in the order of the page.
SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    *((f"The flow `{flow.name}`", flow.settings) for flow in FLOWS.values()),
    ("`kafka`", KafkaSettings),
    ("`registry`", RegistrySettings),
    ("`counters`: a list of rules", CounterRule),
    ("`counters[].policy`", CounterPolicy),
    ("`numbering`: a list of rules", NumberingRule),
    ("`backflush`: a list of rules", BackflushRule),
    ("`erp_backflush`, `reported`, `serialised`: lists of rules", ComponentRule),
    ("`rules`: a list of rules", ReplenishmentRule),
    ("The poster", PosterSettings),
    ("`systems`: a list of ERP systems", SystemSettings),
    ("`systems[].auth` with `kind: basic`", BasicAuth),
    ("`systems[].auth` with `kind: token`", TokenAuth),
    ("`systems[].auth` with `kind: oauth2`", OAuth2),
    ("`systems[].client_certificate`", ClientCertificate),
    ("Secrets: `password`, `token`, `client_secret` of a system", Secret),
    ("`systems[].tiers`", Tiers),
    ("`systems[].tiers.tier1`", TierSettings),
    ("`systems[].tiers.tier2`", SecondTier),
    ("`systems[].tiers.tier3`", ThirdTier),
    ("`routes`: a list of rules", RouteSettings),
    ("`plants`: by plant", PlantSettings),
    ("`results`", ResultsSettings),
    ("`dependencies`: a list of rules", DependencyRule),
    ("`dependencies[].document`, `dependencies[].waits_for`", Match),
    ("`millrace history retain`", RetentionSettings),
    ("`default`, `topics`: a rule", RetentionRule),
)
HEAD = """\
# Settings

Generated from the settings models by `python -m tools.settings_docs`; a test compares.

A flow reads `millrace run FLOW --config FILE`, a poster `millrace post --config FILE`. Both are
YAML; an unknown key is refused with file, line and field. A variable `MILLRACE_<KEY>` in the environment goes
before the file; `__` steps into a section: `MILLRACE_KAFKA__BOOTSTRAP`. Lists can't be given that way. A poster's
variables begin with `MILLRACE_POST_`.
A file that holds a password, also within a URL, is refused: passwords belong into the environment or into
mounted secret files.

`millrace config check FILE` tells everything that is wrong with file, line and field, with `--online` also what
can't be reached; `millrace config show FILE` prints the settings in effect and where each comes from. A key of an older
release warns with the way on, and is taken over where that is safe.

A key is *unset* where it is left out, or `null`.
"""
_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "min_length": "length at least"}


def page() -> str:
    """The whole page; each registered connector has a section of its own."""
    sections = [*SECTIONS, *((f"`systems[].options` of connector `{name}`", _options(name)) for name in CONNECTORS)]
    sections.append(("`systems[].options.places` of connector `tryton`, and of each of its `plants`", Places))
    return "\n".join([HEAD, *(_section(heading, model) for heading, model in sections)])


def _options(connector: str) -> type[BaseModel]:
    """The model of a connector's options, from the module of its name."""
    module = importlib.import_module(f"sinks.erp.{connector}")
    models = [found for found in vars(module).values() if isinstance(found, type) and issubclass(found, Options)]
    return next(model for model in models if model.__module__ == module.__name__)


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Text by key, from the `Args` of a model's docstring and of those that it inherits from."""
    bases = [base for base in model.__bases__ if issubclass(base, BaseModel) and base is not BaseModel]
    inherited = {name: meaning for base in bases for name, meaning in meanings(base).items()}
    return {**inherited, **_own_meanings(model)}


def _own_meanings(model: type[BaseModel]) -> dict[str, str]:
    _, _, text = (model.__doc__ or "").partition("Args:\n")
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        start = re.fullmatch(r" {8}(\w+): (.*)", line)
        if start:
            name = start[1]
            found[name] = start[2]
        elif name and line.strip():
            found[name] += " " + line.strip()
    return found


def _section(heading: str, model: type[BaseModel]) -> str:
    about = " ".join((model.__doc__ or "").partition("Args:")[0].split())
    told = {name: re.sub(r"\bNone\b", UNSET, text) for name, text in meanings(model).items()}
    lines = [f"## {heading}", "", about, "", "| key | values | default | meaning |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        cells = (f"`{name}`", _values(field), _default(field), told.get(name, ""))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _values(field: FieldInfo) -> str:
    bounds = [
        f"{word} {getattr(limit, name)}"
        for limit in field.metadata
        for name, word in _BOUNDS.items()
        if getattr(limit, name, None) is not None
    ]
    return ", ".join([" or ".join(dict.fromkeys(_kinds(field.annotation))), *bounds])


def _kinds(annotation: Any) -> Iterator[str]:
    """Words for an annotation, a word per alternative; None is told by the default."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        yield from (f"`{value}`" for value in parts)
    elif origin in (Union, UnionType):
        for part in parts:
            if part is not NoneType:
                yield from _kinds(part)
    elif origin in (tuple, frozenset):
        yield "list of " + ", ".join(_kinds(parts[0]))
    elif origin is dict:
        yield "mapping"
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield "section"
    else:
        yield _WORDS.get(annotation, getattr(annotation, "__name__", "text").lower())


_WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` or `false`",
    Path: "path",
    ObjectPath: "`s3://`, `abfss://` or `gs://` with bucket and prefix",
    SecretStr: "secret",
}


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return UNSET
    if value in ((), {}, ""):
        return "none"
    if isinstance(value, BaseModel):
        return "its own defaults"
    if isinstance(value, frozenset):
        value = tuple(sorted(value))
    if isinstance(value, dict):
        value = tuple(f"{key}: {item}" for key, item in value.items())
    return ", ".join(map(_shown, value if isinstance(value, tuple) else (value,)))


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


__all__ = ["SECTIONS", "meanings", "page"]
