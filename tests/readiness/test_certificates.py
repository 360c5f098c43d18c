"""Rules about trust and certificates: each tripped alone, and each beside a sound deployment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from edgesim.deployment import load
from edgesim.readiness import check
from edgesim.readiness.chains import chain
from edgesim.scenario.proof import simulate
from tests.readiness.cases import Case


def lacks(host: str, store: str, *names: str) -> dict[str, Any]:
    return {"trust": [{"host": host, "store": store, "lacks": names}]}


def signed(by: str, *services: str, trust: Sequence[dict[str, Any]] = (), **more: Any) -> dict[str, Any]:
    """Certificates ``host/service`` signed by one authority, and who else has another trust store."""
    written = [dict(zip(("host", "service"), each.split("/"), strict=True)) for each in services]
    made = {"certificates": [{**each, "signed_by": by, **more} for each in written]}
    return {**made, "trust": list(trust)} if trust else made


def without(host: str, *names: str) -> dict[str, Any]:
    return {"certificates": [{"host": host, "service": "server", "without_names": names}]}


def form(name: str) -> dict[str, Any]:
    return {"certificates": [{"host": "expe", "service": "server", "registration_domain_form": name}]}


MIXED: dict[str, Any] = {"unified_cm.0.mixed_mode": True}
OLD = {"expressway_c.0.release": "X14.0.2", "expressway_e.0.release": "X14.0.2"}
DESKS = [{"host": f"inside-{n}", "store": "system", "adds": ["private"]} for n in (1, 2)]
"""Clients inside trust the private CA too."""
TRUSTING = {"trust": [{"host": "expc", "store": "trusted-ca", "adds": ["private"]}]}
UNVERIFIED = {"mra.tls_verify_unified_cm": False}
CLIENTS = [{"host": f"jabber-{n}", "store": "system", "adds": ["public-issuing"]} for n in (1, 2, 3)]
EVERYBODY = {
    "trust": [
        {"host": host, "store": "trusted-ca", "holds": ["enterprise", "enterprise-issuing"]}
        for host in ("expe", "expc")
    ]
}
NAMED_APART = [
    {"host": host, "service": service, "signed_by": "self-signed", "common_name": f"{host}-{service}"}
    for host, service in (("ucm-pub", "tomcat"), ("ucm-pub", "callmanager"), ("imp-pub", "tomcat"))
]

ROOT_ONLY = lacks("expc", "trusted-ca", "public-issuing")
PROFILE, CLUSTER, ALIAS = "jabber.secure.example.com", "cluster-c.inside.example.com", "rooms.example.com"
SECURE: dict[str, Any] = {
    **MIXED,
    "unified_cm.0.security_profiles": [{}, {"name": PROFILE, "mode": "encrypted", "transport": "TLS"}],
    "devices": [{"name": "CSFALICE", "security_profile": PROFILE}],
}
FEDERATED: dict[str, Any] = {
    "domains.enabled": [{"name": "example.com", "xmpp_federation": True}],
    "im_presence.0.chat_aliases": [ALIAS],
}
OFF = {"unified_cm_registrations": False, "im_and_presence": False}
PARTNERS: dict[str, Any] = {
    "domains.enabled": [{"name": "example.com"}, {"name": "partners.example", "xmpp_federation": True, **OFF}],
    "im_presence.0.chat_aliases": [],
    "dns.without": [{"view": "outside", "name": "_collab-edge._tls.partners.example", "type": "SRV"}],
}
LONG = [f"{'x' * 60}.{n}.example.net" for n in range(14)]
"""More than the 999 characters that a product reads."""
ADVICE = ("CERT-16.ca-signed",)

CASES = [
    # Unified CM trusts C
    Case(changes=lacks("ucm-pub", "callmanager-trust", "enterprise"), rule="CERT-01.callmanager-trust", at="trust[0]"),
    Case(changes=lacks("ucm-sub", "callmanager-trust", "enterprise"), rule="CERT-01.callmanager-trust"),
    Case(changes=lacks("ucm-pub", "tomcat-trust", "enterprise"), rule="CERT-01.tomcat-trust"),
    Case(changes={**lacks("ucm-pub", "callmanager-trust", "enterprise"), **OLD}, rule="CERT-01.callmanager-trust"),
    Case(changes=lacks("ucm-pub", "tomcat-trust", "public", "public-issuing")),
    Case(changes={**MIXED, **lacks("ucm-pub", "callmanager-trust", "expc/server")}, rule="CERT-01.callmanager-trust"),
    Case(changes={**MIXED, **lacks("ucm-pub", "tomcat-trust", "expc/server")}, rule="CERT-01.tomcat-trust"),
    Case(changes={**MIXED, **lacks("ucm-pub", "tomcat-trust", "enterprise", "enterprise-issuing")}),
    Case(changes=MIXED),
    Case(changes={**lacks("ucm-pub", "tomcat-trust", "enterprise"), "mra.unified_cm_clusters": []},
         rule="UC-03.added"),
    Case(changes=signed("private", "expc/server") | {"trust": [
        {"host": host, "store": store, "adds": ["private"]}
        for host, store in (("expe", "trusted-ca"), ("ucm-pub", "tomcat-trust"), ("ucm-pub", "callmanager-trust"),
                            ("ucm-sub", "tomcat-trust"), ("imp-pub", "tomcat-trust"), ("imp-pub", "cup-xmpp-trust"))
    ]}, rule="CERT-01.callmanager-trust"),
    # ... and the CAs in between
    Case(changes=lacks("ucm-pub", "tomcat-trust", "enterprise-issuing"), rule="CERT-05.intermediate"),
    Case(changes=lacks("ucm-pub", "callmanager-trust", "enterprise-issuing"), rule="CERT-05.intermediate"),
    Case(changes={**lacks("ucm-pub", "callmanager-trust", "enterprise-issuing"),
                  "certificates": [{"host": "expc", "service": "server", "sends": "chain"}]}),
    Case(changes={**lacks("ucm-pub", "callmanager-trust", "enterprise-issuing"),
                  **signed("enterprise-root", "expc/server")}),
    # IM and Presence trusts C
    Case(changes=lacks("imp-pub", "cup-xmpp-trust", "enterprise"), rule="CERT-03.cup-xmpp-trust"),
    Case(changes=lacks("imp-pub", "cup-xmpp-trust", "enterprise-issuing"), rule="CERT-03.cup-xmpp-trust"),
    Case(changes=lacks("imp-pub", "tomcat-trust", "enterprise"), rule="CERT-03.tomcat-trust"),
    Case(changes=lacks("imp-pub", "tomcat-trust", "public")),
    Case(changes={**lacks("imp-pub", "tomcat-trust", "enterprise"), "mra.im_presence_clusters": []},
         rule="UC-03.chat-added"),
    # C trusts the servers
    Case(changes=signed("private", "ucm-pub/tomcat", trust=DESKS), rule="CERT-04.unified-cm", at="expressway_c[0]"),
    Case(changes=signed("private", "ucm-sub/callmanager"), rule="CERT-04.unified-cm"),
    Case(changes=signed("private", "ucm-pub/tomcat") | {"trust": [*TRUSTING["trust"], *DESKS]}),
    Case(changes=signed("private", "ucm-pub/tomcat", trust=DESKS) | UNVERIFIED, rule="CERT-04.unified-cm"),
    Case(changes=signed("private", "ucm-pub/tomcat", trust=DESKS) | UNVERIFIED | {"mra.verify_origin_server": False}),
    Case(changes=signed("private", "ucm-pub/tomcat", trust=DESKS) | UNVERIFIED | OLD),
    Case(changes=signed("private", "ucm-pub/tomcat", trust=DESKS) | OLD, rule="CERT-04.unified-cm"),
    Case(changes=signed("private", "imp-pub/tomcat", trust=DESKS), rule="CERT-04.im-presence"),
    Case(changes=signed("private", "imp-pub/cup-xmpp", trust=DESKS), rule="CERT-04.im-presence"),
    Case(changes=signed("private", "imp-pub/cup-xmpp", trust=DESKS) | {"mra.tls_verify_im_presence": False}),
    # the traversal zone
    Case(changes=lacks("expc", "trusted-ca", "public"), rule="CERT-04.expressway-e"),
    Case(changes=lacks("expc", "trusted-ca", "public-issuing")),
    Case(changes=signed("public-issuing", "expe/server") | {"trust": [*ROOT_ONLY["trust"], *CLIENTS]},
         rule="CERT-09.intermediate"),
    Case(changes=signed("public-issuing", "expe/server", sends="chain") | ROOT_ONLY),
    Case(changes=lacks("expe", "trusted-ca", "enterprise"), rule="CERT-06.root"),
    Case(changes=lacks("expe", "trusted-ca", "enterprise-issuing"), rule="CERT-06.intermediate"),
    Case(changes={**lacks("expe", "trusted-ca", "enterprise-issuing"),
                  "certificates": [{"host": "expc", "service": "server", "sends": "chain"}]}),
    Case(changes=lacks("expe", "trusted-ca", "public", "public-issuing")),
    # one CA for all (the public one on Expressway-E is the library's own way)
    Case(changes=signed("enterprise", "expe/server") | EVERYBODY),
    # Jabber trusts E
    Case(changes=signed("private", "expe/server") | TRUSTING, rule="EP-02.system-trust"),
    Case(changes=lacks("jabber-1", "system", "public"), rule="EP-02.system-trust"),
    Case(changes=lacks("jabber-1", "system", "enterprise")),
    Case(changes=lacks("inside-1", "system", "public")),
    Case(changes=signed("public-issuing", "expe/server"), rule="EP-02.system-trust"),
    Case(changes=signed("public-issuing", "expe/server", sends="chain")),
    # ... and inside the servers themselves
    Case(changes=lacks("inside-1", "system", "enterprise"), rule="EP-02.system-trust-inside", at="trust[0]"),
    Case(changes=lacks("inside-2", "system", "enterprise-issuing"), rule="EP-02.system-trust-inside"),
    Case(changes={**lacks("inside-1", "system", "enterprise"), "dns.cisco_uds": False}, rule="NET-11.cisco-uds-inside"),
    Case(changes=signed("private", "ucm-sub/tomcat") | TRUSTING, rule="EP-02.system-trust-inside"),
    Case(changes=signed("private", "imp-pub/cup-xmpp") | TRUSTING, rule="EP-02.system-trust-inside"),
    Case(changes=signed("self-signed", "imp-pub/cup-xmpp"), rule="CERT-16.ca-signed"),
    # self-signed
    Case(changes=signed("self-signed", "ucm-pub/tomcat"), rule="CERT-16.ca-signed", at="certificates[0]"),
    Case(changes=signed("self-signed", "expe/server") | {"trust": [
        {"host": f"jabber-{n}", "store": "system", "adds": ["expe/server"]} for n in (1, 2, 3)]},
        rule="CERT-16.ca-signed"),
    Case(changes={"certificates": NAMED_APART}, rule="CERT-16.ca-signed"),
    Case(changes=signed("self-signed", "ucm-pub/tomcat") | lacks("expc", "trusted-ca", "ucm-pub/tomcat"),
         rule="CERT-08.absent", advice=ADVICE),
    Case(changes=signed("self-signed", "imp-pub/cup-xmpp") | lacks("expc", "trusted-ca", "imp-pub/cup-xmpp"),
         rule="CERT-08.absent", advice=ADVICE),
    Case(changes=signed("self-signed", "ucm-pub/tomcat", "ucm-pub/callmanager"),
         rule="CERT-08.same-subject", advice=ADVICE),
    Case(changes=signed("self-signed", "imp-pub/tomcat", "imp-pub/cup-xmpp"),
         rule="CERT-08.same-subject", advice=ADVICE),
    # wildcards
    Case(changes=signed("public", "expe/server", names=["*.example.com", "example.com"]), rule="CERT-16.wildcard",
         at="certificates[0]"),
    Case(changes={"certificates": [{"host": "expc", "service": "server", "extra_names": ["*.inside.example.com"]}]},
         rule="CERT-16.wildcard"),
    Case(changes={"certificates": [{"host": "ucm-pub", "service": "tomcat", "extra_names": ["*.inside.example.com"]}]}),
    # names in C's certificate
    Case(changes=SECURE),
    Case(changes=SECURE | without("expc", PROFILE), rule="CERT-10.profile-name", at="certificates[0]"),
    Case(changes={**SECURE, "devices": []} | without("expc", PROFILE)),
    Case(changes={**SECURE, "unified_cm.0.mixed_mode": False} | without("expc", PROFILE), rule="CERT-10.profile-fits"),
    Case(changes=without("expc1", CLUSTER), rule="CERT-10.cluster-name", deployment="pair"),
    Case(changes=without("expc1", "expc1.inside.example.com"), deployment="pair"),
    Case(changes={"traversal_zone.tls_verify_subject_name": "expc.example.com"}, rule="CERT-10.cluster-name"),
    Case(changes=FEDERATED),
    Case(changes=FEDERATED | without("expc", ALIAS), rule="CERT-10.chat-alias"),
    Case(changes=FEDERATED | {"certificates": [
        {"host": "expc", "service": "server", "without_names": [ALIAS], "extra_names": [f"XMPP:{ALIAS}"]}]},
        advice=("CERT-13.alias-form",)),
    Case(changes=without("expc", ALIAS)),
    # names in E's
    Case(changes=without("expe", "example.com"), rule="CERT-11.registration-domain", at="certificates[0]"),
    Case(changes=form("CollabEdgeDNS")),
    Case(changes=form("SRVName")),
    Case(changes=signed("public", "expe/server", names=["expe.example.com"]), rule="CERT-11.registration-domain"),
    Case(changes=signed("public", "expe/server", names=["expe.example.com", *LONG, "example.com"]),
         rule="CERT-11.registration-domain"),
    Case(changes=signed("public", "expe/server", names=["expe.example.com", "example.com", *LONG])),
    Case(changes=FEDERATED | without("expe", ALIAS), rule="CERT-11.chat-alias"),
    Case(changes=PARTNERS),
    Case(changes=PARTNERS | without("expe", "partners.example"), rule="CERT-11.federation-domain"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_check_reports_exactly_what_is_meant(case: Case) -> None:
    case.verify()


def test_what_is_missing_in_a_chain() -> None:
    sound = load("small")
    assert chain(sound, ("expc", "server"), ("expe", "trusted-ca")).good
    root = chain(sound.changed(lacks("expe", "trusted-ca", "enterprise")), ("expc", "server"), ("expe", "trusted-ca"))
    assert (root.root, root.missing, root.lacks_root, root.lacks_intermediates) == (
        "enterprise",
        ("enterprise",),
        True,
        False,
    )
    both = chain(
        sound.changed(lacks("expe", "trusted-ca", "enterprise", "enterprise-issuing")),
        ("expc", "server"),
        ("expe", "trusted-ca"),
    )
    assert both.missing == ("enterprise", "enterprise-issuing")
    assert both.words == "the enterprise root CA and the enterprise intermediate CA"
    pending = sound.changed({"trust": [{"host": "expe", "store": "trusted-ca", "pending": ["enterprise"]}]})
    assert chain(pending, ("expc", "server"), ("expe", "trusted-ca")).good


@pytest.mark.parametrize(("host", "lacks"), [("expe1", ["enterprise"]), ("expc1", ["public"])])
def test_one_store_is_one_finding_however_many_peers_it_is_needed_for(host: str, lacks: list[str]) -> None:
    deployment = load("cluster").changed({"trust": [{"host": host, "store": "trusted-ca", "lacks": lacks}]})
    (found,) = check(deployment).reported
    assert ("expc1 and expc2" if host == "expe1" else "expe1 and expe2") in found.finding.what
    (proof,) = simulate(deployment, check(deployment)).proofs
    assert proof.shown, proof
