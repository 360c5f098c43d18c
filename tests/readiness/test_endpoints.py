"""Rules about phones, room devices and other endpoints: each tripped alone, and each beside a sound deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from edgesim.deployment import Deployment, load, load_text
from edgesim.deployment.device_models import DEVICE_TYPES
from edgesim.readiness import Finding, check
from edgesim.readiness.rules import rule
from edgesim.scenario.proof import simulate
from tests.each import holds_for_each
from tests.readiness.cases import Case

PHONES, ROOMS = ("phone-1", "phone-2", "dx-1"), ("room-1", "room-2")
ONBOARDING = {"mra.access.activation_code_onboarding": True}
MRA_MODE = "EP-04.mra-mode"
LEAST_RELEASE, MODE, UDS = "EP-04.minimum-release", "EP-05.provisioning-mode", "EP-05.uds-server"
CA_LIST, BUILT_IN, BY_E = "EP-06.ca-list", "EP-08.built-in-list", "EP-08.trusted-by-e"
DOMAIN, CLIENT, UNASKED = "CERT-11.edge-domain", "CERT-15.client-certificate", "CERT-15.without-onboarding"


def only(*names: str) -> dict[str, Any]:
    """Return the setting that leaves these machines only."""
    every = {each.name: each for each in load("devices").clients}
    return {
        "clients": [{field: getattr(every[name], field) for field in ("name", "address", "device")} for name in names]
    }


def device(number: int, model: str, firmware: str) -> dict[str, Any]:
    """Return the settings that make another device of one: 1 is phone-1's, 4 room-1's."""
    name = f"devices.SEP00005E00530{number}"
    return {f"{name}.type": model, f"{name}.firmware": firmware}


def edge(**certificate: Any) -> dict[str, Any]:
    """Return the setting that gives Expressway-E another certificate."""
    return {"certificates": [{"host": "expe", "service": "server", **certificate}]}


def own(host: str, signed_by: str) -> dict[str, Any]:
    """Return the setting that gives a client a certificate."""
    return {"certificates": [{"host": host, "service": "client", "signed_by": signed_by}]}


def trust(host: str, store: str, **what: Any) -> dict[str, Any]:
    """Return the setting that changes one trust store."""
    return {"trust": [{"host": host, "store": store, **what}]}


PRIVATE = edge(signed_by="enterprise", sends="chain")
LEAF = edge(signed_by="public-issuing")
ROOMS_KNOW = {"trust": [{"host": room, "store": "ca-list", "adds": ["enterprise"]} for room in ROOMS]}
WITHOUT_SRV_FORMS = {"defaults.client.edge_names": ["{domain}"]}
INSIDE = {"clients.phone-1.zone": "inside", "clients.phone-1.address": "10.0.50.41"}
OLD = device(1, "8845", "10.9(1)")


def case(changes: Mapping[str, Any], rule: str | None = None, at: str | None = None) -> Case:
    """Return a case of the built-in deployment with phones and room devices."""
    return Case(deployment="devices", changes=changes, rule=rule, at=at)


CASES = [
    # models and releases: below the gate, exactly at it, left out
    case(device(1, "8845", "10.9(1)"), LEAST_RELEASE, "devices[0].firmware"),
    case(device(1, "8845", "11.0(1)")),
    case(device(1, "8832", "12.0(1)"), LEAST_RELEASE),
    case(device(1, "8832", "12.1(1)")),
    case(device(3, "DX650", "10.2.4(98)"), LEAST_RELEASE),
    case(device(3, "DX650", "10.2.4(99)")),
    case(device(4, "EX60", "TC7.0.2"), LEAST_RELEASE, "devices[3].firmware"),
    case(device(4, "EX60", "TC7.1")),
    case(device(5, "DX70", "CE8.1.1"), LEAST_RELEASE),
    case(device(5, "DX70", "CE8.2")),
    case(device(4, "Room Kit", "CE9.0")),
    *(
        case(device(1, model, "11.0(3)"), LEAST_RELEASE, "devices[0].type")
        for model in ("8821", "8821-EX", "8831")
    ),
    case({**OLD, **INSIDE}),
    case({**OLD, **only("jabber-1", "phone-2")}),
    # provisioning mode
    case({"clients.room-1.provisioning_mode": "CUCM"}, MODE, "clients[4].provisioning_mode"),
    case({"clients.room-2.provisioning_mode": "Off"}, MODE, "clients[5].provisioning_mode"),
    case({"clients.phone-1.provisioning_mode": "CUCM"}),
    case({"clients.room-1.provisioning_mode": "VCS", "clients.room-1.zone": "inside",
                  "clients.room-1.address": "10.0.50.44"}),
    # who has no service profile
    case({"users.dave.service_profile": None}, UDS, "users[3].service_profile"),
    case({"users.alice.service_profile": None}),
    case({"users.dave.service_profile": None, **only("jabber-1", "room-2")}),
    # room devices: the CA list
    case({**PRIVATE, **only("room-1", "room-2")}, CA_LIST, "certificates[0]"),
    case({**LEAF, **only("room-1")}, CA_LIST, "certificates[0]"),
    case({**edge(signed_by="private"), **only("room-1"), "trust": [
        {"host": "expc", "store": "trusted-ca", "adds": ["private"]},
        {"host": "expe", "store": "trusted-ca", "adds": ["private"]}]}, CA_LIST),
    case(trust("room-2", "ca-list", holds=[]), CA_LIST, "trust[0]"),
    case({**PRIVATE, **only("room-1", "room-2"), **ROOMS_KNOW}),
    case({**edge(signed_by="enterprise"), **only("room-1"),
                  **trust("room-1", "ca-list", adds=["enterprise"])}, CA_LIST, "trust[0]"),
    case({**edge(signed_by="enterprise"), **only("room-1"),
                  **trust("room-1", "ca-list", adds=["enterprise", "enterprise-issuing"])}),
    case({**PRIVATE, **only("room-1"), "clients.0.provisioning_mode": "TMS"}, MODE),
    # phones: the built-in list
    case({**PRIVATE, **ROOMS_KNOW}, BUILT_IN, "certificates[0]"),
    case({**LEAF, **only("phone-1", "dx-1")}, BUILT_IN, "certificates[0]"),
    case({**edge(signed_by="public-issuing", sends="chain")}),
    case({**PRIVATE, **only("jabber-1")}),
    case({**PRIVATE, **only("phone-1"), **OLD}, LEAST_RELEASE),
    case(trust("expe", "trusted-ca", lacks=["public"]), BY_E, "trust[0]"),
    case({**trust("expe", "trusted-ca", lacks=["public"]), **only("jabber-1", *ROOMS)}),
    # the edge domain in the SAN
    case(edge(without_names=["example.com"]), DOMAIN, "certificates[0]"),
    case(edge(names=["expe.example.com", "SRV:_collab-edge._tls.example.net"]), DOMAIN),
    case(edge(registration_domain_form="SRVName")),
    case(edge(registration_domain_form="CollabEdgeDNS")),
    case({**edge(registration_domain_form="SRVName"), **WITHOUT_SRV_FORMS}, DOMAIN),
    # client certificates
    case({**ONBOARDING, **own("room-1", "private")}, CLIENT, "certificates[0]"),
    case({**ONBOARDING, **own("jabber-1", "private")}, CLIENT),
    case({**ONBOARDING, **own("room-1", "private"), **trust("expe", "activation-code", adds=["private"])}),
    case({**ONBOARDING, **own("phone-1", "manufacturing")}),
    case({**ONBOARDING, **own("phone-1", "manufacturing"), **trust("expe", "activation-code", holds=[])},
         CLIENT),
    case({"clients.phone-1.dhcp_tftp_option": 66}, MRA_MODE, "clients[1].dhcp_tftp_option"),
    case({"devices.SEP00005E005302.activation_code_via_mra": False}, MRA_MODE, "devices[1].activation_code_via_mra"),
    case({"devices.SEP00005E005302.activation_code_via_mra": False, "expressway_e.expe.release": "X12.7",
          "expressway_c.expc.release": "X12.7"}),
    case({"devices.SEP00005E005303.activation_code_via_mra": False, "clients.dx-1.dhcp_tftp_option": 66}),
    case(own("room-1", "private"), UNASKED, "certificates[0]"),
    case(trust("expe", "activation-code", adds=["private"]), UNASKED, "trust[0]"),
    case({**ONBOARDING, **trust("expe", "activation-code", adds=["private"])}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_reports_exactly_what_is_meant(case: Case) -> None:
    case.verify()


def found(changes: Mapping[str, Any], name: str, deployment: str = "devices") -> list[Finding]:
    """Return what one rule finds in a changed deployment."""
    return [each.finding for each in check(load(deployment).changed(changes), [rule(name)]).reported]


def test_findings_name_devices_what_is_missing_and_what_to_do() -> None:
    (phones,) = found(PRIVATE, BUILT_IN)
    assert phones.what == (
        "the list built into phone-1 (8845), phone-2 (7821) and dx-1 (DX650) lacks the enterprise root CA, needed for "
        "the certificate of expe"
    )
    assert phones.fix.startswith("have a public CA sign the certificate of expe")
    (rooms,) = found(LEAF, CA_LIST)
    assert "room-1 (EX60) and room-2 (DX70) lacks the public intermediate CA" in rooms.what
    assert "have expe send the public intermediate CA with its certificate" in rooms.fix
    (domain,) = found(edge(without_names=["example.com"]), DOMAIN)
    assert "neither example.com nor SRV:_collab-edge._tls.example.com nor collab-edge.example.com" in domain.what


def test_devices_that_lack_different_things_are_separate_findings() -> None:
    leaf, holds = edge(signed_by="enterprise"), ["enterprise-issuing"]
    first, second = found({**leaf, **trust("room-2", "ca-list", holds=holds)}, CA_LIST)
    assert "room-1" in first.what and "room-2" not in first.what
    assert "room-2" in second.what and "room-1" not in second.what


def test_no_model_with_its_current_release_is_below_the_minimum() -> None:
    unsupported = {
        "8821": "Cisco 8821 does not support MRA",
        "8821-EX": "Cisco 8821 does not support MRA",
        "8831": "Cisco 8831 does not support MRA",
    }

    def is_fit_or_known_not_to_be(model: str) -> None:
        assert DEVICE_TYPES[model][0].unfit(None) == unsupported.get(model)

    holds_for_each(is_fit_or_known_not_to_be, [(model,) for model in DEVICE_TYPES])


def test_a_device_that_tries_all_the_same_predicts_nothing() -> None:
    (tries,) = found({**OLD, "defaults.client.unfit_device": "tries"}, LEAST_RELEASE)
    assert tries.prediction is None


def test_the_recommended_firmware_is_sufficient() -> None:
    (low,) = found(device(4, "EX60", "TC7.0.2"), LEAST_RELEASE)
    assert "to TC7.1 or later" in low.fix
    (out,) = found(device(1, "8831", "11.0(3)"), LEAST_RELEASE)
    assert "no release of this one supports MRA" in out.fix


PAIR = {
    "clients": [{"name": "room-1", "address": "198.51.100.44", "device": "SEP00005E005304"}],
    "users": [{"id": "dave", "password": "dave-secret", "numbers": ["1004"], "devices": ["SEP00005E005304"]}],
    "devices": [{"name": "SEP00005E005304", "type": "EX60"}],
}


def test_of_two_edges_a_device_may_never_meet_the_bad_one() -> None:
    bad = {"service": "server", "signed_by": "enterprise", "sends": "chain"}
    one = {**PAIR, "certificates": [{**bad, "host": "expe1"}]}
    both = {**PAIR, "certificates": [{**bad, "host": "expe1"}, {**bad, "host": "expe2"}]}
    assert [each.prediction for each in found(one, CA_LIST, "pair")] == [None]
    assert all(each.prediction for each in found(both, CA_LIST, "pair"))
    assert len(found(both, CA_LIST, "pair")) == 2


def test_without_phones_and_room_devices_the_domain_is_no_matter_of_theirs() -> None:
    assert found({**edge(without_names=["example.com"]), **only("jabber-1")}, DOMAIN) == []


def test_a_domain_missing_in_a_certificate_of_an_unknown_ca_is_not_what_ends_the_handshake() -> None:
    changes = {**edge(signed_by="enterprise", without_names=["example.com"]), **only("phone-1", "room-1")}
    (domain,) = found(changes, DOMAIN)
    assert domain.prediction is None
    assert all(each.prediction for name in (BUILT_IN, CA_LIST) for each in found(changes, name))


def test_a_finding_points_at_the_line_of_what_was_written_else_of_the_host() -> None:
    text = """
