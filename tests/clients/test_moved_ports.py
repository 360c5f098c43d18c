"""A lab lives on the ports that its deployment gives it: nothing else names one by its usual number."""

from __future__ import annotations

from edgesim.deployment.defaults import PortDefaults
from edgesim.deployment.defaults.planned import SUBJECTS
from edgesim.journal import events
from tests.clients.desk import Desk, play

SHIPPED = PortDefaults().model_dump()
RANGES = ("_first", "_last", "multiplex_rtp", "multiplex_rtcp")
MOVED = {
    name: port + 1000 for name, port in SHIPPED.items() if f"ports.{name}" not in SUBJECTS and not name.endswith(RANGES)
}
LINKS = {2222, 7001, 7400}
"""The ports of the links between the Expressways are in separate sections."""


def test_sign_ins_outside_and_inside_find_every_port_that_was_moved() -> None:
    async def story(desk: Desk) -> None:
        for user, machine in (("alice", "jabber-1"), ("bob", "inside-1")):
            result = await desk.jabber(user, machine).sign_in()
            assert result.ok and result.phone and result.chat, (machine, result.reason)
        used = {entry.event.port for entry in desk.entries(events.TcpOpened)}
        assert used <= {*MOVED.values(), *LINKS}
        assert {MOVED[name] for name in ("edge_https", "edge_sip", "edge_xmpp", "uds", "soap", "sip")} <= used

    play(story, changes={f"defaults.ports.{name}": port for name, port in MOVED.items()})
