"""`python -m tests.image`: the image is built from a debootstrap base, looked into, and run on nothing but a broker."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from tests.image.daemon import Docker
from tests.image.flow import CONFINED, FlowInContainer

ROOT = Path(__file__).parents[2]
IMAGE, DEMO_IMAGE = "millrace:check", "millrace:check-demo"
#: As k8s/overlays/demo asks for it.
DEMO = ("--build-arg", "EXTRAS=postgres,objectstore,sandbox")
#: What would let somebody in a container make or fetch more.
TOOLS = ("pip", "pip3", "gcc", "cc", "make", "git", "curl", "wget", "ensurepip")


class Failed(Exception):
    """The image is not what it should be."""


def main() -> None:
    """Build, look, run; exit code 1 at the first thing that is not as it should be."""
    with Docker() as docker:
        begun = time.monotonic()
        docker("build", "--network", "host", "--build-arg", f"BASE={docker.base}", "-t", IMAGE, str(ROOT))
        say(f"built in {time.monotonic() - begun:.0f} s: {size(docker)}")
        look(docker)
        with tempfile.TemporaryDirectory() as folder, FlowInContainer(docker, IMAGE, Path(folder)) as flow:
            say(f"network of the container: {flow.interfaces()}")
            clock, cpu = flow.seconds_to_first_batch()
            say(f"first batch {clock:.1f} s after its start, for which it took {cpu:.1f} s of CPU")
            say(f"health: {flow.health()}")
            say(f"drained by SIGTERM with exit status {flow.drain()}, state kept: {flow.kept()}")
        docker("build", "--network", "host", "--build-arg", f"BASE={docker.base}", *DEMO, "-t", DEMO_IMAGE, str(ROOT))
        for module in ("sandbox.erp", "sandbox.cluster_day"):
            inside(docker, f"python -m {module} --help", DEMO_IMAGE)
        say("the demo overlay's image has its ERP and its plant")


def say(line: str) -> None:
    """Tell how far it is."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def size(docker: Docker) -> str:
    """Of the image, and of the base under it, in MB."""
    whole, base = (int(docker("inspect", "-f", "{{.Size}}", name)) // 10**6 for name in (IMAGE, docker.base))
    return f"{whole} MB, of which the base has {base} MB"


def look(docker: Docker) -> None:
    """User, tools, bill of materials."""
    user = docker("inspect", "-f", "{{.Config.User}}", IMAGE)
    if user != "10001:10001":
        raise Failed(f"runs as {user!r}")
    found = inside(docker, f"for each in {' '.join(TOOLS)}; do command -v $each; done; true")
    can = "for each in pip ensurepip setuptools; do python -c import\\ $each 2>/dev/null && echo $each; done; true"
    modules = inside(docker, can)
    if found or modules:
        raise Failed(f"has tools that build: {found} {modules}")
    bill = json.loads(inside(docker, "cat /opt/runtime/sbom.cdx.json"))
    kinds = [each["purl"].partition("/")[0] for each in bill["components"]]
    counts = f"{kinds.count('pkg:pypi')} Python packages, {kinds.count('pkg:deb')} of Debian"
    say(f"no build tools; bill of materials: {counts}")
    say(f"version {inside(docker, 'millrace version')}, as {inside(docker, 'id -u')}")


def inside(docker: Docker, script: str, image: str = IMAGE) -> str:
    """What a shell prints in a container that may do nothing."""
    return docker("run", "--rm", *CONFINED, "--network", "none", "--entrypoint", "sh", image, "-c", script)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))
