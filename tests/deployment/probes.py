"""Small stories that provoke what a default describes, for defaults that no scenario shows.

Each plays in a lab of the server tests and asserts nothing: ``probed`` is its journal, and with another value of a
default that the story is registered for, in `PROBES`, it has to be another one.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgesim.http import HttpError, basic_authorization
from edgesim.journal import Entry, Event
from edgesim.journal.codec import encode
from edgesim.sip import Request, SipError
from edgesim.sip.digest import answer
from tests.servers import expressway_lab, unified_cm_lab
from tests.servers.expressway_lab import ALICE, EDGE, PUB, EdgeLab
from tests.servers.sip_lab import Line, with_line
from tests.servers.test_expressway_sip import notify
from tests.servers.test_expressway_sip_ownership import proved, two, with_contact
from tests.servers.test_unified_cm_sip import SECURE, at, contact, register
from tests.servers.test_unified_cm_sip import Line as Trunk

Lines = tuple[bytes, ...]
Story = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A story, how its lab is run, and another value of each default that it shows."""

    story: Story
    play: Callable[..., None]
    values: Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)


PROBES: list[Probe] = []


def edge(values: Mapping[str, Any], changes: Mapping[str, Any] | None = None, **options: Any) -> Any:
    """Register a story that plays at an edge, with the client outside."""
    return _registered(expressway_lab.run, values, changes, options)


def unified_cm(values: Mapping[str, Any], changes: Mapping[str, Any] | None = None) -> Any:
    """Register a story that plays at a Unified CM node, told by Expressway-C's machine."""
    return _registered(unified_cm_lab.run, values, changes, {})


def _registered(
    play: Callable[..., None], values: Mapping[str, Any], changes: Mapping[str, Any] | None, options: Mapping[str, Any]
) -> Callable[[Story], Story]:
    def decorate(story: Story) -> Story:
        played = functools.partial(play, **options)
        PROBES.append(Probe(story=story, play=played, values=values, changes=changes or {}))
        return story

    return decorate


def probed(probe: Probe, changes: Mapping[str, Any] | None = None) -> Lines:
    """Return the lines of the journal of a story that plays with some defaults changed."""
    kept: list[Entry[Event]] = []

    async def main(lab: Any) -> None:
        with contextlib.suppress(SipError, HttpError, OSError):
            await probe.story(lab)
        kept.extend(lab.journal)

    more = {f"defaults.{path}": value for path, value in (changes or {}).items()}
    probe.play(main, changes={**probe.changes, **more})
    return tuple(encode(entry) for entry in kept)


def paths() -> list[str]:
    """Return the paths of the defaults that a story shows."""
    return [path for probe in PROBES for path in probe.values]


# ---- Unified CM


@unified_cm(
    {
        "unified_cm.unknown_device_status": 403,
        "unified_cm.unknown_line_status": 403,
        "unified_cm.contact_star": "removes",
        "unified_cm.contact_star_status": 403,
        "unified_cm.several_contacts_status": 403,
        "unified_cm.authorizes_user": False,
        "unified_cm.authorization_error_status": 404,
        "unified_cm.oauth_mismatch_retry_after_s": 70,
        "unified_cm.warnings": ["one", "two", "three", "four", "five"],
        "unified_cm.find_by_line": "nobody",
        "unified_cm.sis_versions": [["11.5", "7.0.1"]],
        "unified_cm.register_lists": "line",
        "unified_cm.graceful_over_edge": True,
        "unified_cm.moved_alarm": "EndPointUnregistered Reason=9",
    }
)
async def registers_that_are_refused(lab: unified_cm_lab.Lab) -> None:
    line = await Trunk(lab).connect()
    probe = (
        '<sip:x@10.0.30.10:5060;orig-hostport=192.0.2.78:5>;+sip.instance="<urn:uuid:00000000-0000-0000-0000-'
        '000000000000>";+u.sip!devicename.ccm.cisco.com="CSFALICE";+u.sip!userid.ccm.cisco.com="alice"'
    )
    moved = at("10.0.99.9:5060", '+u.sip!userid.ccm.cisco.com="alice"')
    asked = (
        register(),
        register(1, value=contact("CSFNOBODY"), call_id="a"),
        register(2, line="9999", call_id="b"),
        register(3, value="*", expires="0", call_id="c"),
        register(4, value=f"{at('10.0.30.77:5060')}, {at('10.0.30.78:5060')}", call_id="d"),
        register(5, value=at("10.0.30.10", '+u.sip!userid.ccm.cisco.com="bob"'), call_id="e"),
        register(6, headers=(("Proxy-Authorization", 'Bearer token="abc"'),), call_id="f"),
        register(7, value=probe, call_id="g"),
        register(8, value='<sip:1001@10.0.30.10:5060>;+u.sip!userid.ccm.cisco.com="alice"', call_id="h"),
        register(9, value=moved, call_id="i"),
        register(10, value=at("10.0.99.10:5060"), call_id="j"),
        register(11, value="", call_id="k"),
    )
    for each in asked:
        await line.ask(each)
    await line.close()


