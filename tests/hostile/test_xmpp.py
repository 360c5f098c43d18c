"""Hostile XML on the streams of 5222, before and after TLS, and on the XCP links."""

# ruff: noqa: E501 - an input reads best on one line

from __future__ import annotations

import pytest

from edgesim.xmpp.component_stream import component_of, realm_of
from edgesim.xmpp.xcp import XcpLink
from edgesim.xmpp.xcp_events import LinkUp
from tests.hostile.case import Case
from tests.hostile.lab import DOORS, Arena, Door, Wire, under_attack
from tests.hostile.xmpp_inputs import BOMB, CREDENTIALS, ERROR, EXTERNAL, HEADER, HEADERS, STANZAS, XCP_HEADERS

XMPP = [door for door in DOORS if door.dialect == "xmpp"]
XCP = [door for door in DOORS if door.dialect == "xcp"]


@pytest.mark.parametrize("door", XMPP, ids=str)
def test_before_tls(door: Door) -> None:
    async def story(arena: Arena) -> None:
        await arena.strike_all(door, [*HEADERS, *STANZAS])

    under_attack(story)


@pytest.mark.parametrize("door", XMPP, ids=str)
def test_behind_tls(door: Door) -> None:
    async def story(arena: Arena) -> None:
        await arena.strike_all(
            door, [*HEADERS, *STANZAS, *CREDENTIALS], prepare=lambda wire: arena.start_tls(door, wire)
        )
        await arena.alice_refreshes()

    under_attack(story)


@pytest.mark.parametrize("door", XMPP, ids=str)
def test_garbage_in_place_of_the_handshake(door: Door) -> None:
    async def story(arena: Arena) -> None:
        for octets in (b"\x16\x03\x01\xff\xff" + b"\0" * 100, b"<stream:stream>", b""):
            wire = await arena.open(door)
            wire.send(
                b"<?xml version='1.0'?><stream:stream to='example.com' version='1.0' xmlns='jabber:client' "
                b"xmlns:stream='http://etherx.jabber.org/streams'><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
            )
            await wire.quiet()
            wire.send(octets)
            assert await wire.over()

    under_attack(story)


