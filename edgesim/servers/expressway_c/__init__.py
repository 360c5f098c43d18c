"""Expressway-C: the traversal client inside, which holds the configuration and decides."""

from edgesim.servers.expressway_c.product import ExpresswayC

__all__ = ["ExpresswayC"]
