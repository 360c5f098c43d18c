"""What follows from a few lines: hosts, names, records, people, certificates, trust."""

from __future__ import annotations

import re
from dataclasses import FrozenInstanceError

import pytest

from edgesim.deployment import Deployment, DeploymentError, as_yaml, builtin, load_text, names

LEAST = """
dns:
  inside: {name: dns-inside, address: 10.0.40.53}
  outside: {name: dns-outside, address: 203.0.113.53, zone: internet}
expressway_e: [{name: expe, outer: 203.0.113.10}]
expressway_c: [{name: expc, address: 10.0.30.10}]
unified_cm: [{publisher: {name: ucm-pub, address: 10.0.40.11}}]
users: [{id: alice, password: s3cret-of-alice, numbers: ["0100"]}]
"""


@pytest.fixture(scope="module")
def small() -> Deployment:
    return builtin("small")


def test_library() -> None:
    assert names() == ("cluster", "devices", "pair", "small")
    for name in names():
        assert builtin(name).name == name
    with pytest.raises(DeploymentError, match="built-in deployments: cluster, devices, pair, small"):
        builtin("large")


def test_a_dozen_lines_are_a_lab() -> None:
    lab = load_text(LEAST)
    assert lab.expressway_e[0].fqdn == "expe.example.com"
    assert lab.expressway_e[0].cookie_domain == "example.com"
    assert lab.host("expc").fqdn == "expc.inside.example.com"
    assert lab.user("alice").devices == ("CSFALICE",)
    assert lab.device("CSFALICE").line == "0100"
    assert lab.device("CSFALICE").model == 503
    assert str(lab.expressway_c[0].release) == "X14.3"
    assert str(lab.unified_cm[0].release) == "14SU3"
    assert lab.mra.access.user_credential is False, "as the product ships"


def test_hosts_come_in_starting_order(small: Deployment) -> None:
    hosts = small.host_specs()
    assert [(each.kind, each.name) for each in hosts[:7]] == [
        ("dns", "dns-inside"),
        ("dns", "dns-outside"),
        ("unified_cm", "ucm-pub"),
        ("unified_cm", "ucm-sub"),
        ("im_presence", "imp-pub"),
        ("expressway_e", "expe"),
        ("expressway_c", "expc"),
    ]
    edge = small.host("expe")
    assert [(each.address, each.zone) for each in edge.interfaces] == [
        ("203.0.113.10", "outer-dmz"),
        ("10.0.20.10", "dmz"),
    ]
    assert small.host("ucm-sub").cluster == "cucm"
    assert small.dns_servers("expc") == ("10.0.40.53",)
    assert small.dns_servers("jabber-1") == ("203.0.113.53",)
    with pytest.raises(LookupError):
        small.host("expz")


def test_split_dns(small: Deployment) -> None:
    inside = {(each.name, each.type): each.value for each in small.zone_records("inside")}
    outside = {(each.name, each.type): each.value for each in small.zone_records("outside")}
    assert inside["expe.example.com", "A"] == "10.0.20.10"
    assert outside["expe.example.com", "A"] == "203.0.113.10"
    assert outside["_collab-edge._tls.example.com", "SRV"] == (10, 10, 8443, "expe.example.com")
    assert ("_collab-edge._tls.example.com", "SRV") not in inside
    assert ("_cisco-uds._tcp.example.com", "SRV") in inside
    assert ("_cisco-uds._tcp.example.com", "SRV") not in outside
    assert inside["10.20.0.10.in-addr.arpa", "PTR"] == "expe.example.com"
    assert not any(str(each.value).startswith("10.") for each in small.zone_records("outside"))


def test_records_leak_and_go_missing(small: Deployment) -> None:
    leaking = small.changed({"dns.cisco_uds_outside": True})
    assert "_cisco-uds._tcp.example.com" in {each.name for each in leaking.zone_records("outside")}
    lame = small.changed(
        {
            "dns.without": [{"view": "inside", "name": "10.20.0.10.in-addr.arpa", "type": "PTR"}],
            "dns.extra": [{"view": "outside", "name": "_x._tcp.example.com", "type": "SRV", "value": "1 2 3 a.b"}],
        }
    )
    assert "10.20.0.10.in-addr.arpa" not in {each.name for each in lame.zone_records("inside")}
    assert lame.zone_records("outside")[-1].value == (1, 2, 3, "a.b")


