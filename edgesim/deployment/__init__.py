"""The typed description of a lab, its releases and gates, its files, and every named default."""

from edgesim.deployment.consistency import Mistake
from edgesim.deployment.defaults import Defaults
from edgesim.deployment.load import builtin, names
from edgesim.deployment.model import Deployment, HostSpec
from edgesim.deployment.records import Record
from edgesim.deployment.releases import Product, Release

__all__ = ["Defaults", "Deployment", "HostSpec", "Mistake", "Product", "Record", "Release", "builtin", "names"]
