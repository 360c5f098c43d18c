"""Authorities, and what a server at the edge has of them."""

from __future__ import annotations

import pytest

from edgesim.pki import Authorities, Identity, TrustStore, expressway_e, fixture_authorities
from edgesim.world.entropy import Entropy
from tests.pki.stock import NAME


@pytest.fixture
def cas() -> Authorities:
    return fixture_authorities(Entropy(7, "tests"))


@pytest.fixture
def everything(cas: Authorities) -> TrustStore:
    return TrustStore.of("all", *cas.enterprise.full_chain, cas.public)


@pytest.fixture
def expe(cas: Authorities) -> Identity:
    return cas.public.issue(expressway_e(NAME, domains=["example.com"], form="SRVName"))
