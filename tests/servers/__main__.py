"""`python -m tests.servers` gets what the servers consist of ahead of the tests."""

from tests.servers.jars import jars
from tests.servers.odata import packages
from tests.servers.tryton import prepared

for server in ("kafka", "registry"):
    jars(server)

prepared()
packages()
