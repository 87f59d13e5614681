"""Gets a server's jars with Maven, once per version, into a cache folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

_POMS = Path(__file__).parent / "poms"
_GOALS = {"kafka": "copy-dependencies", "registry": "unpack-dependencies"}
_JAVA = 17


class ServersUnavailable(RuntimeError):
    """Real servers cannot be had on this machine; the message says what to install."""


def cache() -> Path:
    """Folder that downloads are kept in: `MILLRACE_CACHE`, else `~/.cache/millrace`."""
    return Path(os.environ.get("MILLRACE_CACHE") or Path.home() / ".cache" / "millrace")


def java() -> str:
    """Path of a Java that can run the servers.

    Raises:
        ServersUnavailable: When there is none.
    """
    found = shutil.which("java")
    if found and _java_version(found) >= _JAVA:
        return found
    raise ServersUnavailable(f"Install Java {_JAVA} or newer and Maven to run what needs a real Kafka broker.")


def jars(server: str) -> Path:
    """Folder with the jars that `poms/<server>.xml` names; downloaded at the first call.

    Several processes may ask at the same time: one downloads, the others wait. A download that is cut short
    leaves nothing.

    Raises:
        ServersUnavailable: When Maven is missing or cannot get them.
    """
    pom = _POMS / f"{server}.xml"
    target = cache() / f"{server}-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"
    if target.is_dir():
        return target
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{server}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            _download(pom, _GOALS[server], target)
    return target


def _download(pom: Path, goal: str, target: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ServersUnavailable("Install Maven to get the jars of the real servers.")
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        # Maven leaves markers beside the file it reads, so it reads a copy.
        project = Path(shutil.copy(pom, Path(folder) / "pom.xml"))
        command = [maven, "-q", "-B", "-f", str(project), f"dependency:{goal}"]
        options = ["-DincludeScope=runtime", f"-DoutputDirectory={folder}/jars"]
        done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ServersUnavailable(f"Maven could not get the jars of {pom.stem}:\n{done.stdout[-2000:]}")
        (Path(folder) / "jars").rename(target)


def _java_version(program: str) -> int:
    text = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', text)
    return int(found.group(1)) if found else 0
