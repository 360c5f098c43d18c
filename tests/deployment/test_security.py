"""Certificates and trust in a deployment: what is derived, what its author may write, what is refused and why."""

from __future__ import annotations

from typing import Any

import pytest

from edgesim.deployment import Deployment, DeploymentError, as_yaml, builtin, load_text
from edgesim.deployment.plan.security import Certificate, TrustStore
from edgesim.deployment.presenting import presentations
from edgesim.deployment.releases import Product, Release
from edgesim.deployment.services import OPTIONAL_SERVICES, SERVICES
from edgesim.deployment.subject_names import has_form_of_fqdn, profiles_in_the_way, subject_names
from edgesim.deployment.uploads import upload_problems

SECURE = {"name": "secure.profile.example.com", "mode": "encrypted", "transport": "TLS"}
FEDERATED = {"domains.enabled": [{"name": "example.com", "xmpp_federation": True}]}

USUAL = ("public", "public-issuing", "enterprise", "enterprise-issuing")
"""What a trust store holds where nothing else was written."""


@pytest.fixture(scope="module")
def small() -> Deployment:
    return builtin("small")


@pytest.fixture(scope="module")
def pair() -> Deployment:
    return builtin("pair")


def changed(lab: Deployment, **sections: Any) -> Deployment:
    return lab.changed(sections)


def mistakes(lab: Deployment, **sections: Any) -> list[str]:
    with pytest.raises(DeploymentError) as raised:
        lab.changed(sections)
    return [f"{each.field}: {each.value}: {each.reason}" for each in raised.value.mistakes]


def names(lab: Deployment, host: str, service: str = "server") -> tuple[str, ...]:
    return lab.certificate(host, service).names or ()


# ---- names


def test_e_has_its_cluster_its_domains_and_the_name_of_its_inner_interface(pair: Deployment) -> None:
    assert names(pair, "expe1") == ("expe1.example.com", "example.com", "cluster-e.example.com")
    inner = pair.changed({"expressway_e.0.inner_name": "expe1-in"})
    assert names(inner, "expe1")[-1] == "expe1-in.example.com"
    assert names(inner, "expe2") == names(pair, "expe2")


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("DNS", "example.com"),
        ("CollabEdgeDNS", "collab-edge.example.com"),
        ("SRVName", "SRV:_collab-edge._tls.example.com"),
    ],
)
def test_registration_domains_have_three_forms(small: Deployment, form: str, name: str) -> None:
    lab = changed(small, certificates=[{"host": "expe", "service": "server", "registration_domain_form": form}])
    assert names(lab, "expe") == ("expe.example.com", name)


def test_federation_brings_its_domain_whatever_the_form_and_chat_aliases(small: Deployment) -> None:
    form = {"host": "expe", "service": "server", "registration_domain_form": "CollabEdgeDNS"}
    lab = small.changed({**FEDERATED, "certificates": [form]})
    (alias,) = lab.im_presence_cluster("imp").chat_aliases or ()
    assert alias.startswith("conference-1-standalonecluster") and alias.endswith(".example.com")
    assert names(lab, "expe") == ("expe.example.com", "collab-edge.example.com", "example.com", alias)
    assert names(lab, "expc") == ("expc.inside.example.com", alias)
    assert alias not in names(small, "expe") + names(small, "expc")
    unknown = lab.changed({"mra.im_presence_clusters": []})
    assert alias not in names(unknown, "expc"), "a cluster that was not added on C"


def test_chat_aliases_are_one_a_node_or_as_written() -> None:
    cluster = builtin("cluster")
    aliases = cluster.im_presence_cluster("imp").chat_aliases or ()
    assert len(aliases) == 2 and len(set(aliases)) == 2
    written = cluster.changed(
        {**FEDERATED, "im_presence.imp.chat_aliases": ["conference-2-standaloneclusterab12.example.com"]}
    )
    assert names(written, "expc1")[-1] == "conference-2-standaloneclusterab12.example.com"


def test_before_discovery_c_knows_no_aliases(small: Deployment) -> None:
    lab = small.changed(FEDERATED)
    core = lab.expressway_c[0]
    before = subject_names(lab, core, "server", discovered=False)
    after = subject_names(lab, core, "server")
    assert [each.name for each in before] == ["expc.inside.example.com"]
    assert [each.reason for each in after] == [
        "FQDN of the host",
        "chat node alias of imp, for federated group chat",
    ]


