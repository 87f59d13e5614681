"""`python -m tests.servers` gets what the servers consist of ahead of the tests."""

from tests.servers.jars import jars
from tests.servers.odata import packages
from tests.servers.producers import java_command, node_command
from tests.servers.tryton import prepared

for server in ("kafka", "registry"):
    jars(server)

prepared()
packages()
node_command()
java_command()
