"""`millrace contracts`: the toolchain around the contracts in `schemas/avro`."""

from __future__ import annotations

import typer

from millrace.cli import (
    contracts_acls,
    contracts_check,
    contracts_docs,
    contracts_lint,
    contracts_partners,
    contracts_register,
    contracts_samples,
    contracts_validate,
)

app = typer.Typer(no_args_is_help=True)


@app.callback()
def contracts() -> None:
    """Contracts: lint, compatibility, registry, samples, load, validation, documentation.

    Exit codes of all commands: 0 fine, 1 something was found or refused, 2 wrong use, files or settings.
    """


app.command("lint")(contracts_lint.lint)
app.command("check")(contracts_check.check)
app.command("release")(contracts_register.release)
app.command("register")(contracts_register.register)
app.command("new")(contracts_samples.new)
app.command("sample")(contracts_samples.sample)
app.command("produce")(contracts_samples.produce)
app.command("validate")(contracts_validate.validate)
app.command("usage")(contracts_validate.usage)
app.command("docs")(contracts_docs.docs)
app.command("acls")(contracts_acls.acls)
app.command("view")(contracts_partners.view)
app.command("forward")(contracts_partners.forward)
