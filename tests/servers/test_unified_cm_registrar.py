"""The registrar's decisions, without any transport."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.journal import events
from edgesim.servers.unified_cm.database import Phone
from edgesim.servers.unified_cm.registrar import Granted, Leg, Listed, Outcome, Policy, Refusal, Registrar, Released
from edgesim.servers.unified_cm.registration import Registration
from edgesim.sip.errors import SipProtocolError
from edgesim.sip.message import Request
from edgesim.sip.parsing import parse_message
from tests.fuzz import fuzzed

ALICE, BOB = "00005e005301", "00005e005302"
ZEROS = "000000000000"
FORBIDDEN = Refusal(status=403, reason="Forbidden")
POLICY = Policy(
    keepalive_interval=120,
    dual_mode_interval=3600,
    grace=0.0,
    alarms={},
    graceful_over_edge=False,
    find_by_line="edge user",
    authorizes=True,
    removes_everything=False,
    lists="own",
    unknown_device=Refusal(status=404, reason="Not Found"),
    unknown_line=Refusal(status=404, reason="Not Found"),
    wrong_transport=FORBIDDEN,
    unauthorized=FORBIDDEN,
    several_contacts=Refusal(status=400, reason="Bad Request"),
    everything=Refusal(status=400, reason="Bad Request"),
    taken=replace(FORBIDDEN, warning="Registration is active for another client"),
    oauth_mismatch=replace(FORBIDDEN, warning="SIP OAuth Registration port Mismatch", retry_after=35),
    name_mismatch=replace(FORBIDDEN, warning="TLS authentication failure", close=True),
    trunk_conflict=Refusal(status=405, reason="Method Not Allowed"),
)


def phone(
    name: str,
    *lines: str,
    owner: str = "alice",
    secure: bool = False,
    oauth: bool = False,
    dual_mode: bool = False,
) -> Phone:
    return Phone(
        name=name,
        lines=lines,
        owner=owner,
        model=503,
        profile="secure.example.com" if secure else "Standard SIP Non-Secure Profile",
        secure=secure,
        oauth=oauth,
        digest=False,
        dual_mode=dual_mode,
        transports=("TLS",) if secure else ("TCP", "UDP"),
    )


class Phones:
    def __init__(self, *phones: Phone) -> None:
        self.phones = phones

    def phone(self, name: str) -> Phone | None:
        return next((each for each in self.phones if each.name == name), None)

    def phones_with(self, line: str) -> tuple[Phone, ...]:
        return tuple(each for each in self.phones if line in each.lines)


PHONES = Phones(phone("CSFALICE", "10001", "10002"), phone("SEP00005E005302", "2222", owner="bob"))


def register(
    *,
    line: str = "10001",
    device: str | None = "CSFALICE",
    instance: str | None = ALICE,
    client: str = "192.0.2.10:58980",
    over: str | None = "10.0.30.10",
    call_id: str = "first@192.0.2.10",
    cseq: int = 101,
    expires: int | None = 3600,
    contact: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Request:
    if contact is None:
        uri = f"sip:7514c56a@{over}:5060;transport=tcp;orig-hostport={client}" if over else f"sip:7514c56a@{client}"
        contact = f"<{uri}>"
        if instance:
            contact += f';+sip.instance="<urn:uuid:00000000-0000-0000-0000-{instance}>"'
        if device:
            contact += f';+u.sip!devicename.ccm.cisco.com="{device}";+u.sip!model.ccm.cisco.com="503"'
    given_headers = [
        ("Via", "SIP/2.0/TCP 10.0.30.10:25000;branch=z9hG4bK1"),
        ("From", f"<sip:{line}@ucm-pub>;tag=1"),
        ("To", f"<sip:{line}@ucm-pub>"),
        ("Call-ID", call_id),
        ("CSeq", f"{cseq} REGISTER"),
        *([("Contact", contact)] if contact else []),
        *([("Expires", str(expires))] if expires is not None else []),
        *headers,
    ]
    return Request.build("REGISTER", "sip:ucm-pub", given_headers)


def ask(registrar: Registrar, request: Request, now: float = 0.0) -> Outcome:
    asked = Registration.of(request)
    found = registrar.identify(asked)
    return found if isinstance(found, Refusal) else registrar.register(asked, found, now)


def granted(registrar: Registrar, request: Request, now: float = 0.0) -> Granted:
    outcome = ask(registrar, request, now)
    assert isinstance(outcome, Granted), outcome
    return outcome


def test_a_first_registration_is_new_and_lasts_the_keepalive_interval() -> None:
    registrar = Registrar(PHONES, POLICY)
    outcome = granted(registrar, register(), now=7.0)
    assert (outcome.expires, outcome.fresh, outcome.new_registration) == (120, True, True)
    assert registrar.deadline == 127.0
    (event,) = outcome.events
    assert isinstance(event, events.Registered)
    assert (event.device, event.user, event.line, event.via) == ("CSFALICE", "alice", "10001", "10.0.30.10")


def test_a_refresh_is_not_new_and_moves_the_deadline() -> None:
    registrar = Registrar(PHONES, POLICY)
    granted(registrar, register(cseq=101))
    outcome = granted(registrar, register(cseq=102), now=115.0)
    assert (outcome.fresh, outcome.new_registration) == (False, False)
    assert registrar.deadline == 235.0
    assert len(registrar) == 1


def test_only_the_first_line_of_a_device_is_notified_of_a_new_registration() -> None:
    registrar = Registrar(PHONES, POLICY)
    assert granted(registrar, register()).new_registration
    assert not granted(registrar, register(line="10002", call_id="second")).new_registration


def test_bindings_expire_in_order_and_the_device_goes_with_its_last() -> None:
    registrar = Registrar(PHONES, POLICY)
    granted(registrar, register(), now=0.0)
    granted(registrar, register(line="10002", call_id="second"), now=10.0)
    granted(registrar, register(line="2222", device="SEP00005E005302", instance=BOB), now=20.0)
    granted(registrar, register(cseq=102), now=30.0)
    assert registrar.expire(129.9) == []
    assert registrar.expire(140.0) == [events.Unregistered(device="SEP00005E005302", reason="expired")]
    assert registrar.expire(150.0) == [events.Unregistered(device="CSFALICE", reason="expired")]
    assert registrar.deadline is None


def test_a_dual_mode_device_is_granted_the_profile_s_interval() -> None:
    registrar = Registrar(Phones(*PHONES.phones, phone("TCTALICE", "10001", dual_mode=True)), POLICY)
    assert granted(registrar, register(device="TCTALICE", call_id="iphone")).expires == 3600
    granted(registrar, register(), now=10.0)
    assert registrar.deadline == 130.0
    assert [event.device for event in registrar.expire(130.0)] == ["CSFALICE"]
    assert registrar.deadline == 3600.0
    granted(registrar, register(device="TCTALICE", call_id="iphone", cseq=102), now=3000.0)
    assert registrar.expire(6599.0) == []
    assert [event.device for event in registrar.expire(6600.0)] == ["TCTALICE"]


def test_another_instance_displaces_the_client_that_holds_the_device() -> None:
    registrar = Registrar(PHONES, POLICY)
    granted(registrar, register())
    outcome = granted(registrar, register(instance=BOB, client="192.0.2.20:5", call_id="other"))
    assert outcome.events[0] == events.Unregistered(device="CSFALICE", reason="displaced by another client")
    assert outcome.new_registration
    # without graceful registration the first one comes back and displaces in turn
    back = granted(registrar, register(cseq=102))
    assert back.events[0] == events.Unregistered(device="CSFALICE", reason="displaced by another client")


def leaves(last: str) -> tuple[tuple[str, str], ...]:
    text = f"cisco-alarm:23 Name=SEP00005E005302 ActiveLoad=a.loads InactiveLoad=b.loads Last={last}"
    return (("Reason", f'SIP;cause=200;text="{text}"'),)


CAUSES = replace(POLICY, alarms={"removed": "10", "reset": "8", "displaced": "29", "moved": "23", "expired": "13"})


def test_every_cause_of_an_end_has_its_alarm() -> None:
    registrar = Registrar(PHONES, CAUSES)

    def raised(asked: Request) -> list[str]:
        outcome = ask(registrar, asked)
        assert isinstance(outcome, (Granted, Released))
        return [each.alarm for each in outcome.events if isinstance(each, events.Unregistered)]

    assert raised(register()) == []
    assert raised(register(instance=BOB, client="192.0.2.20:5", call_id="other")) == ["29"]
    assert raised(register(instance=None, client="192.0.2.21:5", call_id="third")) == ["23"]
    assert raised(register(instance=None, client="192.0.2.21:5", call_id="third", cseq=102, expires=0)) == ["10"]
    assert raised(register(cseq=103)) == []
    assert raised(register(cseq=104, expires=0, headers=leaves("reset-reset"))) == ["8"]
    assert raised(register(cseq=105)) == []
    assert raised(register(cseq=106, expires=0, headers=leaves("reset-restart"))) == ["8"]
    assert raised(register(cseq=107)) == []
    assert raised(register(cseq=108, expires=0, headers=leaves("initialized"))) == ["10"]
    assert raised(register(cseq=109)) == []
    assert [each.alarm for each in registrar.expire(1e6)] == ["13"]


def test_a_probe_learns_that_the_device_is_taken_except_over_the_edge() -> None:
    registrar = Registrar(PHONES, POLICY)
    granted(registrar, register(over=None))
    probe = register(instance=ZEROS, over=None, client="192.0.2.20:5", call_id="other")
    outcome = ask(registrar, probe)
    assert isinstance(outcome, Refusal)
    assert (outcome.status, outcome.warning) == (403, "Registration is active for another client")
    edge = register(instance=ZEROS, client="192.0.2.20:5", call_id="other")
    assert isinstance(ask(Registrar(PHONES, replace(POLICY, graceful_over_edge=True)), edge), Granted)
    assert granted(registrar, edge).events[0] == events.Unregistered(
        device="CSFALICE", reason="displaced by another client"
    )


def test_a_client_that_probed_and_then_forces_is_one_client() -> None:
    registrar = Registrar(PHONES, POLICY)
    granted(registrar, register(instance=ZEROS, over=None, cseq=1))
    outcome = granted(registrar, register(over=None, cseq=2))
    assert [event.kind for event in outcome.events] == ["sip.registered"]


def test_expires_zero_unregisters_its_own_client_only_and_serves_a_standby() -> None:
    registrar = Registrar(PHONES, POLICY)
    assert ask(registrar, register(expires=0)) == Released()
    granted(registrar, register())
    assert ask(registrar, register(expires=0, instance=BOB, call_id="keepalive")) == Released()
    assert len(registrar) == 1
    gone = ask(registrar, register(expires=0, cseq=102))
    assert gone == Released(events=(events.Unregistered(device="CSFALICE", reason="removed by the client"),))
    assert registrar.deadline is None


def test_a_star_removes_everything_and_nothing_asks() -> None:
    registrar = Registrar(PHONES, replace(POLICY, removes_everything=True))
    granted(registrar, register())
    listed = ask(registrar, register(contact="", cseq=102))
    assert isinstance(listed, Listed)
    assert [binding.phone.name for binding in listed.bindings] == ["CSFALICE"]
    gone = ask(registrar, register(contact="*", expires=0, cseq=103))
    assert isinstance(gone, Released)
    assert len(registrar) == 0


def test_an_older_or_repeated_cseq_of_one_call_is_refused() -> None:
    registrar = Registrar(PHONES, POLICY)
    granted(registrar, register(cseq=105))
    for cseq in (105, 104):
        outcome = ask(registrar, register(cseq=cseq))
        assert isinstance(outcome, Refusal)
        assert outcome.status == 500
    assert granted(registrar, register(cseq=1, call_id="restarted")).fresh


@pytest.mark.parametrize(
    "request_",
    [
        register(device="CSFNOBODY"),
        register(line="99999"),
        register(line="2222"),
        register(device=None, instance=None, line="99999"),
    ],
)
def test_unknown_devices_and_lines_are_refused(request_: Request) -> None:
    outcome = ask(Registrar(PHONES, POLICY), request_)
    assert isinstance(outcome, Refusal)
    assert outcome.status == 404


def test_a_third_party_phone_is_known_by_its_mac_or_its_line() -> None:
    registrar = Registrar(PHONES, POLICY)
    by_mac = granted(registrar, register(device=None, instance=BOB, line="2222"))
    assert by_mac.binding.phone.name == "SEP00005E005302"
    bare = register(contact="<sip:2222@10.0.50.9:5060>", line="2222", call_id="third")
    lenient = Registrar(PHONES, replace(POLICY, find_by_line="anybody"))
    assert granted(lenient, bare).binding.phone.name == "SEP00005E005302"


def test_without_a_device_only_the_user_whom_the_edge_names_gets_the_line() -> None:
    def check(user: str | None, policy: Policy) -> object:
        named = f';+u.sip!userid.ccm.cisco.com="{user}"' if user else ""
        return ask(Registrar(PHONES, policy), register(contact=f"<sip:x@10.0.30.10:5060>{named}", call_id="third"))

    owner = granted(Registrar(PHONES, POLICY), register()).binding.phone.owner
    assert not isinstance(check(owner, POLICY), Refusal)
    for user, policy in ((None, POLICY), ("mallory", POLICY), (owner, replace(POLICY, find_by_line="nobody"))):
        assert isinstance(check(user, policy), Refusal)


def test_the_owner_and_associated_users_may_register_a_device() -> None:
    device = replace(phone("CSFALICE", "10001"), owner="alice", users=("bob",))
    registrar = Registrar(Phones(device), POLICY)

    def why(*users: str) -> str | None:
        named = "".join(f';+u.sip!userid.ccm.cisco.com="{user}"' for user in users)
        return registrar.authorizes(Registration.of(register(contact=f"<sip:x@10.0.30.10>{named}")), device)

    assert [why(), why("alice"), why("bob")] == [None, None, None]
    assert "carol" in (why("carol") or "")
    assert "Alice" in (why("Alice") or "")
    for users in (("alice", "bob"), ("alice", "alice")):
        assert why(*users) == "more than one user"
    split = (
        '<sip:x@10.0.30.10>;+u.sip!userid.ccm.cisco.com="alice", <sip:y@10.0.30.10>;+u.sip!userid.ccm.cisco.com="bob"'
    )
    assert registrar.authorizes(Registration.of(register(contact=split)), device) == "more than one user"


def test_path_names_the_expressway_and_leaves_contact_alone() -> None:
    request = register(over=None, headers=(("Path", "<sip:10.0.30.10:5060;transport=tcp;lr>"),))
    outcome = granted(Registrar(PHONES, POLICY), request)
    assert outcome.binding.via == "10.0.30.10"
    assert outcome.binding.contact.client == "192.0.2.10:58980"


def test_ports_and_profiles_must_fit() -> None:
    registrar = Registrar(PHONES, replace(POLICY, trunks=("10.0.30.99",)))
    plain, secure, token = phone("A", "1"), phone("B", "2", secure=True), phone("C", "3", oauth=True)

    def over_tcp(device: Phone, *, source: str = "10.0.30.10", has_token: bool = False) -> Refusal | None:
        return registrar.admits(device, leg=Leg.PLAIN, transport="TCP", source=source, has_token=has_token)

    assert over_tcp(plain) is None
    assert registrar.admits(plain, leg=Leg.SECURE, transport="TLS", source="10.0.30.10") == POLICY.wrong_transport
    assert over_tcp(secure) == POLICY.wrong_transport
    refused = registrar.admits(secure, leg=Leg.SECURE, transport="TLS", source="x", peer_names=("expc.example.com",))
    assert refused == POLICY.name_mismatch
    assert refused.close
    for names in (("expc", "SECURE.example.com"), ("B",)):
        assert registrar.admits(secure, leg=Leg.SECURE, transport="TLS", source="x", peer_names=names) is None
    mismatch = over_tcp(token)
    assert mismatch is not None
    assert (mismatch.status, mismatch.retry_after) == (403, 35)
    assert over_tcp(plain, has_token=True) == POLICY.oauth_mismatch
    assert registrar.admits(token, leg=Leg.OAUTH_EDGE, transport="TLS", source="x") is None
    trunk = over_tcp(plain, source="10.0.30.99")
    assert trunk is not None
    assert trunk.status == 405


@pytest.mark.parametrize(
    ("contact", "expires", "lifetime"),
    [
        ('<sip:a@b>;expires="soon"', "0", 3600),
        ("<sip:a@b>", "in a while", 3600),
        ("<sip:a@b>;expires=7", "in a while", 7),
        ("<sip:a@b>;expires=99999999999999999999", "0", 2**32 - 1),
        ("<sip:a@b>;expires=" + "0" * 50 + "60", "0", 60),
    ],
)
def test_a_lifetime_that_is_no_number_counts_as_an_hour(contact: str, expires: str, lifetime: int) -> None:
    asked = Registration.of(register(contact=contact, expires=None, headers=(("Expires", expires),)))
    assert asked.expires == lifetime


@pytest.mark.parametrize(
    "request_",
    [
        register(contact="*"),
        register(contact="*, <sip:c@d>", expires=0),
        register(contact="<sip:a@b"),
        register(contact="<mailto:a@b>"),
        register(headers=(("Path", "nonsense nonsense"),)),
        register(line="").build(
            "REGISTER", "sip:u", [("To", "<sip:ucm-pub>"), ("Call-ID", "1"), ("CSeq", "1 REGISTER")]
        ),
    ],
)
def test_what_breaks_the_rules_of_register_is_a_protocol_error(request_: Request) -> None:
    with pytest.raises(SipProtocolError):
        Registration.of(request_)


SEED = bytes(register(headers=(("Path", "<sip:10.0.30.10;lr>"), ("Supported", "path,X-cisco-sis-7.0.0"))))


@fuzzed
@given(st.lists(st.tuples(st.integers(0, len(SEED)), st.binary(max_size=6)), min_size=1, max_size=5))
def test_any_register_is_read_or_refused(edits: list[tuple[int, bytes]]) -> None:
    data = SEED
    for position, octets in edits:
        data = data[:position] + octets + data[position + len(octets) :]
    registrar = Registrar(PHONES, POLICY)
    try:
        request = parse_message(data)
        if not isinstance(request, Request):
            return
        request.check()
        outcome = ask(registrar, request)
    except SipProtocolError:
        return
    assert isinstance(outcome, (Granted, Released, Listed, Refusal))
