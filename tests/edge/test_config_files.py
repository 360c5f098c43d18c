"""Configuration files: the captured fragment, round trips, hostile input."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.edge.config_files import (
    CallManager,
    ConfigFileError,
    DeviceConfig,
    GlobalSettings,
    JabberConfig,
    Line,
    ServiceProfile,
    SipTimers,
    device_file,
)
from tests.fuzz import fuzzed

PORTS = {"sip_port": 5060, "secured_sip_port": 5061, "sip_oauth_port": 5090, "sip_mra_oauth_port": 5091}
TIMERS = SipTimers(
    register_expires=3600, register_delta=5, keep_alive_expires=120, subscribe_expires=120, subscribe_delta=5
)
DEVICE = DeviceConfig(
    timers=TIMERS,
    uuid="6154365f-920b-dc71-b6ff-d23f602e94fb",
    call_managers=(
        CallManager(name="10.0.40.11", description="ucm-pub", process_node="10.0.40.11", **PORTS),
        CallManager(
            name="ucm-sub.inside.example.com", process_node="ucm-sub.inside.example.com", **{**PORTS, "sip_port": 5065}
        ),
    ),
    lines=(Line(name="10001", contact="7514c56a-1034-a684-3299-9b956979ee5c", label="Jane & Co", port=5060),),
    owner="jdoe",
    oauth=True,
)

FRAGMENT = b"""\
<callManager>
<name>10.0.40.11</name>
<description>ucm-pub</description>
<ports>
<ethernetPhonePort>2000</ethernetPhonePort>
<sipPort>5060</sipPort>
<securedSipPort>5061</securedSipPort>
<sipOAuthPort>5090</sipOAuthPort>
<sipMRAOAuthPort>5091</sipMRAOAuthPort>
<mgcpPorts>
"""


def test_device_file_holds_the_captured_fragment() -> None:
    body = DEVICE.document()
    assert b'<device  xsi:type="axl:XIPPhone" ctiid="24" uuid="{6154365f-920b-dc71-b6ff-d23f602e94fb}">\n' in body
    assert FRAGMENT in body
    assert b"\n<sipOAuthMode>1</sipOAuthMode>\n" in body
    assert device_file("CSFJDOE") == "CSFJDOE.cnf.xml"


def test_device_file_reads_back() -> None:
    assert DeviceConfig.parse(DEVICE.document()) == DEVICE
    phone = DeviceConfig(
        uuid="1",
        call_managers=(CallManager(name="a", process_node="a", **PORTS),),
        lines=(
            Line(name="2222", contact="c", button=1, port=5060),
            Line(name="2223", contact="d", button=2, port=5065),
        ),
        ctiid=621,
        load="sip78xx.12-1-1-12.loads",
        timers=replace(TIMERS, register_expires=600, register_delta=7),
        transport=3,
        security_mode=3,
        cert_hash="0123456789abcdef0123456789abcdef",
        encrypted=True,
        capf="a",
        mra_service_domain="example.com",
        connection_monitor=60,
    )
    assert DeviceConfig.parse(phone.document()) == phone


def test_call_managers_are_taken_in_order_of_priority() -> None:
    body = DEVICE.document().replace(b'priority="0"', b'priority="7"')
    assert [each.name for each in DeviceConfig.parse(body).call_managers] == [
        "ucm-sub.inside.example.com",
        "10.0.40.11",
    ]


@pytest.mark.parametrize(
    "spoilt",
    [
        DEVICE.document().replace(b"5091", b"50z1"),
        DEVICE.document().replace(b'priority="0"', b'priority="first"'),
        DEVICE.document().replace(b"callManager>", b"callCenter>"),
        DEVICE.document().replace(b"<name>10001</name>", b""),
        DEVICE.document()[:-12],
        b'<!DOCTYPE device SYSTEM "x">' + DEVICE.document(),
        b"<phone/>",
    ],
)
def test_a_spoilt_device_file_is_refused(spoilt: bytes) -> None:
    with pytest.raises(ConfigFileError):
        DeviceConfig.parse(spoilt)


def test_service_profile_jabber_config_and_global_settings_read_back() -> None:
    profile = ServiceProfile(name="SPDefault", presence=("imp-pub", "imp-sub"), cti=("ucm-pub",), uds_directory=False)
    assert ServiceProfile.parse(profile.document()) == profile
    settings = GlobalSettings(version="14.0.1", cluster_security_mode=1, sip_oauth=True)
    assert GlobalSettings.parse(settings.document()) == settings
    jabber = JabberConfig(
        groups=(("Policies", (("VoiceServicesDomain", "domain1"),)), ("Phone", (("x", "1"), ("x", "2"))))
    )
    assert JabberConfig.parse(jabber.document()) == jabber
    assert jabber.get("Phone", "x") == "2"
    assert jabber.get("Client", "x") is None


def test_the_published_jabber_config_is_read() -> None:
    published = (
        b'<?xml version="1.0" encoding="utf-8"?> <config version ="1.0"> <Policies>\n'
        b"  <VoiceServicesDomain>domain1</VoiceServicesDomain> </Policies> </config>"
    )
    assert JabberConfig.parse(published).get("Policies", "VoiceServicesDomain") == "domain1"


SEEDS = [
    DEVICE.document(),
    ServiceProfile(name="SPDefault", presence=("imp-pub",)).document(),
    JabberConfig(groups=(("Policies", (("a", "b"),)),)).document(),
    GlobalSettings(version="14").document(),
]


@fuzzed
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 5000), st.binary(max_size=5)), max_size=4),
    st.one_of(st.none(), st.binary(max_size=100)),
)
def test_any_body_is_read_or_refused(seed: bytes, edits: list[tuple[int, bytes]], instead: bytes | None) -> None:
    body = seed if instead is None else instead
    for position, octets in edits:
        at = position % (len(body) + 1)
        body = body[:at] + octets + body[at + len(octets) :]
    for parser in (DeviceConfig, ServiceProfile, JabberConfig, GlobalSettings):
        try:
            parser.parse(body)
        except ConfigFileError:
            continue