IQ = rb".*<iq [^>]*type='(error|result)'"
SIGNED_IN = [
    Case(name=name, pieces=[octets], answer=answer, never=b"bob-secret")
    for name, octets, answer in (
        ("an iq of nobody", b"<iq type='get' id='1'><x xmlns='y'/></iq>", IQ),
        ("an iq without a child", b"<iq type='get' id='2'/>", IQ),
        ("an iq without a type", b"<iq id='3'><x xmlns='y'/></iq>", None),
        ("an iq of another type", b"<iq type='steal' id='4'><x xmlns='y'/></iq>", None),
        ("an answer to nothing", b"<iq type='result' id='5'/>", None),
        ("the roster of bob", b"<iq type='get' id='6' to='bob@example.com'><query xmlns='jabber:iq:roster'/></iq>", IQ),
        ("a roster of nonsense", b"<iq type='set' id='7'><query xmlns='jabber:iq:roster'><item jid='@@@'/></query></iq>", IQ),
        ("a second binding", b"<iq type='set' id='8'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", None),
        ("a message to nobody", b"<message to='nobody@example.com' type='chat'><body>x</body></message>", None),
        ("a message to a host that is none", b"<message to='@' type='chat'><body>x</body></message>", None),
        ("a message from bob", b"<message from='bob@example.com' to='alice@example.com'><body>x</body></message>", None),
        ("a message elsewhere", b"<message to='root@169.254.169.254'><body>x</body></message>", None),
        ("presence to everybody", b"".join(b"<presence to='u%d@example.com' type='subscribe'/>" % n for n in range(500)), None),
        ("presence of another type", b"<presence type='omnipresent'/>", None),
        ("a thousand messages", b"<message to='carol@example.com' type='chat'><body>x</body></message>" * 1_000, None),
        ("text that is markup", b"<message to='carol@example.com'><body>&lt;/stream:stream&gt;]]&gt;</body></message>", None),
        ("a stanza of nobody", b"<gift xmlns='jabber:client'/>", None),
        ("more authentication", b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>", None),
        ("TLS once more", b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", None),
    )
]  # fmt: skip


@pytest.mark.parametrize("door", XMPP, ids=str)
def test_from_a_user_who_signed_in(door: Door) -> None:
    async def story(arena: Arena) -> None:
        broken = [case for case in STANZAS if "authentication" not in case.name and "second" not in case.name]
        cases = [
            *SIGNED_IN,
            *[Case(name=c.name, pieces=[c.pieces[0].removeprefix(HEADER)], answer=ERROR, closes=True) for c in broken],
        ]
        await arena.strike_all(door, cases, prepare=lambda wire: arena.authenticate(door, wire, "carol"))
        await arena.alice_refreshes()

    under_attack(story)


@pytest.mark.parametrize("door", XCP, ids=str)
def test_links_of_a_stranger_with_a_certificate(door: Door) -> None:
    async def story(arena: Arena) -> None:
        await arena.strike_all(door, XCP_HEADERS)

    under_attack(story)


def _element(text: bytes) -> bytes:
    return text.replace(b"<route ", b"<route xmlns='urn:edgesim:xcp:0' ")


LINK = [
    Case(name=name, pieces=[_element(octets)], answer=ERROR, closes=True, malformed=True)
    for name, octets in (
        ("a comment", b"<!-- x -->"),
        ("a bomb", BOMB),
        ("an external entity", EXTERNAL),
        ("an element of nobody", b"<x xmlns='y'/>"),
        ("a route of no type", b"<route session='d1'/>"),
        ("a route of another type", b"<route session='d1' type='x'/>"),
        ("an opening with the other side's id", b"<route session='a1' type='open' client='x' domain='y' stream='z'/>"),
        ("a session id without end", b"<route session='d" + b"1" * 500 + b"' type='open' client='x' domain='y'/>"),
        ("credit of nonsense", b"<route session='d1' type='open' client='1.2.3.4:5' domain='example.com' stream='s'/>"
                               b"<route session='d1' type='credit' octets='x'/>"),
        ("credit without end", b"<route session='d1' type='open' client='1.2.3.4:5' domain='example.com' stream='s'/>"
                               b"<route session='d1' type='credit' octets='99999999999999'/>"),
        ("more than the window", b"<route session='d1' type='open' client='1.2.3.4:5' domain='example.com' stream='s'/>"
                                 b"<route session='d1' type='data'>" + b"x" * 100_000 + b"</route>"),
        ("an element without end", b"<route session='d1' type='data'>" + b"x" * 400_000),
    )
] + [
    Case(name="sessions without end", answer=rb".*type='close' reason='resource-constraint'", pieces=[b"".join(
        _element(b"<route session='d%d' type='open' client='1.2.3.4:5' domain='example.com' stream='s'/>" % n)
        for n in range(10_050))]),
    Case(name="data of no session", pieces=[_element(b"<route session='d77' type='data'>x</route>") * 1_000]),
    Case(name="the end of no session", pieces=[_element(b"<route session='a77' type='close'/>") * 1_000]),
]  # fmt: skip
"""What somebody may send who has stolen Expressway-C's key and the secret of the links."""


@pytest.mark.parametrize("door", XCP, ids=str)
def test_links_of_a_stranger_who_has_the_secret(door: Door) -> None:
    async def story(arena: Arena) -> None:
        fqdn = arena.lab.deployment.host(door.host).fqdn
        secret = arena.lab.deployment.xcp_link.secret

        async def shake_hands(wire: Wire) -> None:
            link = XcpLink.dial(component=component_of("expc.inside.example.com"), realm=realm_of(fqdn), secret=secret)
            wire.send(link.data_to_send())
            taken = 0
            for _ in range(3):
                await wire.quiet(0.5)
                link.feed(bytes(wire.heard[taken:]))
                taken = len(wire.heard)
                while (event := link.next_event()) is not None:
                    if isinstance(event, LinkUp):
                        return
                wire.send(link.data_to_send())
            raise AssertionError(f"no link: {bytes(wire.heard)!r}")

        failures = []
        for case in LINK:
            try:
                await arena.strike(door, case, prepare=shake_hands)
            except AssertionError as error:
                failures.append(str(error).partition("\n")[0])
        assert not failures, "\n".join(failures)
        await arena.alice_refreshes()

    under_attack(story)
