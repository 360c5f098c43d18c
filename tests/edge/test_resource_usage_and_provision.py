"""The OPTIONS body, and the provisioning link."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.edge import provision, resource_usage
from edgesim.edge.provision import Provision, ProvisionError
from edgesim.edge.resource_usage import ResourceUsage, ResourceUsageError
from tests.fuzz import fuzzed

SEEN = (
    b"<resourceusageinfo><traversalcallsavailable>249</traversalcallsavailable>"
    b"<nontraversalcallsavailable>750</nontraversalcallsavailable><registrationsavailable>2494</registrationsavailable>"
    b"<turnrelaysavailable>0</turnrelaysavailable></resourceusageinfo>"
)


def test_the_seen_body_has_250_octets_and_comes_back() -> None:
    usage = ResourceUsage(traversal_calls=249, non_traversal_calls=750, registrations=2494)
    assert resource_usage.build(usage) == SEEN
    assert len(SEEN) == 250
    assert resource_usage.parse(SEEN) == usage


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<x/>",
        SEEN.replace(b"249", b"-1"),
        SEEN.replace(b"249", b""),
        SEEN[:-1],
        SEEN.replace(b"0<", b"9" * 10 + b"<"),
    ],
)
def test_other_bodies_are_refused(body: bytes) -> None:
    with pytest.raises(ResourceUsageError):
        resource_usage.parse(body)


@fuzzed
@given(
    at=st.integers(0, 250), length=st.integers(0, 30), put=st.binary(max_size=10) | st.sampled_from([b"<a>", b"&a;"])
)
def test_any_damage_gives_a_report_or_the_error(at: int, length: int, put: bytes) -> None:
    try:
        found = resource_usage.parse(SEEN[:at] + put + SEEN[at + length :])
    except ResourceUsageError:
        return
    assert found.registrations >= 0


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (
            "ciscojabber://provision?ServicesDomain=domain4&VoiceServicesDomain=domain1",
            Provision(services_domain="domain4", voice_services_domain="domain1"),
        ),
        (
            "ciscojabber://provision?servicesdomain=example.com&ServiceDiscoveryExcludedServices=WEBEX,CUCM",
            Provision(services_domain="example.com", excluded=("WEBEX", "CUCM")),
        ),
        (
            "ciscojabber://provision/?ServicesDomain=example.com&ServicesDomainSsoEmailPrompt=on&InvalidCertificateBehavior=x",
            Provision(
                services_domain="example.com", sso_email_prompt=True, extra=(("InvalidCertificateBehavior", "x"),)
            ),
        ),
    ],
)
def test_links(link: str, expected: Provision) -> None:
    assert provision.parse(link) == expected
    assert provision.parse(provision.build(expected)) == expected


def test_documented_links_are_written() -> None:
    made = provision.build(Provision(services_domain="domain4", voice_services_domain="domain1"))
    assert made == "ciscojabber://provision?ServicesDomain=domain4&VoiceServicesDomain=domain1"
    assert provision.parse(made).edge_domain == "domain1"


@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("https://provision?ServicesDomain=a", "not a"),
        ("ciscojabber://call?x=1", "not a"),
        ("ciscojabber://provision", "not a"),
        ("ciscojabber://provision?ServicesDomain=a b", "ServicesDomain"),
        ("ciscojabber://provision?VoiceServicesDomain=", "VoiceServicesDomain"),
        ("ciscojabber://provision?ServiceDiscoveryExcludedServices=LDAP", "LDAP"),
        ("ciscojabber://provision?ServicesDomainSsoEmailPrompt=maybe", "maybe"),
        ("ciscojabber://provision?" + "&" * 100, "too many"),
    ],
)
def test_bad_links_name_the_parameter(link: str, says: str) -> None:
    with pytest.raises(ProvisionError, match=says):
        provision.parse(link)


@fuzzed
@given(
    query=st.text(max_size=60)
    | st.lists(
        st.sampled_from(
            ["ServicesDomain=", "VoiceServicesDomain=", "example.com", "&", "%", "%00", "ON", "WEBEX,", "="]
        )
        | st.text(max_size=5),
        max_size=10,
    ).map("".join)
)
def test_any_link_is_read_or_refused(query: str) -> None:
    try:
        found = provision.parse("ciscojabber://provision?" + query)
    except ProvisionError:
        return
    assert provision.parse(provision.build(found)) == found
