"""Scripted hosts: a scenario controls a host message by message.

``await lab.script("ucm-sub")`` takes a host's place: its product is stopped, or was never started; the name, the
addresses and the certificates stay. What it receives is journalled as on any host. It must be read in order: a message
other than the one that the script waits for fails the scenario at once; one that was not read fails it at the end.

A script runs in the story's own process: it alone in this package holds live connections.
"""

from edgesim.scenario.scripted.host import ScriptedHost

__all__ = ["ScriptedHost"]