def test_without_split_dns_the_inner_interface_has_a_separate_name(small: Deployment) -> None:
    lab = small.changed({"dns.split": False, "expressway_e.expe.inner_name": "expe-in"})
    inside = {(each.name, each.type): each.value for each in lab.zone_records("inside")}
    assert inside["expe.example.com", "A"] == "203.0.113.10"
    assert inside["expe-in.example.com", "A"] == "10.0.20.10"
    assert inside["10.20.0.10.in-addr.arpa", "PTR"] == "expe-in.example.com"
    assert lab.traversal_zone.peer_addresses == ("expe-in.example.com",)
    assert "expe-in.example.com" in (lab.certificate("expe", "server").names)


def test_the_cookie_domain_may_be_wrong(small: Deployment) -> None:
    lab = small.changed({"expressway_e.expe.dns_domain": "other.test"})
    assert lab.expressway_e[0].cookie_domain == "other.test"
    assert lab.expressway_e[0].fqdn == "expe.example.com"


def test_a_pair_publishes_both_edges() -> None:
    records = builtin("pair").zone_records("outside")
    targets = [each.value[3] for each in records if each.type == "SRV" and isinstance(each.value, tuple)]
    assert targets == ["expe1.example.com", "expe2.example.com"]


def test_the_traversal_zone_names_both_sides() -> None:
    pair = builtin("pair")
    assert pair.traversal_zone.peer_addresses == ("expe1.example.com", "expe2.example.com")
    assert pair.traversal_zone.tls_verify_subject_name == "cluster-c.inside.example.com"
    assert "cluster-c.inside.example.com" in (pair.certificate("expc2", "server").names)


def test_certificates_have_the_names_that_the_products_need(small: Deployment) -> None:
    edge = small.certificate("expe", "server")
    assert edge.names == ("expe.example.com", "example.com")
    assert (edge.signed_by, edge.sends, edge.client_auth) == ("public", "leaf", True)
    assert small.certificate("ucm-pub", "tomcat").signed_by == "enterprise"
    assert [each.service for each in small.certificates_of("imp-pub")] == ["tomcat", "cup-xmpp"]
    assert small.trust_store("expc", "trusted-ca").holds == (
        "public",
        "public-issuing",
        "enterprise",
        "enterprise-issuing",
    )


def test_a_written_certificate_changes_one_thing_only(small: Deployment) -> None:
    lab = small.changed({"certificates": [{"host": "expe", "service": "server", "without_names": ["example.com"]}]})
    assert lab.certificate("expe", "server").names == ("expe.example.com",)
    assert lab.certificate("expe", "server").signed_by == "public"
    assert lab.certificate("expc", "server") == small.certificate("expc", "server")


def test_a_self_signed_certificate_is_trusted_as_itself(small: Deployment) -> None:
    lab = small.changed(
        {"certificates": [{"host": "ucm-pub", "service": "tomcat", "signed_by": "self-signed"}]},
    )
    assert "ucm-pub/tomcat" in (lab.trust_store("expc", "trusted-ca").holds)
    alone = lab.changed({"trust": [{"host": "expc", "store": "trusted-ca", "holds": ["public"]}]})
    assert alone.trust_store("expc", "trusted-ca").holds == ("public",)


def test_encrypted_profiles_stand_in_the_certificate_of_c(small: Deployment) -> None:
    profile = {"name": "secure.profile.example.com", "mode": "encrypted", "transport": "TLS"}
    lab = small.changed({"unified_cm.cucm.security_profiles": [{}, profile]})
    assert "secure.profile.example.com" in (lab.certificate("expc", "server").names)


def test_people(small: Deployment) -> None:
    assert [each.name for each in small.devices_of("alice")] == ["CSFALICE", "TCTALICE", "BOTALICE"]
    assert small.device("TCTALICE").product == "Cisco Dual Mode for iPhone"
    assert small.user("bob").mail == "bob@example.com"
    assert small.user("bob").im_presence_node == "imp-pub"
    with pytest.raises(LookupError):
        small.user("Alice")


