"""Cisco Unified Communications Manager: UDS, AXL, configuration files, and the registrar of lines."""

from edgesim.servers.unified_cm.node import UnifiedCm

__all__ = ["UnifiedCm"]
