"""The typed description of a lab, its releases and gates, its files, and every named default."""

from edgesim.deployment.consistency import Mistake
from edgesim.deployment.defaults import Defaults
from edgesim.deployment.dump import as_yaml
from edgesim.deployment.features import Gate, closed, gate, gates
from edgesim.deployment.loading import builtin, load, load_data, load_file, load_text, names
from edgesim.deployment.model import Deployment, HostSpec
from edgesim.deployment.records import Record
from edgesim.deployment.releases import Product, Release
from edgesim.deployment.schema import json_schema
from edgesim.deployment.validation import DeploymentError, NoDeployment

__all__ = [
    "Defaults",
    "Deployment",
    "DeploymentError",
    "Gate",
    "HostSpec",
    "Mistake",
    "NoDeployment",
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
]
