"""A real ERP, Tryton 8, from its packages."""

from tests.servers.tryton.environment import prepared
from tests.servers.tryton.server import Tryton, TrytonRefused

__all__ = ["Tryton", "TrytonRefused", "prepared"]
