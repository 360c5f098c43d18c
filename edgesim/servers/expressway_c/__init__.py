"""Expressway-C: the traversal client inside, which holds the configuration and makes the decisions."""

from edgesim.servers.expressway_c.product import ExpresswayC

__all__ = ["ExpresswayC"]
