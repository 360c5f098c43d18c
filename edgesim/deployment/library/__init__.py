"""The built-in deployments, as YAML files beside this module."""
