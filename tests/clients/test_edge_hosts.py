"""What a client outside asks an Expressway-E for in TLS, what it accepts, and which cookies it sends there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.clients.common.edge_hosts import Edge
from edgesim.journal import events
from tests.clients.desk import OUTSIDE, Desk, play

HERE = "203.0.113.10"
UNNAMED = "203.0.113.11"


def edge(**given: Any) -> Edge:
    named = {"known": ("expe.example.com",), "signed_in": "expe.example.com", "names": {HERE: "expe.example.com"}}
    return Edge(**{"domain": "example.com", **named, **given})


@pytest.mark.parametrize(
    ("target", "form", "asked"),
    [
        ("expe.example.com", "service domain", "expe.example.com"),
        ("EXPE.Sub.Example.Com", "service domain", "EXPE.Sub.Example.Com"),
        ("mra-host.sp.example.net", "service domain", "mra-host.example.com"),
        ("expe.notexample.com", "service domain", "expe.example.com"),
        ("mra-host.sp.example.net", "target", "mra-host.sp.example.net"),
        ("mra-host.sp.example.net", "none", ""),
    ],
)
def test_the_server_name(target: str, form: Any, asked: str) -> None:
    there = edge(form=form, known=(target,), signed_in=target, names={HERE: target})
    assert there.server_name(target) == there.server_name(HERE) == asked
    assert target in there.accepted(asked)


def test_a_name_of_another_host_is_not_accepted() -> None:
    there = edge(known=("expe1.example.com", "expe2.example.com"), names={})
    assert there.accepted("expe1.example.com") == ("expe1.example.com",)


def test_an_address_without_a_name() -> None:
    there = edge(names={HERE: "expe.example.com", UNNAMED: ""})
    assert there.server_name(UNNAMED) == UNNAMED
    assert there.accepted(UNNAMED) == ()  # the edge domain is required in addition
    assert there.accepted("203.0.113.99") == ("203.0.113.99",)  # a target that is an address is no such host
    assert there.cookie_host(UNNAMED) == there.cookie_host(HERE) == "expe.example.com"
    assert there.chat_names([HERE, UNNAMED], ["example.com"]) == ("expe.example.com", "example.com")
    assert there.chat_names([HERE], ["example.com"]) == ("expe.example.com",)


def asked_names(desk: Desk) -> dict[int, set[str | None]]:
    found: dict[int, set[str | None]] = {}
    for entry in desk.entries(events.TlsUp, OUTSIDE):
        found.setdefault(entry.event.port, set()).add(entry.event.server_name)
    return found


@pytest.mark.parametrize("release", ["X14.0.9", "X14.1"])
def test_every_service_is_asked_for_by_the_name_of_the_edge(release: str) -> None:
    async def story(desk: Desk) -> None:
        client = desk.jabber()
        outcome = await client.sign_in()
        assert outcome.phone and outcome.chat, outcome
        assert client.phone is not None and client.phone.path is not None
        assert client.phone.path.host == ("expe.example.com" if release == "X14.0.9" else HERE)
        assert asked_names(desk) == {port: {"expe.example.com"} for port in (8443, 5061, 5222)}

    play(story, changes={f"expressway_{each}.exp{each}.release": release for each in "ec"})


def test_a_peer_that_no_record_names_needs_the_edge_domain_in_its_certificate() -> None:
    """With one record for two peers, the other one is known by its address alone."""

    async def story(desk: Desk) -> None:
        client = desk.jabber()
        assert (await client.sign_in()).phone
        assert client.phone is not None
        assert {path.server_name for path in client.phone.paths} == {"expe1.example.com", UNNAMED}
        await desk.lab.crash("expe1")
        await asyncio.sleep(300)
        assert client.phone.registered and client.phone.path is not None and client.phone.path.host == UNNAMED

    record = {"view": "outside", "name": "_collab-edge._tls.example.com", "type": "SRV"}
    one = {**record, "value": "10 10 8443 expe1.example.com"}
    play(story, deployment="pair", changes={"dns.collab_edge": False, "dns.extra": [one]})


def test_the_session_cookie_of_unified_cm_comes_back_to_it() -> None:
    async def story(desk: Desk) -> None:
        assert (await desk.jabber().sign_in()).ok
        (given,) = {
            value.partition(b"=")[2].partition(b";")[0]
            for entry in desk.entries(events.HttpResponse, OUTSIDE)
            for value in entry.payload.split(b"\r\n")
            if value.startswith(b"Set-Cookie: JSESSIONIDSSO=")
        }
        asked = [entry for entry in desk.entries(events.HttpRequest, "ucm-pub") if given in entry.payload]
        assert any(entry.event.target == "/cucm-uds/user/alice/devices?max=100" for entry in asked)

    play(story)