@unified_cm(
    {"unified_cm.trunk_conflict_status": 403, "unified_cm.trunk_conflict_warning": "another"},
    {"unified_cm.0.sip_trunks": ["expc"]},
)
async def one_register(lab: unified_cm_lab.Lab) -> None:
    line = await Trunk(lab).connect()
    await line.ask(register())
    await line.close()


@unified_cm(
    {
        "unified_cm.realm": "another",
        "unified_cm.nonce_lifetime_s": 600.0,
        "unified_cm.nonce_uses": 1,
        "unified_cm.says_stale": False,
    },
    {"unified_cm.0.security_profiles": [{"name": "Standard SIP Non-Secure Profile", "digest": True}]},
)
async def one_nonce_for_long(lab: unified_cm_lab.Lab) -> None:
    line = await Trunk(lab).connect()
    (challenge,) = (await line.ask(register())).authentication("WWW-Authenticate")

    def proof(cseq: int) -> Request:
        credentials = answer(
            challenge,
            method="REGISTER",
            uri=f"sip:{PUB}",
            username="alice",
            password="alice-secret",
            cnonce="1",
        )
        return register(cseq, headers=(("Authorization", credentials),))

    for cseq, wait in ((102, 1), (103, 1), (104, 350)):
        await asyncio.sleep(wait)
        await line.ask(proof(cseq))
    await line.close()


@unified_cm({"unified_cm.wrong_transport_status": 405}, SECURE)
async def an_encrypted_device_in_the_clear(lab: unified_cm_lab.Lab) -> None:
    line = await Trunk(lab).connect()
    await line.ask(register())
    await line.close()


@unified_cm({"unified_cm.reset_alarm": "another"})
async def a_phone_that_resets(lab: unified_cm_lab.Lab) -> None:
    line = await Trunk(lab).connect()
    await line.ask(register())
    why = 'SIP;cause=200;text="cisco-alarm:8 Name=CSFALICE Load=x Last=reset-reset"'
    await line.ask(register(102, expires="0", headers=(("Reason", why),)))
    await line.close()


@unified_cm({"unified_cm.first_message_s": 10.0})
async def a_connection_that_says_nothing(lab: unified_cm_lab.Lab) -> None:
    line = await Trunk(lab).connect()
    await asyncio.sleep(65)
    await line.close()


# ---- HTTPS at the edge

VERSION = f"https://{PUB}:8443/cucm-uds/version"


@edge(
    {
        "edge.upstream_timeout_status": 502,
        "edge.upstream_timeout_reason": "another",
    }
)
async def a_silent_expressway_c(lab: EdgeLab) -> None:
    cookie = await lab.cookie()
    await lab.freeze("expc")
    await lab.proxied(VERSION, cookie, timeout=100)


@edge({"edge.unauthenticated_status": 403, "edge.edge_auth_header": "X-Edge"})
async def no_cookie(lab: EdgeLab) -> None:
    await lab.proxied(VERSION)
    await lab.proxied(VERSION, headers=[("X-Edge", ALICE)])


@edge({"protection.http_challenges_count": True})
async def nobody_says_who(lab: EdgeLab) -> None:
    for _ in range(7):
        await lab.config(None)


WRONG = basic_authorization("alice", "wrong")


