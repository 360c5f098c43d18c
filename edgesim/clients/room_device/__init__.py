"""A simulated room device: TC, CE and RoomOS."""

from edgesim.clients.room_device.device import RoomDevice

__all__ = ["RoomDevice"]
