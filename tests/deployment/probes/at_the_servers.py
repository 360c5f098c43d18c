"""Stories at a Unified CM node, and at one of IM and Presence."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from edgesim.dns import Resolver
from edgesim.sip import Request
from edgesim.sip.digest import answer
from edgesim.xmpp import sasl, soap, stanzas
from tests.clients.desk import Desk
from tests.deployment.probes.base import im_presence, unified_cm, whole
from tests.live.lab import MANY, MANY_RECORDS
from tests.servers import im_presence_lab, unified_cm_lab
from tests.servers.im_presence_lab import login_request
from tests.servers.unified_cm_lab import PUB
from tests.servers.unified_cm_line import SECURE, at, contact, register
from tests.servers.unified_cm_line import Line as Trunk


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


@unified_cm({"oauth.probe_root": "another"})
async def single_sign_on(lab: unified_cm_lab.Lab) -> None:
    await lab.get("/ssosp/ws/public/singleSignOn")


@unified_cm({"uds.private_users_status": 404})
async def private_users(lab: unified_cm_lab.Lab) -> None:
    await lab.get("/cucm-uds/private/users", "alice", "alice-secret", method="POST")


@unified_cm({"uds.search_limit": 1, "uds.search_maximum": 1, "uds.reason_phrases_before": "99"})
async def users_by_name(lab: unified_cm_lab.Lab) -> None:
    await lab.get("/cucm-uds/users", "alice", "alice-secret")
    await lab.get("/cucm-uds/users?max=600", "alice", "alice-secret")


@im_presence({"im.resource_conflict": "replace", "im.offline_message": "drop"})
async def one_resource_for_two(lab: im_presence_lab.Lab) -> None:
    alice = await lab.sign_in("alice", "phone")
    alice.send(stanzas.message("bob@example.com", "hello"))
    await alice.quiet()
    await lab.sign_in("alice", "phone", available=False)
    alice.send(stanzas.message("bob@example.com", "still here"))
    await alice.quiet()


@im_presence({"im.one_time_password_s": 600})
async def a_password_that_lapsed(lab: im_presence_lab.Lab) -> None:
    token = await lab.token("alice", "alice-secret")
    await asyncio.sleep(100)
    client = await lab.connect()
    await client.auth("CISCO-VTG-TOKEN", sasl.encode_token("alice@example.com", token))
    await client.quiet_end()


@im_presence({"im.session_key_lifetime_s": 60})
async def an_old_session_key(lab: im_presence_lab.Lab) -> None:
    login = soap.parse_response((await lab.soap(login_request("alice", "alice-secret")))[1])
    await asyncio.sleep(100)
    if isinstance(login, soap.LoggedIn):
        await lab.soap(soap.get_onetime_password_request(login.session_key))


@im_presence({"im.unassigned_status": 404}, {"users.2.im_presence": False})
async def a_user_who_is_not_assigned(lab: im_presence_lab.Lab) -> None:
    await lab.soap(login_request("carol", "carol-secret"))


@im_presence({"im.stanza_s": 5.0})
async def half_a_stanza(lab: im_presence_lab.Lab) -> None:
    client = await lab.sign_in("alice")
    client.send(b"<message to='bob@example.com'><bo")
    await asyncio.sleep(40)
    await client.quiet_end()


@im_presence({"im.client_idle_s": 60.0})
async def a_silent_session(lab: im_presence_lab.Lab) -> None:
    client = await lab.sign_in("alice")
    await asyncio.sleep(100)
    await client.end()


@im_presence({"im.client_octets_burst": 1024})
async def many_messages(lab: im_presence_lab.Lab) -> None:
    client = await lab.sign_in("alice")
    for _ in range(20):
        client.send(stanzas.message("bob@example.com", "hello"))
    await client.quiet()
    await client.end()


@whole({"edge.axl_methods_of_im_presence": ["getCCMVersion"]})
async def all_that_c_discovers(_: Desk) -> None:
    await asyncio.sleep(1)


@whole({"dns.udp_edns_bytes": 600}, {"dns.extra": MANY_RECORDS})
async def a_large_answer_by_edns(desk: Desk) -> None:
    node = desk.lab.node("jabber-1")
    assert isinstance(node.resolver, Resolver)
    options = replace(node.resolver.options, edns=4096)
    resolver = Resolver(node.host, node.journal, node.resolver.servers, options=options)
    await node.host.run(resolver.query(MANY, "SRV"))