def test_names_of_encrypted_profiles_stand_in_the_certificate_of_c_alone(small: Deployment) -> None:
    authenticated = {**SECURE, "name": "b.c", "mode": "authenticated"}
    lab = small.changed({"unified_cm.cucm.security_profiles": [{}, SECURE, authenticated]})
    assert names(lab, "expc") == ("expc.inside.example.com", "secure.profile.example.com")
    assert "secure.profile.example.com" not in names(lab, "expe")


@pytest.mark.parametrize("release", ["X12.5.9", "X12.6"])
def test_a_profile_without_the_form_of_an_fqdn_is_in_the_way_from_x12_6_on(small: Deployment, release: str) -> None:
    odd = {**SECURE, "name": "Secure Phone Profile"}
    lab = small.changed({"unified_cm.cucm.security_profiles": [{}, odd], "expressway_c.0.release": release})
    late = release == "X12.6"
    assert profiles_in_the_way(lab, lab.expressway_c[0].release) == (("Secure Phone Profile",) if late else ())
    assert ("Secure Phone Profile" in names(lab, "expc")) is not late


@pytest.mark.parametrize(
    ("name", "right"),
    [("a.b", True), ("secure-1.example.com", True), ("secure", False), ("a.1b", False), ("a_b.example.com", False),
     ("a..b", False), ("a b.example.com", False), ("x" * 64 + ".com", False), (".".join(["x" * 60] * 5), False)],
)  # fmt: skip
def test_the_form_of_an_fqdn(name: str, right: bool) -> None:
    assert has_form_of_fqdn(name) is right


def test_presence_domains_stand_in_cup_xmpp_alone(small: Deployment) -> None:
    assert names(small, "imp-pub", "cup-xmpp") == ("imp-pub.inside.example.com", "example.com")
    assert names(small, "imp-pub", "tomcat") == ("imp-pub.inside.example.com",)


# ---- what is written


def test_usages_that_a_ca_strips_are_gone_either_way(small: Deployment) -> None:
    stripped = {"host": "expe", "service": "server", "strips": ["client auth"]}
    lab = changed(small, certificates=[stripped])
    assert (lab.certificate("expe", "server").server_auth, lab.certificate("expe", "server").client_auth) == (
        True,
        False,
    )
    assert load_text(as_yaml(lab, full=True, reveal=True)) == lab


def test_defaults_of_a_certificate(small: Deployment) -> None:
    expe = small.certificate("expe", "server")
    assert (expe.key, expe.signed_by, expe.sends, expe.common_name) == ("ec-p256", "public", "leaf", "expe.example.com")
    rsa = small.changed({"defaults.tls.key": "rsa-2048"})
    assert rsa.certificate("ucm-pub", "tomcat").key == "rsa-2048"


def test_client_certificates_are_there_only_where_written(small: Deployment) -> None:
    assert not small.certificates_of("jabber-1")
    written = [
        {"host": "jabber-1", "service": "client"},
        {"host": "jabber-2", "service": "client", "signed_by": "private"},
    ]
    lab = changed(small, certificates=written)
    assert [lab.certificate(f"jabber-{number}", "client").signed_by for number in (1, 2)] == ["enterprise", "private"]
    phone = builtin("pair").changed({"certificates": [{"host": "phone-1", "service": "client"}]})
    assert phone.certificate("phone-1", "client").signed_by == "manufacturing"


def test_an_expressways_own_client_certificate_comes_with_x15_5(small: Deployment) -> None:
    written = {"certificates": [{"host": "expc", "service": "client"}]}
    assert mistakes(small, **written) == [
        "certificates[0].service: client: a separate client certificate requires Expressway X15.5"
    ]
    lab = small.changed({**written, "expressway_c.0.release": "X15.5"})
    assert lab.certificate("expc", "client").names == lab.certificate("expc", "server").names


# ---- trust


@pytest.mark.parametrize(
    ("host", "stores"),
    [
        ("expe1", {"trusted-ca": USUAL, "activation-code": ("manufacturing",)}),
        ("expc1", {"trusted-ca": USUAL}),
        ("ucm-pub", {"tomcat-trust": USUAL, "callmanager-trust": USUAL}),
        ("imp-pub", {"tomcat-trust": USUAL, "cup-xmpp-trust": USUAL}),
        ("jabber-1", {"system": ("public", "enterprise", "enterprise-issuing")}),
        ("phone-1", {"built-in": ("public",)}),
    ],
)
def test_stores_of_each_kind_of_host(pair: Deployment, host: str, stores: dict[str, tuple[str, ...]]) -> None:
    assert {each.store: each.holds for each in pair.trust_of(host)} == stores


