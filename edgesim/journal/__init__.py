"""What happened: typed entries from every node, and the views of them."""

from edgesim.journal import events
from edgesim.journal.entry import Direction, Entry
from edgesim.journal.events import Event
from edgesim.journal.journal import Journal, Recorder

__all__ = ["Direction", "Entry", "Event", "Journal", "Recorder", "events"]
