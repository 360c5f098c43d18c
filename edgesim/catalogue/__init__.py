"""The documented behaviours of the MRA edge, with the scenarios and rules that show each of them."""

from edgesim.catalogue.catalogue import Catalogue, Shown, Shows, UnknownRow, groups, row, rows
from edgesim.catalogue.row import Kind, Row
from edgesim.catalogue.standing import Standing

__all__ = ["Catalogue", "Kind", "Row", "Shown", "Shows", "Standing", "UnknownRow", "groups", "row", "rows"]