domains: {edge: example.com}
dns:
  inside: {name: dns-inside, address: 10.0.40.53}
  outside: {name: dns-outside, address: 203.0.113.53, zone: internet}
expressway_e:
  - {name: expe, outer: 203.0.113.10, inner: 10.0.20.10}
expressway_c:
  - {name: expc, address: 10.0.30.10}
unified_cm:
  - publisher: {name: ucm-pub, address: 10.0.40.11}
clients:
  - {name: phone-1, address: 198.51.100.41, device: SEP00005E005301}
mra:
  access: {user_credential: true}
users:
  - {id: alice, password: alice-secret, numbers: ["1001"], devices: [SEP00005E005301]}
devices:
  - {name: SEP00005E005301, type: "8845"}
defaults:
  client: {edge_names: [elsewhere.example.com]}
"""
    certificates = "certificates:\n  - {host: ucm-pub, service: tomcat}\n  - {host: expe, service: server}\n"

    def line(deployment: Deployment) -> tuple[str, int | None]:
        (reported,) = check(deployment, [rule(DOMAIN)]).reported
        return reported.finding.field, reported.line

    assert line(load_text(text)) == ("expressway_e[0]", 7)
    assert line(load_text(text + certificates)) == ("certificates[1]", 24)


TWO_BAD_EDGES = [
    {"host": host, "service": "server", "signed_by": "enterprise", "sends": "chain"} for host in ("expe1", "expe2")
]
BOTH_SIDES = [*PRIVATE["certificates"], *own("room-1", "private")["certificates"]]
WIRE = [
    *(each for each in CASES if each.rule),
    case({**edge(signed_by="self-signed"), **only("room-1", "phone-1")}),
    case({**edge(signed_by="enterprise-root"), **only("room-1", "phone-1")}),
    case({**edge(signed_by="enterprise", without_names=["example.com"]), **only("phone-1", "room-1")}),
    case({**edge(without_names=["example.com"]), **trust("room-1", "ca-list", holds=[])}),
    case({**PRIVATE, **only("room-1"), "users.dave.service_profile": None}),
    case({**PRIVATE, **ONBOARDING, "certificates": BOTH_SIDES}),
    case({**own("jabber-1", "enterprise")}),
    Case(deployment="pair", changes={**PAIR, "certificates": TWO_BAD_EDGES}),
]
"""Deployments that break something, alone or together."""


@pytest.mark.parametrize("case", WIRE, ids=lambda each: ", ".join(each.changes))
def test_what_is_predicted_comes_true(case: Case) -> None:
    report = case.report()
    assert report.reported
    for proof in simulate(report.deployment, report).proofs:
        assert proof.shown, (proof.reported.rule.name, proof)
