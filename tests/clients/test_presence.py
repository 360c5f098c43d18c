"""Presence, contacts and messages of two users."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.clients.jabber import StageFailed
from edgesim.journal import events
from tests.clients.desk import INSIDE, OUTSIDE, Desk, play


def test_two_users_see_each_other() -> None:
    async def story(desk: Desk) -> None:
        alice, bob = desk.jabber("alice"), desk.jabber("bob", where=INSIDE)
        assert (await alice.sign_in()).chat
        await alice.add_contact("bob")
        await asyncio.sleep(1)
        assert alice.presence_of("bob") == "unavailable"

        assert (await bob.sign_in()).chat
        await bob.add_contact("alice@example.com")
        await asyncio.sleep(1)
        assert alice.presence_of("bob") == bob.presence_of("alice") == "available"
        assert alice.contacts == {"bob@example.com": "both"} and bob.contacts == {"alice@example.com": "both"}

        await bob.appear("dnd", "in a call")
        await asyncio.sleep(1)
        assert alice.presence_of("bob") == "dnd"
        seen = [entry for entry in desk.entries(events.XmppStanza, OUTSIDE) if b"<show>dnd</show>" in entry.payload]
        assert seen and b"<status>in a call</status>" in seen[0].payload

        await bob.sign_out()
        await asyncio.sleep(1)
        assert alice.presence_of("bob") == "unavailable"

    play(story)


def test_contacts_and_presence_are_there_again_after_a_restart_of_the_server() -> None:
    async def story(desk: Desk) -> None:
        alice, bob = desk.jabber("alice"), desk.jabber("bob", where=INSIDE)
        await alice.sign_in()
        await bob.sign_in()
        await alice.add_contact("bob")
        await bob.add_contact("alice")
        await asyncio.sleep(1)
        await desk.lab.restart("imp-pub")
        await asyncio.sleep(1)
        assert alice.presence_of("bob") == "unavailable" and alice.contacts == {}
        await asyncio.sleep(600)
        assert alice.presence_of("bob") == bob.presence_of("alice") == "available"
        assert alice.contacts == {"bob@example.com": "both"}

    play(story)


def test_messages_are_kept_and_reported() -> None:
    async def story(desk: Desk) -> None:
        heard: list[tuple[str, str]] = []
        alice = desk.jabber("alice")
        bob = desk.jabber("bob", where=INSIDE, on_message=lambda sender, text: heard.append((sender, text)))
        await alice.sign_in()
        await bob.sign_in()
        for text in ("one", "two & <three>", "vier 🙂"):
            await alice.say("bob", text)
        await asyncio.sleep(1)
        assert heard == bob.messages == [("alice@example.com", text) for text in ("one", "two & <three>", "vier 🙂")]

    play(story)


def test_without_a_session_nothing_can_be_said() -> None:
    async def story(desk: Desk) -> None:
        alice = desk.jabber("alice")
        for verb in (alice.say("bob", "hello"), alice.add_contact("bob"), alice.appear("away")):
            with pytest.raises(StageFailed, match="no chat session"):
                await verb
        assert alice.presence_of("bob") == "unavailable" and alice.contacts == {}

    play(story)


def test_a_contact_that_the_server_refuses() -> None:
    async def story(desk: Desk) -> None:
        alice = desk.jabber("alice")
        await alice.sign_in()
        await alice.add_contact("nobody@example.com")
        await asyncio.sleep(1)
        assert alice.presence_of("nobody") == "unavailable"

    play(story)


def test_blanks_keep_the_stream_alive() -> None:
    async def story(desk: Desk) -> None:
        alice = desk.jabber("alice")
        await alice.sign_in()
        await asyncio.sleep(4000)
        assert alice.chat is not None
        assert len(desk.entries(events.XmppSession)) == 1

    play(story)