def test_users_spread_over_im_and_presence_nodes() -> None:
    cluster = builtin("cluster")
    assert [user.im_presence_node for user in cluster.users] == ["imp-pub", "imp-sub"]


def test_secrets_stay_out_of_reprs(small: Deployment) -> None:
    assert "alice-secret" not in repr(small)
    assert "axl-password" not in repr(small)
    assert "traversal-password" not in repr(small)
    assert "xcp-secret" not in repr(small)
    assert "alice-secret" not in as_yaml(small, full=True)
    assert "alice-secret" in as_yaml(small, reveal=True)


def test_a_deployment_is_frozen(small: Deployment) -> None:
    with pytest.raises(FrozenInstanceError):
        small.name = "other"
    with pytest.raises(FrozenInstanceError):
        small.users[0].password = "x"
    assert hash(small) == hash(builtin("small"))


@pytest.mark.parametrize("name", names())
def test_yaml_round_trip(name: str) -> None:
    lab = builtin(name)
    assert load_text(as_yaml(lab, full=True, reveal=True)) == lab
    assert load_text(as_yaml(lab, reveal=True)) == lab
    assert "  # proposed, D-08" in as_yaml(lab, full=True)
    assert re.search(r"edge_https: 8443  # doc, .*Expressway", as_yaml(lab, full=True)), "the document is named"


def test_short_yaml_is_what_the_author_wrote() -> None:
    lab = load_text(LEAST)
    text = as_yaml(lab, reveal=True)
    assert "defaults" not in text
    assert "certificates" not in text
    assert '["0100"]' in text
    assert load_text(text) == lab


def test_changes_derive_again(small: Deployment) -> None:
    lab = small.changed(
        {"domains.edge": "lab.test", "expressway_e.expe.release": "X12.5", "users.alice.password": "new"}
    )
    assert lab.expressway_e[0].fqdn == "expe.lab.test"
    assert lab.user("alice").mail == "alice@lab.test"
    assert lab.traversal_zone.peer_addresses == ("expe.lab.test",)
    assert lab.user("alice").password == "new"
    assert small.expressway_e[0].fqdn == "expe.example.com"


def test_wrong_changes_are_reported_all_at_once(small: Deployment) -> None:
    with pytest.raises(DeploymentError) as raised:
        small.changed({"domians.edge": "x", "users.zed.password": "x"})
    assert len(raised.value.mistakes) == 2
    assert "did you mean 'domains'?" in str(raised.value)


def test_relocation_replaces_addresses_everywhere(small: Deployment) -> None:
    lab = small.changed(
        {
            "dns.extra": [
                {"view": "inside", "name": "photos.example.com", "type": "A", "value": "10.0.40.11"},
                {"view": "inside", "name": "11.40.0.10.in-addr.arpa", "type": "PTR", "value": "photos.example.com"},
            ],
            "mra.allow_list": [{"url": "http://10.0.40.11:8080/photos"}],
        }
    )
    mapping = {host.address: f"127.0.2.{n}" for n, host in enumerate(lab.host_specs(), 1)} | {"10.0.20.10": "127.0.3.1"}
    moved = lab.relocated(mapping)
    new = mapping["10.0.40.11"]
    assert moved.host("ucm-pub").address == new
    assert moved.host("expe").interfaces[1].address == "127.0.3.1"
    assert moved.mra.allow_list[0].url == f"http://{new}:8080/photos"
    values = {(each.name, each.type): each.value for each in moved.zone_records("inside")}
    assert values["photos.example.com", "A"] == new
    assert values[".".join(reversed(new.split("."))) + ".in-addr.arpa", "PTR"] == "photos.example.com"
    assert not re.search(r"10\.0\.[2345]0\.", as_yaml(moved.changed({"clients": []}), full=True))
    assert moved.users == lab.users


def test_keys_of_the_database_are_stable(small: Deployment) -> None:
    assert small.pkid("device", "CSFALICE") == builtin("small").pkid("device", "CSFALICE")
    assert small.pkid("device", "CSFALICE") != small.pkid("device", "CSFBOB")
    assert len(small.pkid("user", "alice")) == 36
