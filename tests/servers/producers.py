"""The example producers in Node and Java, with packages and classes in the cache, once per version of their files."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.servers.jars import ServersUnavailable, cache, java
from tests.servers.odata import node

EXAMPLES = Path(__file__).parents[2] / "examples" / "producers"
_JAVA_FILES = ("pom.xml", *(f"src/main/java/io/millrace/example/{name}.java" for name in ("Cycles", "Produce")))
_NODE_FILES = ("package.json", "package-lock.json", "logical_types.js", "produce.js")


def node_command() -> list[str]:
    """Program of the Node example; its arguments follow.

    Raises:
        ServersUnavailable: Node or npm is missing, or the packages cannot be had.
    """
    program = node()
    folder = _made("node", _NODE_FILES, _install)
    return [program, str(folder / "produce.js")]


def java_command() -> list[str]:
    """Program of the Java example; its arguments follow.

    Raises:
        ServersUnavailable: Java, its compiler or Maven is missing, or the jars cannot be had.
    """
    program = java()
    folder = _made("java", _JAVA_FILES, _compile)
    classes = os.pathsep.join([f"{folder}/target/classes", f"{folder}/target/libs/*"])
    options = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    return [program, *options, "-cp", classes, "io.millrace.example.Produce"]


def _made(language: str, names: Sequence[str], make: Callable[[Path], None]) -> Path:
    """Folder of the example with what it needs; one process makes it, the others wait."""
    content = b"".join((EXAMPLES / language / name).read_bytes() for name in names)
    target = cache() / f"producer-{language}-{hashlib.sha256(content).hexdigest()[:12]}"
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"producer-{language}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=cache()) as folder:
                project = Path(folder) / "project"
                for name in names:
                    (project / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(EXAMPLES / language / name, project / name)
                make(project)
                project.rename(target)
    return target


def _install(folder: Path) -> None:
    _run(folder, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")


def _compile(folder: Path) -> None:
    if shutil.which("javac") is None:
        raise ServersUnavailable("Install a Java development kit 17 or newer to compile the Java example.")
    goals = ("compile", "dependency:copy-dependencies")
    _run(folder, "mvn", "-q", "-B", *goals, "-DincludeScope=runtime", "-DoutputDirectory=target/libs")


def _run(folder: Path, program: str, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise ServersUnavailable(f"Install {program} to run the example producers.")
    done = subprocess.run([found, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServersUnavailable(f"{program} could not prepare {folder.name}:\n{(done.stdout + done.stderr)[-2000:]}")
