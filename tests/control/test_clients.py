"""Clients by commands, in process and over HTTP: who signs in where, what a client shows, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from edgesim.control import (
    AddCa,
    AddContact,
    Carrier,
    ClientView,
    CloseClient,
    CloseMedia,
    ControlError,
    Crash,
    FailDns,
    LiftDnsFailure,
    LookAtClient,
    OpenMedia,
    PowerOff,
    PresenceOf,
    ReceiveMedia,
    Resolve,
    Say,
    SendMedia,
    Settle,
    SignIn,
    SignOut,
    StartHost,
    TookTooLong,
    Unsupported,
)
from edgesim.lab import RunningLab
from tests.control.players import Story, in_process, over_http

Play = Callable[[Story], None]
EDGE = "_collab-edge._tls.example.com"


async def shown(ask: Carrier, machine: str) -> ClientView:
    return await ask.ask(LookAtClient(host=machine))


def test_two_users_sign_in_and_talk(play: Play) -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        assert not (await shown(ask, "jabber-1")).user, "it was never used"
        assert (await ask.ask(PresenceOf(host="jabber-1", user="bob"))).text == "unavailable"
        for machine, user in (("jabber-1", "alice"), ("jabber-2", "bob")):
            came = await ask.ask(SignIn(host=machine, user=user))
            assert came.ok and came.phone and came.chat and came.outside, came
        await ask.ask(AddContact(host="jabber-1", user="bob"))
        await ask.ask(Say(host="jabber-1", to="bob", text="ä <&>"))
        await asyncio.sleep(2)
        assert (await ask.ask(PresenceOf(host="jabber-1", user="bob"))).text == "available"
        alice, bob = await shown(ask, "jabber-1"), await shown(ask, "jabber-2")
        assert bob.messages == (("alice@example.com", "ä <&>"),)
        assert alice.registered and alice.device == "CSFALICE" and alice.jid.startswith("alice@example.com/")
        assert dict(alice.contacts).get("bob@example.com") is not None
        with pytest.raises(ControlError, match="alice uses jabber-1"):
            await ask.ask(SignIn(host="jabber-1", user="bob"))
        await ask.ask(SignOut(host="jabber-1"))
        assert not (await shown(ask, "jabber-1")).registered
        with pytest.raises(ControlError, match="no chat session"):
            await ask.ask(Say(host="jabber-1", to="bob", text="?"))
        await ask.ask(CloseClient(host="jabber-2"))
        came = await ask.ask(SignIn(host="jabber-2", user="mallory", password="guess"))
        assert not came.ok and came.stage == "edge configuration", "a machine is free for the next once it is closed"

    play(story)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (SignIn(host="jabber-1", user="nobody"), "somebody unknown needs a password"),
        (SignIn(host="ucm-pub", user="alice"), "ucm-pub is not a machine of clients"),
        (SignIn(host="jabber-1"), "jabber-1 is not a device of deployment 'small'"),
        (Say(host="jabber-1", to="bob", text="?"), "Jabber is not used on jabber-1"),
        (AddCa(host="jabber-1", ca="nothing"), "no CA 'nothing'; known: public"),
        (FailDns(host="ucm-pub"), "ucm-pub is not a name server"),
        (SendMedia(host="jabber-1", number=9, address="192.0.2.1", port=9), "jabber-1 has no end 9 of a media path"),
    ],
)
def test_what_clients_and_hosts_refuse(command: SignIn, told: str) -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        with pytest.raises(ControlError, match=told):
            await ask.ask(command)

    in_process(story)


def test_names_are_asked_for_and_a_name_server_fails(play: Play) -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        question = Resolve(host="jabber-1", question=EDGE, type="SRV")
        assert (await ask.ask(question)).records == ("SRV 10 10 8443 expe.example.com",)
        question = Resolve(host="jabber-2", question=EDGE, type="SRV")  # its own cache
        number = (await ask.ask(FailDns(host="dns-outside", question=EDGE, rcode="REFUSED"))).number
        failed = await ask.ask(question)
        assert not failed.records and failed.status == "REFUSED", failed
        await ask.ask(LiftDnsFailure(host="dns-outside", number=number))
        with pytest.raises(ControlError, match=f"dns-outside has no failure {number}"):
            await ask.ask(LiftDnsFailure(host="dns-outside", number=number))
        assert (await ask.ask(question)).records

    play(story)


def test_what_waits_has_an_end(play: Play) -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        assert (await ask.ask(Settle(within=5))).stand
        await ask.ask(Crash(host="expc"))
        await asyncio.sleep(1)  # Expressway-E learns of it
        before = lab.world.now()
        assert not (await ask.ask(Settle(within=0.5))).stand
        assert 0.4e9 < lab.world.now() - before < 5e9
        end = (await ask.ask(OpenMedia(host="jabber-1"))).number
        with pytest.raises(TookTooLong, match=r"receive-media did not end within 0\.2 s"):
            await ask.ask(ReceiveMedia(host="jabber-1", number=end, within=0.2))
        await ask.ask(CloseMedia(host="jabber-1", number=end))
        await ask.ask(StartHost(host="expc"))

    play(story)


def test_media_goes_from_one_end_to_the_other(play: Play) -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        echo = (await ask.ask(OpenMedia(host="inside-2", port=20_000, echo=True))).number
        end = (await ask.ask(OpenMedia(host="inside-1"))).number
        address = lab.node("inside-2").host.address()
        await ask.ask(SendMedia(host="inside-1", number=end, address=address, port=20_000))
        packet = bytes.fromhex((await ask.ask(ReceiveMedia(host="inside-1", number=end))).octets)
        assert packet[:2] == b"\x80\x00" and len(packet) == 172
        for host, number in (("inside-1", end), ("inside-2", echo), ("inside-2", echo)):
            await ask.ask(CloseMedia(host=host, number=number))

    play(story)


def test_unsupported_capabilities_have_their_own_error_over_http() -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        with pytest.raises(Unsupported, match="power loss"):
            await ask.ask(PowerOff(host="jabber-1"))

    over_http(story)
