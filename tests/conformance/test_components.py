"""What docs/component-spec.md demands of every component, as far as code can see it."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from bytewax.inputs import Source
from bytewax.outputs import Sink
from pydantic import BaseModel

from dataflows.registry import FLOWS
from dataflows.settings import EVENTS, OUTPUTS, REFERENCES
from millrace.errors import MillraceError
from operators.routes import CONTRACT_CODE
from schemas.contracts import AVRO_FOLDER, contracts
from sinks.erp.connector import Connector, Options
from sinks.erp.registry import CONNECTORS
from tests.conformance.erp_service import ErpService, service_of

ROOT = Path(__file__).parents[2]
PACKAGES = ("dataflows", "millrace", "operators", "schemas", "sinks", "sources")
#: What may know the engine, the broker and HTTP; a path or the start of one.
MAY_IMPORT = {
    "bytewax": (
        *("dataflows/", "sinks/", "sources/"),
        *("operators/base_streaming.py", "operators/streaming.py", "operators/movement_streaming.py"),
        "operators/replenishment_streaming.py",
    ),
    "confluent_kafka": ("millrace/producer/", "sinks/", "sources/"),
    "aiohttp": ("sinks/erp/connections.py",),
    "httpx": ("schemas/registry.py",),
}
#: Calls that no module may make while it is imported.
IO_CALLS = {
    "open",
    "print",
    "connect",
    "read_text",
    "write_text",
    "Consumer",
    "Producer",
    "Client",
    "urlopen",
}
FAILPOINT = re.compile(r"(?:failpoints\.)?hit\(\"([^\"]*)\"\)")
DOCUMENTED = ("docs/operations.md", "docs/component-spec.md")


def modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        found = importlib.import_module(package)
        yield found
        for info in pkgutil.walk_packages(found.__path__, f"{package}."):
            if not info.name.endswith("__main__"):
                yield importlib.import_module(info.name)


FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def components(*kinds: type[Any]) -> dict[str, type[Any]]:
    """Concrete classes of the given kinds that our own modules define, by qualified name."""
    return {
        f"{module.__name__}.{name}": found
        for module in modules()
        for name, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, kinds) and found.__module__ == module.__name__ and not inspect.isabstract(found)
    }


SOURCES_AND_SINKS = components(Source, Sink)


def imports(tree: ast.Module) -> set[str]:
    """Names of the top-level packages that a module imports, anywhere in it."""
    plain = {n.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names}
    parts = {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    return plain | parts


def calls_at_import(node: ast.AST) -> Iterator[str]:
    """Names called by statements that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and "__main__" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Call):
            called = child.func
            yield called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        yield from calls_at_import(child)


def test_the_walk_finds_the_components_that_there_are() -> None:
    """A walk that found nothing would make the rules below empty."""
    assert {
        "sources.kafka.KafkaLanes",
        "sources.kafka_reference.KafkaReference",
        "sinks.kafka.KafkaSink",
        "sinks.ledger.LedgerSink",
    } <= set(SOURCES_AND_SINKS)


@pytest.mark.parametrize("component", SOURCES_AND_SINKS.values(), ids=SOURCES_AND_SINKS)
def test_a_source_or_sink_states_its_delivery_guarantee(component: type[Any]) -> None:
    assert "Delivery:" in (sys.modules[component.__module__].__doc__ or "")
    assert component.__doc__


@pytest.mark.parametrize("component", SOURCES_AND_SINKS.values(), ids=SOURCES_AND_SINKS)
def test_a_source_or_sink_is_built_from_named_and_typed_settings(component: type[Any]) -> None:
    given = list(inspect.signature(component.__init__).parameters.values())[1:]
    starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    assert [p.name for p in given if p.annotation is p.empty or p.kind in starred] == []


def offenders(rule: Callable[[Path, ast.Module], list[Any]]) -> dict[str, list[Any]]:
    """By file, what breaks a rule."""
    found = {path.relative_to(ROOT).as_posix(): rule(path, ast.parse(path.read_text())) for path in FILES}
    return {name: broken for name, broken in found.items() if broken}


def test_only_sources_sinks_flows_and_the_streaming_files_of_rules_know_engine_broker_and_http() -> None:
    def strangers(path: Path, tree: ast.Module) -> list[str]:
        place = path.relative_to(ROOT).as_posix()
        return [name for name in imports(tree) & set(MAY_IMPORT) if not place.startswith(MAY_IMPORT[name])]

    assert offenders(strangers) == {}


def test_no_module_does_anything_outside_itself_while_it_is_imported() -> None:
    assert offenders(lambda _, tree: sorted(IO_CALLS.intersection(calls_at_import(tree)))) == {}


@pytest.mark.parametrize("line", ["x = open('f')", "class A:\n    p = Path('f').read_text()", "print('hi')"])
def test_a_module_that_breaks_this_rule_is_found(line: str) -> None:
    assert not IO_CALLS.isdisjoint(calls_at_import(ast.parse(line)))


