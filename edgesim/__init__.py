"""edgesim: a testbed that stands in for the Cisco Mobile and Remote Access (MRA) edge."""

__version__ = "0.1.0"
