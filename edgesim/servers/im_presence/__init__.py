"""Cisco Unified Communications Manager IM and Presence Service: SOAP sign-in, XMPP, and XMPP over XCP."""

from edgesim.servers.im_presence.node import ImPresence

__all__ = ["ImPresence"]