def test_no_module_checks_at_run_time_with_assert() -> None:
    assert offenders(lambda _, tree: [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Assert)]) == {}


def swallows(handler: ast.ExceptHandler) -> bool:
    caught = {"Exception"} if handler.type is None else {ast.unparse(n) for n in ast.walk(handler.type)}
    broad = caught & {"Exception", "BaseException"}
    return bool(broad) and not any(isinstance(node, ast.Raise) or keeps(node, handler) for node in ast.walk(handler))


def keeps(node: ast.AST, handler: ast.ExceptHandler) -> bool:
    """Whether a thread keeps its error for whoever waits for it."""
    kept = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute)
    return kept and isinstance(node.value, ast.Name) and node.value.id == handler.name


@pytest.mark.parametrize("caught", ["", " Exception", " (ValueError, Exception)"])
def test_a_handler_that_swallows_every_error_is_found(caught: str) -> None:
    (statement,) = ast.parse(f"try:\n    f()\nexcept{caught}:\n    g()").body
    assert isinstance(statement, ast.Try)
    assert swallows(statement.handlers[0])


def test_no_module_swallows_every_error() -> None:
    def handlers(_: Path, tree: ast.Module) -> list[int]:
        return [n.lineno for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and swallows(n)]

    assert offenders(handlers) == {}


def test_every_module_says_what_it_is_for() -> None:
    assert [module.__name__ for module in modules() if not (module.__doc__ or "").strip()] == []


def test_every_error_of_ours_says_how_one_recovers() -> None:
    errors = components(Exception)
    homeless = {n for n, e in errors.items() if n.startswith(PACKAGES) and not issubclass(e, MillraceError)}
    # Signals between two modules of one package that never leave it.
    assert homeless <= INTERNAL_ERRORS


INTERNAL_ERRORS = {
    "schemas.cursor.Fault",
    "schemas.mapping.json_rows._Unreadable",
    "sources.readers.own_json.NotOfContract",
    "schemas.codec_fast.UnsupportedError",
    "schemas.plan.IncompatibleError",
    "sinks.erp.wire.AnswerTooLong",
    "sinks.erp.wire.BrokenExchange",
    "sinks.erp.wire.NotReachable",
}


def test_every_settings_model_refuses_unknown_keys() -> None:
    """A misspelt key that is ignored is a setting that is not set."""
    models = components(BaseModel)
    assert [name for name, model in models.items() if model.model_config.get("extra") != "forbid"] == []


def test_every_contract_file_is_registered_under_its_name() -> None:
    assert set(contracts()) == {path.stem for path in AVRO_FOLDER.glob("*.avsc")}


def test_every_contract_that_a_flow_names_exists_and_every_event_has_a_code() -> None:
    assert {*EVENTS, *REFERENCES, *OUTPUTS} <= set(contracts())
    assert set(EVENTS) <= set(CONTRACT_CODE) <= set(contracts())
    for flow in FLOWS.values():
        assert {*flow.settings.references, *flow.settings.outputs} <= set(contracts())
        assert set(flow.settings.events) <= set(CONTRACT_CODE)


def test_codes_of_contracts_never_change() -> None:
    """They stand in snapshots and decide which part of `origin` is the partition."""
    assert list(CONTRACT_CODE.values()) == list(range(1, len(CONTRACT_CODE) + 1))
    assert list(CONTRACT_CODE)[:3] == ["MachineCycle", "MachineState", "OperationReport"]
    assert list(CONTRACT_CODE)[3:5] == ["MaterialConsumption", "InventoryBalance"]


@pytest.mark.parametrize("name", CONNECTORS)
def test_a_connector_has_an_erp_in_the_suite_documents_and_options_of_its_own(name: str) -> None:
    assert issubclass(service_of(name), ErpService)
    assert name in (ROOT / "docs" / "settings.md").read_text()
    assert name in (ROOT / "docs" / "posting.md").read_text()
    module = importlib.import_module(f"sinks.erp.{name}")
    options = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
    assert [c for c in options if issubclass(c, Options)]
    assert "Effect:" in (module.__doc__ or "")


@pytest.mark.parametrize("name", CONNECTORS)
def test_a_connector_offers_what_the_driver_calls(name: str) -> None:
    made = CONNECTORS[name](service_of(name).options)
    wanted = [n for n, f in inspect.getmembers(Connector, inspect.isfunction) if not n.startswith("_")]
    assert [method for method in wanted if not callable(getattr(made, method, None))] == []
    assert made.kinds <= set(contracts())


def test_every_fail_point_is_named_for_a_component_and_a_moment_and_listed() -> None:
    names = {name for path in FILES for name in FAILPOINT.findall(path.read_text())}
    assert "lane.before_snapshot" in names
    assert [n for n in names if not re.fullmatch(r"[a-z]+\.(before|after|between)_[a-z]+", n)] == []
    listed = "".join((ROOT / page).read_text() for page in DOCUMENTED)
    assert [name for name in sorted(names) if f"`{name}`" not in listed] == []
