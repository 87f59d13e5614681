"""`millrace run` and `millrace post` without what the other commands import, which takes nearly as long again."""

from __future__ import annotations

import typer

from millrace.cli.ending import end_in_a_sentence


def run() -> None:
    """`millrace run ...`."""
    from millrace.cli.run import run as command  # noqa: PLC0415 - the point of it

    app = _app()
    app.command("run")(command)
    end_in_a_sentence(app)


def post() -> None:
    """`millrace post ...`, with its sub-commands."""
    from millrace.cli.post import app as commands  # noqa: PLC0415

    app = _app()
    app.add_typer(commands, name="post")
    end_in_a_sentence(app)


def _app() -> typer.Typer:
    app = typer.Typer(
        name="millrace", context_settings={"help_option_names": ["-h", "--help"]}, pretty_exceptions_enable=False
    )
    app.callback()(lambda: None)  # with one command alone, its name would not be expected
    return app
