"""Expressway-E: the traversal server in the DMZ."""

from edgesim.servers.expressway_e.product import ExpresswayE

__all__ = ["ExpresswayE"]
