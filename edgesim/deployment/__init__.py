"""The typed description of a lab, its releases and gates, its files, and every named default."""

from edgesim.deployment.defaults import Defaults
from edgesim.deployment.dump import as_yaml
from edgesim.deployment.features import Gate, closed, gate, gates
from edgesim.deployment.hosts import HostSpec
from edgesim.deployment.loading import builtin, load, load_data, load_file, load_text, names
from edgesim.deployment.mistakes import DeploymentError, Mistake, NoDeployment
from edgesim.deployment.model import Deployment, resolve
from edgesim.deployment.plan.model import Plan
from edgesim.deployment.plan.schema import json_schema
from edgesim.deployment.records import Record
from edgesim.deployment.releases import Product, Release

__all__ = [
    "Defaults",
    "Deployment",
    "DeploymentError",
    "Gate",
    "HostSpec",
    "Mistake",
    "NoDeployment",
    "Plan",
    "Product",
    "Record",
    "Release",
    "as_yaml",
    "builtin",
    "closed",
    "gate",
    "gates",
    "json_schema",
    "load",
    "load_data",
    "load_file",
    "load_text",
    "names",
    "resolve",
]
