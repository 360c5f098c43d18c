"""What nodes of IM and Presence accept only from each other: an Expressway-C that poses as a node is refused."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.clients.jabber import Jabber
from edgesim.journal import events
from edgesim.pki import client_context
from edgesim.xmpp import component_stream, sasl, xcp_events
from edgesim.xmpp.link import XcpConnection
from edgesim.xmpp.xcp import XcpLink
from edgesim.xmpp.xml import CLIENT, element
from tests.clients.desk import Desk, play

PUB = "imp-pub.inside.example.com"


class Poser:
    """A link to imp-pub from a host, which names itself as it likes and shows the certificate that it has."""

    def __init__(self, desk: Desk, host: str, service: str, claims: str) -> None:
        self.node = desk.lab.node(host)
        self.heard: list[xcp_events.XcpEvent] = []
        self.service = service
        link = XcpLink.dial(
            component=component_stream.component_of(claims),
            realm=component_stream.realm_of(PUB),
            secret=desk.lab.deployment.xcp_link.secret,
        )
        self.connection = XcpConnection(
            link,
            recorder=self.node.journal,
            on_event=lambda _, event: self.heard.append(event),
            keepalive=30,
            patience=10,
        )

    async def dial(self) -> None:
        tls = client_context(self.node.trusts[self.trust], identity=self.node.identities[self.service])
        await asyncio.get_running_loop().create_connection(
            lambda: self.connection, "10.0.40.21", 7400, ssl=tls, server_hostname=PUB
        )
        await asyncio.sleep(1)
        assert self.connection.up

    @property
    def trust(self) -> str:
        return "cup-xmpp-trust" if self.service == "cup-xmpp" else "trusted-ca"

    def forge(self, sender: str) -> None:
        """Send alice a message, and hand a session of hers over."""
        message = element("message", CLIENT, element("body", CLIENT, "hello"), from_=sender, to="alice@example.com")
        self.connection.pass_on(message)
        session = self.connection.open("198.51.100.99:5", "example.com", "AB", resumed=True)
        self.connection.send(session, sasl.auth("PLAIN", sasl.encode_plain("alice", "alice-secret")).encode())


async def signed_in(desk: Desk) -> Jabber:
    alice = desk.jabber("alice")
    assert (await alice.sign_in()).chat
    return alice


@pytest.mark.parametrize(
    ("host", "service", "claims", "sender", "taken"),
    [
        ("imp-sub", "cup-xmpp", "imp-sub.inside.example.com", "bob@example.com/x", True),
        ("imp-sub", "cup-xmpp", "imp-sub.inside.example.com", "alice@example.com/x", False),  # no user of that node
        ("imp-sub", "cup-xmpp", "imp-sub.inside.example.com", "carol@example.com/x", False),
        ("expc1", "server", "imp-sub.inside.example.com", "bob@example.com/x", False),  # another's certificate
        ("expc1", "server", "expc1.inside.example.com", "bob@example.com/x", False),  # no node at all
    ],
)
def test_stanzas_of_other_nodes(host: str, service: str, claims: str, sender: str, taken: bool) -> None:
    async def story(desk: Desk) -> None:
        alice = await signed_in(desk)
        poser = Poser(desk, host, service, claims)

        async def work() -> None:
            await poser.dial()
            poser.forge(sender)
            await asyncio.sleep(1)

        await poser.node.host.run(work())
        assert alice.messages == ([(sender.partition("/")[0], "hello")] if taken else [])
        granted = [e for e in desk.entries(events.Authentication, "imp-pub") if e.event.how == "sasl PLAIN"]
        closed = [event.reason for event in poser.heard if isinstance(event, xcp_events.SessionClosed)]
        if host == "imp-sub":
            assert granted and granted[-1].event.granted and not closed
        else:
            assert not granted and closed == ["not-authorized"]
        poser.connection.close()

    play(story, deployment="cluster")


def test_a_full_address_of_another_node_is_asked_and_answers() -> None:
    async def story(desk: Desk) -> None:
        alice, bob = desk.jabber("alice"), desk.jabber("bob", where="inside-1")
        assert (await alice.sign_in()).chat and (await bob.sign_in()).chat
        assert alice.chat is not None and bob.chat is not None
        answer = await alice.node.host.run(_version(alice, str(bob.chat.boundjid)))
        assert answer == "feature-not-implemented"
        answer = await alice.node.host.run(_version(alice, "bob@example.com/nowhere"))
        assert answer == "service-unavailable"

    play(story, deployment="cluster")


async def _version(who: Jabber, to: str) -> str:
    import slixmpp

    assert who.chat is not None
    iq = who.chat.make_iq_get(queryxmlns="jabber:iq:version", ito=slixmpp.JID(to))
    try:
        await iq.send(timeout=5)
    except slixmpp.exceptions.IqError as error:
        return str(error.condition)
    return "result"
