"""A simulated desk phone: 7800 and 8800 series, and DX with Android."""

from edgesim.clients.ip_phone.phone import IpPhone

__all__ = ["IpPhone"]
