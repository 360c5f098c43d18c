"""Uploads and restarts: which services must be restarted, and what is then in effect."""

from __future__ import annotations

import pytest

from edgesim.pki import Installed, TrustStore, Upload, fixture_authorities
from edgesim.pki.identity import unified_cm
from edgesim.world.entropy import Entropy

AUTHORITIES = fixture_authorities(Entropy(1, "uploads"))
PRIVATE = AUTHORITIES.trusted()["private"]
PUBLIC = AUTHORITIES.trusted()["public"]
BOTH = ("Tomcat", "HAProxy")


def installed() -> Installed:
    old = AUTHORITIES.signers()["enterprise"].issue(unified_cm("ucm.example.com"))
    return Installed({"tomcat": old}, {"tomcat-trust": TrustStore.of("tomcat-trust", PUBLIC)}, [])


@pytest.mark.parametrize("order", [("Tomcat", "HAProxy"), ("HAProxy", "Tomcat")])
def test_an_upload_counts_once_all_services_were_restarted_in_whatever_order(order: tuple[str, str]) -> None:
    host = installed()
    host.restarted(BOTH)  # before the upload: it does not help
    host.uploads.append(Upload(store="tomcat-trust", trusted=(PRIVATE,)))
    seen = [PRIVATE in host.trust("tomcat-trust", BOTH)]
    for service in order:
        host.restarted((service,))
        seen.append(PRIVATE in host.trust("tomcat-trust", BOTH))
    assert seen == [False, False, True]
    assert PRIVATE in host.trust("tomcat-trust", order[:1]) and PRIVATE not in host.trusts["tomcat-trust"]


def test_the_last_certificate_that_counts_is_shown() -> None:
    host = installed()
    first, second = (AUTHORITIES.signers()["private"].issue(unified_cm("ucm.example.com")) for _ in range(2))
    host.uploads.append(Upload(store="tomcat", identity=first))
    assert host.newest("tomcat") is first and host.identity("tomcat", BOTH) is host.identities["tomcat"]
    host.restarted(BOTH)
    host.uploads.append(Upload(store="tomcat", identity=second))
    assert host.identity("tomcat", BOTH) is first and host.newest("tomcat") is second
    host.take_up()
    assert host.identity("tomcat", BOTH) is second and host.uploads == []


def test_a_restart_of_the_host_takes_up_everything_once() -> None:
    host = installed()
    for trusted in ((PRIVATE, PUBLIC), (PRIVATE,)):
        host.uploads.append(Upload(store="tomcat-trust", trusted=trusted))
    assert len(host.after_restart("tomcat-trust")) == 2
    host.take_up()
    assert list(host.trusts["tomcat-trust"]) == [PUBLIC, PRIVATE]
    host.take_up()
    assert len(host.trusts["tomcat-trust"]) == 2