def test_room_devices_have_a_list_that_can_be_extended(small: Deployment) -> None:
    lab = small.changed({"clients.0.platform": "room"})
    assert lab.trust_store("jabber-1", "ca-list").holds == ("public",)
    more = lab.changed({"trust": [{"host": "jabber-1", "store": "ca-list", "adds": ["enterprise"]}]})
    assert more.trust_store("jabber-1", "ca-list").holds == ("public", "enterprise")


def test_adds_lacks_and_pending_change_the_usual(small: Deployment) -> None:
    written = {
        "host": "expc",
        "store": "trusted-ca",
        "adds": ["private"],
        "lacks": ["public"],
        "pending": ["enterprise"],
    }
    lab = changed(small, trust=[written])
    store = lab.trust_store("expc", "trusted-ca")
    assert store.holds == ("public-issuing", "enterprise-issuing", "private")
    assert store.pending == ("enterprise",)
    assert lab.trust_store("expe", "trusted-ca").holds == USUAL
    assert load_text(as_yaml(lab, full=True, reveal=True)) == lab


def test_self_signed_servers_are_trusted_by_servers_and_by_no_client(small: Deployment) -> None:
    lab = changed(small, certificates=[{"host": "expe", "service": "server", "signed_by": "self-signed"}])
    assert "expe/server" in (lab.trust_store("expc", "trusted-ca").holds or ())
    assert "expe/server" not in (lab.trust_store("jabber-1", "system").holds or ())
    assert "expe/server" not in (lab.trust_store("expe", "activation-code").holds or ())
    own = [{"host": "jabber-1", "service": "client", "signed_by": "self-signed"}]
    assert "jabber-1/client" not in (changed(small, certificates=own).trust_store("expe", "trusted-ca").holds or ())


# ---- mistakes


def test_every_mistake_is_reported_at_once(small: Deployment) -> None:
    found = mistakes(
        small,
        certificates=[
            {"host": "nobody", "service": "server"},
            {"host": "expe", "service": "tomcat"},
            {"host": "dns-inside", "service": "server"},
            {"host": "ucm-pub", "service": "tomcat", "registration_domain_form": "SRVName"},
            {"host": "expc", "service": "server", "validity": "expired", "expires_after_s": 60},
            {"host": "ucm-pub", "service": "callmanager", "extra_names": ["a.example.com", "IP:10.0.40", "ü.example"]},
        ],
        trust=[
            {"host": "expe", "store": "system"},
            {"host": "expc", "store": "trusted-ca", "adds": ["thawte"], "lacks": ["expe/cup"]},
            {"host": "ucm-pub", "store": "tomcat-trust"} | {key: ["private"] for key in ("adds", "lacks", "pending")},
        ],
    )  # fmt: skip
    fields = [each.split(": ")[0] for each in found]
    assert fields == [
        "certificates[0].host",
        "certificates[1].service",
        "certificates[2].host",
        "certificates[3].registration_domain_form",
        "certificates[4].expires_after_s",
        "certificates[5].extra_names[1]",
        "certificates[5].extra_names[2]",
        "trust[0].store",
        "trust[1].adds[0]",
        "trust[1].lacks[0]",
        "trust[2].lacks[0]",
        "trust[2].pending[0]",
        "trust[2].pending[0]",
    ]
    assert found[1] == "certificates[1].service: tomcat: no such service of expe; known: server, client"
    assert "known: trusted-ca, activation-code" in found[7]


def test_unknown_ca_usage_and_key_are_refused(small: Deployment) -> None:
    found = mistakes(
        small,
        certificates=[{"host": "expe", "service": "server", "signed_by": "thawte", "key": "dsa", "strips": ["x"]}],
    )
    assert [each.split(": ")[0] for each in found] == [
        "certificates[0].signed_by",
        "certificates[0].key",
        "certificates[0].strips[0]",
    ]


@pytest.mark.parametrize("change", [{"adds": ["private"]}, {"holds": ["enterprise"]}, {"lacks": ["public"]}])
def test_a_phones_ca_list_cannot_be_changed(pair: Deployment, change: dict[str, Any]) -> None:
    found = mistakes(pair, trust=[{"host": "phone-1", "store": "built-in", **change}])
    assert found == ["trust[0].store: built-in: this list cannot be changed; it contains public"]
    same = pair.changed({"trust": [{"host": "phone-1", "store": "built-in", "holds": ["public"]}]})
    assert same.trust_store("phone-1", "built-in").holds == ("public",)


def test_every_field_is_described() -> None:
    for model in (Certificate, TrustStore):
        assert [name for name, field in model.model_fields.items() if not field.description] == []


# ---- uploads


