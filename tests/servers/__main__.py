"""`python -m tests.servers` gets the jars of all servers ahead of the tests."""

from tests.servers.jars import jars

for server in ("kafka", "registry"):
    jars(server)