@edge({"protection.detection_window_s": 1200})
async def failures_far_apart(lab: EdgeLab) -> None:
    for _ in range(5):
        await lab.config(WRONG)
    await asyncio.sleep(700)
    for _ in range(2):
        await lab.config(WRONG)


@edge({"protection.count_resource_access": True})
async def what_is_not_there(lab: EdgeLab) -> None:
    for _ in range(7):
        await lab.request(f"https://{EDGE}:8443/nothing")


@edge({"protection.alarm_lowered": "never"}, {"expressway_e.0.release": "X15.0", "expressway_c.0.release": "X15.0"})
async def a_block_that_ends(lab: EdgeLab) -> None:
    for _ in range(6):
        await lab.config(WRONG)
    await asyncio.sleep(700)
    await lab.config()


@edge({"uds.user_id_limit": 4})
async def a_short_name(lab: EdgeLab) -> None:
    await lab.config()


# ---- SIP at the edge


@edge(
    {
        "sip.no_route_status": 404,
        "sip.service_from_outside_status": 404,
        "sip.update_status": 501,
        "agents.b2bua": "another",
    }
)
@with_line
async def requests_that_are_refused(lab: EdgeLab, line: Line) -> None:
    routes, line.routes = line.routes, ()
    await line.register()
    line.routes = routes
    await line.ask(line.request("SERVICE"))
    await line.register()
    await line.ask(line.authorized(line.request("UPDATE")))


@edge({"sip.maintenance_status": 480, "sip.maintenance_warning": [399, "another"]})
@with_line
async def in_maintenance(lab: EdgeLab, line: Line) -> None:
    lab.service("expe").sip.maintenance = True
    await line.register()


@edge({"sip.contact_taken_status": 404}, without=("imp-pub", "jabber-3", "inside-1"))
async def a_contact_of_another(lab: EdgeLab) -> None:
    alice, bob = await two(lab)
    theirs = (alice.build().contacts[0].uri, bob.build().get("Contact") or "")
    stolen = theirs[1].replace(bob.build().contacts[0].uri, theirs[0])
    await proved(bob, with_contact(bob, stolen))
    for line in (alice, bob):
        await line.close()


@edge(
    {"sip.path_adds_user": False, "sip.path_in_response": False, "sip.path_form": "<sip:{address}:{port};lr>"},
    {"mra.sip_path_headers": True},
)
@with_line
async def with_path(lab: EdgeLab, line: Line) -> None:
    await line.register()


@edge({"sip.client_unproved_idle_s": 40.0})
@with_line
async def says_nothing(lab: EdgeLab, line: Line) -> None:
    await asyncio.sleep(30)


@edge({"sip.message_s": 5.0})
@with_line
async def half_a_message(lab: EdgeLab, line: Line) -> None:
    line.connection.send_raw(b"REGISTER sip:x SIP/2.0\r\nVia: ")
    await asyncio.sleep(10)


@edge({"sip.max_message_bytes": 1024})
@with_line
async def a_large_message(lab: EdgeLab, line: Line) -> None:
    request = line.request("OPTIONS")
    request.set_body(b"x" * 8192)
    await line.ask(request)


@edge({"sip.nonce_uses": 1, "sip.digest_cache_s": 2.0})
@with_line
async def registers_twice(lab: EdgeLab, line: Line) -> None:
    await line.register()
    await asyncio.sleep(10)
    await line.register()


@edge({"protection.sip_authentication_failure": False})
async def wrong_digests(lab: EdgeLab) -> None:
    line = await Line(lab, password="wrong").signed_in()
    await line.connect()
    for _ in range(7):
        await line.register()
    await line.close()


@edge(
    {
        "protection.connection_rate": 5,
        "protection.connection_burst": 5,
        "protection.connection_rate_mode": "off",
        "protection.rated_sip_ports": [5060],
    }
)
async def many_connections(lab: EdgeLab) -> None:
    lines = [Line(lab) for _ in range(30)]
    await asyncio.gather(*(line.connect() for line in lines), return_exceptions=True)
    for line in lines:
        await line.close()


@edge({"sip.unknown_target_status": 404})
@with_line
async def a_phone_that_is_gone(lab: EdgeLab, line: Line) -> None:
    target = (await line.register()).contacts[0].uri
    line.connection.abort()
    await asyncio.sleep(1)
    await notify(lab, target)
