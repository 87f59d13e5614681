"""`millrace health`: what the probes of a running flow or poster say, as an exit code for images without curl.

Imports little, since an orchestrator calls it every few seconds.
"""

from __future__ import annotations

import http.client
import os
from typing import Annotated

import typer

#: Port that images serve metrics and probes on, unless told otherwise.
PORT = 9464
_TIMEOUT_S = 5.0


def health(
    *,
    live: Annotated[bool, typer.Option("--live", help="Whether the worker loop advances.")] = False,
    ready: Annotated[bool, typer.Option("--ready", help="Whether sources are assigned and state is restored.")] = False,
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65_535, help="Its metrics_port; else that of the environment.")
    ] = None,
    processes: Annotated[
        int, typer.Option("--processes", min=1, help="Processes of a cluster on this machine, each on the next port.")
    ] = 1,
) -> None:
    """Ask a flow or poster on this machine how it is; without --live or --ready both are asked.

    Exit codes: 0 all say yes, 1 one says no or does not answer.

    Example: `millrace health --ready --port 9464`
    """
    port = port or int(os.environ.get("MILLRACE_METRICS_PORT") or os.environ.get("MILLRACE_POST_METRICS_PORT") or PORT)
    asked = [path for path, wanted in (("/livez", live), ("/readyz", ready)) if wanted] or ["/livez", "/readyz"]
    answers = [ask(port + number, path) for number in range(processes) for path in asked]
    for _, why in answers:
        typer.echo(why)
    raise typer.Exit(0 if all(holds for holds, _ in answers) else 1)


def ask(port: int, path: str) -> tuple[bool, str]:
    """Whether a probe holds, and what it says."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status == http.client.OK, f"{path}: {answer.read().decode('utf-8', 'replace').strip()}"
    except ConnectionRefusedError:
        why = "flow or poster has not come so far, has ended, or serves another metrics_port"
        return False, f"{path}: nothing listens on port {port} of this machine: {why}"
    except TimeoutError:
        return False, f"{path}: port {port} took the question and gave no answer within {_TIMEOUT_S:g} s"
    except (http.client.RemoteDisconnected, ConnectionError):
        return False, f"{path}: the process behind port {port} ended the connection without an answer"
    except http.client.HTTPException:
        return False, f"{path}: what listens on port {port} is no flow or poster"
    except OSError as error:
        return False, f"{path}: port {port} cannot be asked: {error.strerror}"
    finally:
        connection.close()


def main() -> None:
    """The command alone, without the others' imports."""
    app = typer.Typer(add_completion=False, context_settings={"help_option_names": ["-h", "--help"]})
    app.command()(health)
    app()
