"""The journal: typed entries from every node, and views of them."""

from edgesim.journal import events
from edgesim.journal.bounds import Bounds
from edgesim.journal.entry import Direction, Entry
from edgesim.journal.events import Event
from edgesim.journal.journal import Journal, Recorder
from edgesim.journal.selection import Selection
from edgesim.journal.world_events import watch_world

__all__ = ["Bounds", "Direction", "Entry", "Event", "Journal", "Recorder", "Selection", "events", "watch_world"]