@pytest.mark.parametrize(
    ("product", "release", "usages", "options", "wanted"),
    [
        ("expressway_c", "X14.3", ("serverAuth", "clientAuth"), {}, []),
        ("expressway_c", "X14.3", ("serverAuth",), {}, ["clientAuth"]),
        ("expressway_e", "X15.3", ("serverAuth",), {}, ["clientAuth"]),
        ("expressway_e", "X15.3", ("clientAuth",), {}, ["serverAuth"]),
        ("expressway_e", "X15.3", None, {}, ["serverAuth", "clientAuth"]),
        ("expressway_e", "X15.3", ("serverAuth",), {"server_eku_upload": True}, ["clientAuth"]),
        ("expressway_e", "X15.4", ("serverAuth",), {}, ["clientAuth"]),
        ("expressway_e", "X15.4", ("serverAuth",), {"server_eku_upload": True}, []),
        ("expressway_e", "X15.4", ("clientAuth",), {"server_eku_upload": True}, ["serverAuth"]),
        ("expressway_c", "X15.4", ("serverAuth",), {"server_eku_upload": True}, ["clientAuth"]),
        ("expressway_c", "X15.5", ("serverAuth",), {}, []),
        ("expressway_e", "X15.5", ("clientAuth",), {}, ["serverAuth"]),
        ("expressway_c", "X15.5", ("serverAuth",), {"store": "client"}, ["clientAuth"]),
        ("expressway_c", "X15.5", ("serverAuth",), {"store": "client", "copied": True}, []),
        ("expressway_c", "X15.5", ("clientAuth",), {"store": "client"}, []),
        ("expressway_c", "X15.4", ("clientAuth",), {"store": "client"}, ["X15.5"]),
    ],
)
def test_uploads_by_release(product: Any, release: str, usages: Any, options: Any, wanted: list[str]) -> None:
    problems = upload_problems(usages, product, Release.parse(release, Product.EXPRESSWAY), **options)
    assert len(problems) == len(wanted)
    assert all(want in problem for want, problem in zip(wanted, problems, strict=True))


# ---- who presents what


def test_every_certificate_of_a_server_is_presented(pair: Deployment) -> None:
    shown = {(each.host, each.service) for each in presentations(pair)}
    kinds = {spec.name: spec.kind for spec in pair.host_specs()}
    assert shown == {(each.host, each.service) for each in pair.certificates if kinds[each.host] in SERVICES} - {
        ("ucm-sub", "callmanager")  # neither TFTP nor mixed mode
    }
    assert set(OPTIONAL_SERVICES) == {"expressway_e", "expressway_c", "client"}


def test_c_shows_its_certificate_to_the_file_server_from_x14_0_2_on(small: Deployment) -> None:
    def asked(release: str) -> set[tuple[int, str | None]]:
        lab = small.changed({"expressway_c.0.release": release})
        return {(each.port, each.store) for each in presentations(lab) if each.host == "expc" and each.to == "ucm-pub"}

    assert asked("X14.0.1") == set()
    both = {"tomcat-trust", "callmanager-trust"}
    assert asked("X14.0.2") == {(port, store) for port in (6971, 6972) for store in both}


def test_legs_follow_settings(small: Deployment) -> None:
    mixed = small.changed({"unified_cm.cucm.mixed_mode": True, "mra.tls_verify_unified_cm": False})
    legs = presentations(mixed)
    (sip,) = [each for each in legs if (each.host, each.port) == ("ucm-pub", 5061)]
    assert (sip.service, sip.store, sip.side) == ("callmanager", None, "server")
    (back,) = [each for each in legs if (each.host, each.to, each.port) == ("expc", "ucm-pub", 5061)]
    assert (back.store, back.side, back.at) == ("callmanager-trust", "client", "ucm-pub")
    (uds,) = [each for each in legs if (each.host, each.port, each.to) == ("ucm-pub", 8443, "expc")]
    assert uds.store == "trusted-ca", "from X14.2 on the proxy verifies whatever the mode"
    own = small.changed({"expressway_c.0.release": "X15.5", "certificates": [{"host": "expc", "service": "client"}]})
    assert {each.service for each in presentations(own) if each.host == "expc"} == {"client"}


def test_client_certificates_meet_the_lists_of_e(pair: Deployment) -> None:
    written = {"certificates": [{"host": "phone-1", "service": "client"}]}
    stores = {each.store for each in presentations(pair.changed(written)) if each.host == "phone-1"}
    onboarding = pair.changed({**written, "mra.access.activation_code_onboarding": True})
    assert stores == {"trusted-ca"}
    assert "activation-code" in {each.store for each in presentations(onboarding) if each.host == "phone-1"}
