"""A real ERP, Tryton 8, from its packages."""

from tests.servers.tryton.client import TrytonClient, TrytonRefused
from tests.servers.tryton.environment import prepared
from tests.servers.tryton.server import Tryton

__all__ = ["Tryton", "TrytonClient", "TrytonRefused", "prepared"]
