"""Every way in which a stage of the sign-in can fail: on the wire, and in the words of the outcome."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from edgesim.clients.jabber import SignIn
from edgesim.deployment.people import User
from edgesim.dns import Failure
from edgesim.journal import events
from edgesim.world.faults import (
    BlackHole,
    Delay,
    Fault,
    RefuseConnection,
    ResetConnection,
    Rewrite,
    Selector,
)
from tests.clients.desk import INSIDE, OUTSIDE, Desk, play

DOCUMENTS = {
    "edge configuration": b"getEdgeConfigResponse version",
    "home cluster": b"<clusterUser",
    "UDS version": b"<versionInformation",
    "UDS servers": b"<servers ",
    "user": b"<userName>",
    "devices": b"</device></devices>",
    "service profile": b"<serviceProfile version",
    "jabber-config": b"</config>",
    "device configuration": b"<sipProfile>",
    "chat login": b"<login-resp",
    "chat login, configuration": b"<get-all-config-resp",
    "chat login, password": b"<get-onetime-password-resp",
}
"""By stage: octets that only its answer holds."""
FATAL = ("edge configuration", "home cluster", "UDS version", "UDS servers", "user")
NO_PHONE = ("devices", "device configuration")


def attempt(
    *faults: Fault,
    where: str = OUTSIDE,
    prepare: Callable[[Desk], Any] = lambda desk: None,
    user: str | User = "alice",
    changes: dict[str, Any] | None = None,
    client: dict[str, Any] | None = None,
    check: Callable[[Desk], Any] = lambda desk: None,
) -> SignIn:
    """Sign in under faults and return the outcome."""

    async def story(desk: Desk) -> SignIn:
        prepare(desk)
        for fault in faults:
            desk.fault(fault)
        outcome = await desk.jabber(user, where=where, **(client or {})).sign_in()
        desk.lab.world.faults.clear()
        await asyncio.sleep(1)  # what is on its way arrives
        check(desk)
        return outcome

    return play(story, changes=changes)


def check(outcome: SignIn, stage: str) -> None:
    """Check which services are left after a stage failed."""
    name = stage.split(",")[0]
    assert outcome.stage.value == name
    assert outcome.ok is (name not in FATAL)
    assert outcome.phone is (name not in FATAL and name not in NO_PHONE)
    assert outcome.chat is (name not in FATAL and name != "chat login")


PLACES = [(stage, OUTSIDE) for stage in DOCUMENTS] + [(stage, INSIDE) for stage in DOCUMENTS if "edge" not in stage]


@pytest.mark.parametrize(("stage", "where"), PLACES)
class TestEachDocument:
    def test_another_status(self, stage: str, where: str) -> None:
        mark = DOCUMENTS[stage]
        sabotage = Rewrite(
            name="500", where=Selector(target=where, contains=mark), find=b"HTTP/1.1 200", replace=b"HTTP/1.1 500"
        )
        outcome = attempt(sabotage, where=where, check=lambda desk: _fired(desk, "500"))
        check(outcome, stage)
        assert "500" in outcome.reason

    def test_not_well_formed(self, stage: str, where: str) -> None:
        mark = DOCUMENTS[stage]
        sabotage = Rewrite(name="bad", where=Selector(target=where), find=mark, replace=b"<&" + mark[2:])
        outcome = attempt(sabotage, where=where, check=lambda desk: _fired(desk, "bad"))
        check(outcome, stage)
        assert re.search("not well-formed|not XML", outcome.reason)

    def test_connection_reset(self, stage: str, where: str) -> None:
        mark = DOCUMENTS[stage]
        cut = ResetConnection(name="cut", where=Selector(target=where, contains=mark))
        outcome = attempt(cut, where=where, check=lambda desk: _fired(desk, "cut"))
        check(outcome, stage)
        assert "HOST_UNREACHABLE_ERROR" in outcome.reason


def _fired(desk: Desk, name: str) -> None:
    assert [entry for entry in desk.entries(events.FaultFired) if entry.event.fault == name]


# ---- discovery


def test_no_record_of_any_service() -> None:
    outcome = attempt(client={"domain": "nowhere.example"})
    assert outcome.stage.value == "service discovery" and not outcome.ok
    assert outcome.reason.endswith("ServiceDiscoveryHandlerResult return code FAILED_NO_SRV_RECORDS_FOUND")
    assert "DNS query {_collab-edge._tls.nowhere.example.} has failed: DNS name does not exist." in outcome.reason


def test_name_server_fails() -> None:
    def prepare(desk: Desk) -> None:
        desk.service("dns-outside").views.fail(Failure(type="SRV"))

    outcome = attempt(prepare=prepare, check=lambda desk: _answers(desk, "SERVFAIL", 3))
    assert outcome.stage.value == "service discovery"
    assert outcome.reason.count("has failed") == 3 and "does not exist" not in outcome.reason


def _answers(desk: Desk, rcode: str, least: int) -> None:
    found = [entry for entry in desk.entries(events.DnsAnswer, OUTSIDE) if entry.event.rcode == rcode]
    assert len(found) >= least
    assert not desk.entries(events.TcpOpened, OUTSIDE)


def test_name_server_is_silent() -> None:
    def prepare(desk: Desk) -> None:
        desk.service("dns-outside").views.fail(Failure(rcode=None))

    outcome = attempt(prepare=prepare)
    assert outcome.stage.value == "service discovery" and outcome.reason.count("has failed") == 3


def test_one_service_fails_and_another_answers() -> None:
    def prepare(desk: Desk) -> None:
        desk.service("dns-outside").views.fail(Failure(name="_cisco-uds._tcp.example.com"))

    assert attempt(prepare=prepare).outside


def test_name_of_the_edge_does_not_resolve() -> None:
    def prepare(desk: Desk) -> None:
        desk.service("dns-outside").views.fail(Failure(name="expe.example.com", rcode="NXDOMAIN"))

    outcome = attempt(prepare=prepare)
    assert outcome.stage.value == "edge configuration" and "UNRESOLVED_HOST_ERROR" in outcome.reason


# ---- the edge


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (RefuseConnection(name="x", where=Selector(target="expe", port=8443)), "refused"),
        (BlackHole(name="x", where=Selector(target="expe", port=8443)), "no response within 30 s"),
    ],
)
def test_edge_cannot_be_reached(fault: Fault, reason: str) -> None:
    outcome = attempt(fault, check=lambda desk: _fired(desk, "x"))
    assert outcome.stage.value == "edge configuration" and not outcome.ok
    assert "HOST_UNREACHABLE_ERROR" in outcome.reason and reason in outcome.reason


UNTRUSTED = {"trust": [{"host": OUTSIDE, "store": "system", "holds": ["enterprise"]}]}


def test_edge_is_not_trusted() -> None:
    outcome = attempt(changes=UNTRUSTED, check=lambda desk: _no_request(desk))
    assert outcome.reason.startswith("expe.example.com: CERTIFICATE_VALIDATION_ERROR")


def _no_request(desk: Desk) -> None:
    assert not desk.entries(events.HttpRequest, "expe")
    assert [entry for entry in desk.entries(events.TlsRefused, "expe") if entry.event.alert == "unknown ca"]


def test_user_accepts_and_the_answer_holds_for_phone_and_chat() -> None:
    outcome = attempt(changes=UNTRUSTED, client={"accept_untrusted": True})
    assert outcome.ok and outcome.phone and outcome.chat


def test_policy_refuses_whatever_the_user_would_say() -> None:
    changes = UNTRUSTED | {"defaults.client.invalid_certificate": "refuse"}
    assert not attempt(changes=changes, client={"accept_untrusted": True}).ok


def _status(desk: Desk, status: int, reason: str, server: str) -> None:
    answer = desk.entries(events.HttpResponse, OUTSIDE)[-1]
    assert (answer.event.status, answer.event.reason) == (status, reason)
    assert f"Server: {server}\r\n".encode() in answer.payload


def test_wrong_password() -> None:
    outcome = attempt(
        user=User.stranger("alice", "wrong"), check=lambda desk: _status(desk, 401, "Unauthorized", "CE_C ECS")
    )
    assert outcome.reason == 'get_edge_config: 401 Unauthorized Basic realm="Cisco-Edge"'


def test_unknown_domain() -> None:
    record = {
        "view": "outside",
        "name": "_collab-edge._tls.other.example",
        "type": "SRV",
        "value": "10 10 8443 expe.example.com",
    }
    outcome = attempt(
        changes={"dns.extra": [record]},
        client={"domain": "other.example", "accept_untrusted": True},
        check=lambda desk: _status(desk, 403, "Forbidden", "CE_E"),
    )
    assert outcome.reason == "get_edge_config: 403 Forbidden CE_E"


def test_too_many_authorizations() -> None:
    async def story(desk: Desk) -> None:
        client = desk.jabber()
        for _ in range(8):
            assert (await client.sign_in()).ok
            await client.sign_out()
        outcome = await client.sign_in()
        assert outcome.reason == "get_edge_config: 429 Too Many Requests CE_C ECS"
        _status(desk, 429, "Too Many Requests", "CE_C ECS")

    play(story)


def test_tunnel_down() -> None:
    outcome = attempt(
        RefuseConnection(name="no tunnel", where=Selector(target="expe", port=2222)),
        ResetConnection(name="cut", where=Selector(target="expc", port=2222)),
        ResetConnection(name="cut", where=Selector(target="expe", port=2222)),
    )
    assert outcome.stage.value == "edge configuration"
    assert re.search("get_edge_config: 502 Next Hop Connection Failed CE_E", outcome.reason)


def test_answer_without_a_usable_cookie() -> None:
    outcome = attempt(
        Rewrite(name="x", where=Selector(target=OUTSIDE), find=b"Set-Cookie: X-Auth", replace=b"Set-Cookie: Y-Auth")
    )
    assert outcome.reason == (
        "XAuth Cookie expiration time is invalid or not available. Attempting to Failover . "
        "Failed to retrieve EdgeConfig with error:INTERNAL_ERROR"
    )


def test_answer_without_uds() -> None:
    outcome = attempt(changes={"dns.cisco_uds": False, "mra.unified_cm_clusters": []})
    assert outcome.stage.value == "edge configuration" and not outcome.ok


# ---- UDS, files


def test_user_of_no_cluster() -> None:
    outcome = attempt(user=User.stranger("mallory", "x"), where=INSIDE)
    assert outcome.stage.value == "home cluster"
    assert outcome.reason == "LocatorUdsQuery has failed with result: NO_HOME_UDS_FOUND"


def test_wrong_password_inside() -> None:
    outcome = attempt(user=User.stranger("alice", "wrong"), where=INSIDE)
    assert outcome.stage.value == "user"
    assert outcome.reason == "HTTP response code 401: FAILED_TO_AUTHENTICATE_WITH_CALL_MANAGER"


def test_uds_names_another_user() -> None:
    outcome = attempt(
        Rewrite(name="x", where=Selector(target=INSIDE), find=b"<userName>alice<", replace=b"<userName>clara<"),
        where=INSIDE,
    )
    assert outcome.stage.value == "user" and outcome.reason == "UDS speaks of 'clara', not of 'alice'"


def test_no_device_of_this_platform() -> None:
    outcome = attempt(changes={"users.alice.devices": ["TCTALICE"]}, check=lambda desk: _never_registers(desk))
    assert outcome.ok and outcome.chat and not outcome.phone and outcome.reason == ""


def _never_registers(desk: Desk) -> None:
    assert not desk.registers("expe")
    assert ("device configuration", "none", "no device") in desk.said


def test_no_service_profile() -> None:
    outcome = attempt(changes={"users.alice.service_profile": None})
    assert outcome.ok and outcome.phone
    assert (outcome.stage.value, outcome.reason) == ("service profile", "the user has no service profile")


def test_device_file_without_a_line() -> None:
    outcome = attempt(
        Rewrite(name="x", where=Selector(target=OUTSIDE), find=b"sipLines>", replace=b"sipLanes>"),
    )
    assert not outcome.phone and outcome.chat
    assert outcome.reason == "CSFALICE.cnf.xml has no line"


def test_files_cannot_be_reached() -> None:
    outcome = attempt(RefuseConnection(name="x", where=Selector(target="ucm-pub", port=6972)))
    assert outcome.ok and outcome.chat and not outcome.phone
    assert outcome.stage.value == "service profile" and "502" in outcome.reason


def test_inside_another_uds_server_answers() -> None:
    outcome = attempt(
        RefuseConnection(name="x", where=Selector(target="ucm-pub", port=8443)),
        where=INSIDE,
        check=lambda desk: _asked(desk, "ucm-sub", "/cucm-uds/user/alice"),
    )
    assert outcome.phone and outcome.chat, outcome


def _asked(desk: Desk, node: str, target: str) -> None:
    assert [entry for entry in desk.entries(events.HttpRequest, node, INSIDE) if entry.event.target == target]


def test_outside_there_is_one_uds_server() -> None:
    outcome = attempt(RefuseConnection(name="x", where=Selector(target="ucm-pub", port=8443)))
    assert not outcome.ok


# ---- chat


def test_user_without_im_and_presence() -> None:
    outcome = attempt(changes={"users.alice.im_presence": False})
    assert outcome.phone and not outcome.chat
    assert outcome.reason == "LERR_CUP_UNREACHABLE <9>: 403 Forbidden"


def test_soap_refuses_the_password() -> None:
    outcome = attempt(
        Rewrite(name="x", where=Selector(target="imp-pub"), find=b">alice-secret<", replace=b">alice-sekret<")
    )
    assert outcome.phone and not outcome.chat
    assert outcome.reason == "LERR_CUP_AUTH: Invalid username or password."


def test_unknown_soap_request() -> None:
    outcome = attempt(
        Rewrite(
            name="x",
            where=Selector(target="imp-pub"),
            find=b"<get-onetime-password/>",
            replace=b"<get-onetime-passport/>",
        )
    )
    assert not outcome.chat and outcome.reason == "LERR_CUP_UNREACHABLE <9>: 400 Bad Request"


def test_soap_session_key_too_old() -> None:
    outcome = attempt(
        Delay(name="slow", where=Selector(source="imp-pub", port=8443), seconds=2),
        changes={"defaults.im.session_key_lifetime_s": 1},
    )
    assert not outcome.chat and outcome.reason == "LERR_CUP_INTERNAL_ERROR: Invalid request"


def test_im_and_presence_down() -> None:
    outcome = attempt(RefuseConnection(name="x", where=Selector(target="imp-pub")), where=INSIDE)
    assert outcome.phone and not outcome.chat and "LERR_CUP_UNREACHABLE <9>" in outcome.reason


def test_one_time_password_too_old() -> None:
    outcome = attempt(
        Delay(name="slow", where=Selector(target="imp-pub", port=5222), seconds=2),
        where=INSIDE,
        changes={"defaults.im.one_time_password_s": 1},
        check=lambda desk: _xmpp(desk, b"<not-authorized/>"),
    )
    assert outcome.stage.value == "chat session"
    assert outcome.reason == "LERR_JABBER_AUTH <17>: not authorized"


def _xmpp(desk: Desk, octets: bytes) -> None:
    assert [entry for entry in desk.lab.journal if entry.node == INSIDE and octets in entry.payload]


def test_bind_conflict() -> None:
    def prepare(desk: Desk) -> None:
        desk.service("imp-pub").chat.intercluster_sync_broken = True

    outcome = attempt(prepare=prepare, where=INSIDE, check=lambda desk: _xmpp(desk, b"code='409'"))
    assert outcome.phone and not outcome.chat
    assert outcome.reason == "LERR_JABBER_AUTH <17>: conflict"


def test_stream_error() -> None:
    def prepare(desk: Desk) -> None:
        desk.fault(
            Rewrite(name="x", where=Selector(target="imp-pub", port=5222), find=b"<starttls ", replace=b"<starttls<")
        )

    outcome = attempt(prepare=prepare, where=INSIDE)
    assert not outcome.chat and outcome.reason.startswith("LERR_JABBER_UNREACHABLE <16>")


def test_chat_certificate_not_trusted() -> None:
    own = {
        "certificates": [{"host": "imp-pub", "service": "cup-xmpp", "signed_by": "self-signed"}],
        "trust": [{"host": INSIDE, "store": "system", "holds": ["public", "enterprise", "enterprise-issuing"]}],
    }
    outcome = attempt(where=INSIDE, changes=own)
    assert outcome.phone and not outcome.chat
    assert outcome.reason.startswith("LERR_JABBER_CERT <15>: ") and "self-signed certificate" in outcome.reason


@pytest.mark.parametrize("octets", [b"<stream:features", b"<proceed", b"<success", b"<iq "])
def test_xmpp_that_is_not_well_formed(octets: bytes) -> None:
    outcome = attempt(
        Rewrite(name="x", where=Selector(target=INSIDE, port=5222), find=octets, replace=b"<&" + octets[2:]),
        where=INSIDE,
    )
    assert outcome.phone and not outcome.chat
    assert outcome.stage.value == "chat session" and "LERR_" in outcome.reason


@pytest.mark.parametrize("octets", [b"<stream:features", b"<proceed", b"<success", b"<iq "])
def test_xmpp_stream_cut(octets: bytes) -> None:
    outcome = attempt(
        ResetConnection(name="x", where=Selector(target=INSIDE, port=5222, contains=octets)), where=INSIDE
    )
    assert outcome.phone and not outcome.chat
    assert outcome.reason.startswith("LERR_JABBER_UNREACHABLE <16>: the stream ended")


def test_no_server_answers_on_5222() -> None:
    outcome = attempt(BlackHole(name="x", where=Selector(target="expe", port=5222)))
    assert outcome.phone and not outcome.chat
    assert outcome.reason == "LERR_CUP_TIMEOUT: no session after 30 s"
