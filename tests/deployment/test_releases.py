"""How releases are read and ordered."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.deployment import DeploymentError, Product, Release, builtin
from edgesim.deployment.features import GATES, closed, gate, gates
from edgesim.deployment.releases import JABBER, ReleaseError
from tests.fuzz import fuzzed

ASCENDING = {
    Product.EXPRESSWAY: "X8.1.1 X8.2 X8.5 X8.5.1 X8.10.1 X12.5 X12.5.3 X12.6.3 X14.0 X14.0.2 X14.2 X14.3 X15.0 X15.5",
    Product.UNIFIED_CM: "10.0 10.5(1) 10.5(2) 10.5(2)SU2 11.5(1) 11.5(1)SU3 11.5(1)SU5 12.5(1) 12.5(1)SU1 12.5(1)SU4 "
    "14 14SU3 14SU3a 14SU4 15 15SU2",
    Product.JABBER_WINDOWS: "9.6 9.6.1 9.7 10.6 11.9 12.5 12.9 14.0 14.1 14.1.3",
    Product.PHONE: "10.2.4(99) 11.0(1) 12.1(1) 12.5(1) 12.5(1)SR3 14.0(1)",
    Product.ROOM_DEVICE: "TC6.2 TC7.1 CE8.2 CE9.6.1 CE9.15.3 RoomOS10.3 RoomOS11.5",
}


@pytest.mark.parametrize("product", ASCENDING, ids=lambda product: product.name)
def test_order(product: Product) -> None:
    releases = [Release.parse(text, product) for text in ASCENDING[product].split()]
    for lower, higher in itertools.combinations(releases, 2):
        assert lower < higher
        assert higher > lower
        assert lower != higher


@pytest.mark.parametrize(
    ("one", "other", "product"),
    [
        ("X14.0", "X14", Product.EXPRESSWAY),
        ("14", "14.0(1)", Product.UNIFIED_CM),
        ("14SU3", "14.0.1SU3", Product.UNIFIED_CM),
        ("11.5.1.18900-97", "11.5(1)SU8", Product.UNIFIED_CM),
        ("14.0.1.10000-20", "14", Product.UNIFIED_CM),
        ("10.5.2", "10.5(2)", Product.IM_PRESENCE),
        ("14.1", "14.1.0", Product.JABBER_MAC),
    ],
)
def test_same_release_written_differently(one: str, other: str, product: Product) -> None:
    a, b = Release.parse(one, product), Release.parse(other, product)
    assert a == b
    assert hash(a) == hash(b)
    assert str(a) == one


@pytest.mark.parametrize(
    ("text", "product"),
    [
        ("14.3", Product.EXPRESSWAY),
        ("X", Product.EXPRESSWAY),
        ("X14.", Product.EXPRESSWAY),
        ("X14.3 ", Product.EXPRESSWAY),
        ("x14.3", Product.EXPRESSWAY),
        ("X١٤", Product.EXPRESSWAY),
        ("14 SU3", Product.UNIFIED_CM),
        ("SU3", Product.UNIFIED_CM),
        ("", Product.JABBER_IOS),
        ("CE9.15.3", Product.PHONE),
        ("9.15", Product.ROOM_DEVICE),
        ("1" * 50, Product.JABBER_IOS),
    ],
)
def test_refused(text: str, product: Product) -> None:
    with pytest.raises(ReleaseError, match="such as"):
        Release.parse(text, product)


def test_releases_of_different_families_have_no_order() -> None:
    with pytest.raises(TypeError):
        _ = Release.parse("X14.3", Product.EXPRESSWAY) < Release.parse("14", Product.UNIFIED_CM)
    assert Release.parse("14", Product.UNIFIED_CM) != Release.parse("14", Product.PHONE)


@fuzzed
@given(st.text(max_size=60), st.sampled_from(list(Product)))
def test_any_text(text: str, product: Product) -> None:
    with contextlib.suppress(ReleaseError):
        Release.parse(text, product)


def test_a_gate_opens_at_its_release() -> None:
    dual_domain = gate("no inside srv of the edge domain", Product.EXPRESSWAY)
    assert dual_domain
    assert not dual_domain.open(Release.parse("X12.4.9", Product.EXPRESSWAY))
    assert dual_domain.open(Release.parse("X12.5", Product.EXPRESSWAY))
    assert gate("push", Product.JABBER_ANDROID) is None


def test_every_gate_of_a_feature_counts() -> None:
    releases = {
        Product.EXPRESSWAY: Release.parse("X8.10.1", Product.EXPRESSWAY),
        Product.UNIFIED_CM: Release.parse("11.5(1)SU2", Product.UNIFIED_CM),
        Product.JABBER_MAC: Release.parse("11.8", Product.JABBER_MAC),
    }
    assert [str(each) for each in closed("oauth refresh", releases)] == ["Unified CM 11.5(1)SU3", "Jabber for Mac 11.9"]
    assert closed("mra", releases) == ()


def test_gates_are_one_a_feature_and_product() -> None:
    pairs = [(each.feature, each.product) for each in GATES]
    assert len(pairs) == len(set(pairs))
    assert {each.product for each in gates("oauth refresh")} >= set(JABBER)
    with pytest.raises(LookupError):
        gates("teleportation")


def test_a_release_that_nothing_is_known_of_is_refused() -> None:
    for changes, last in (({"expressway": "X99"}, "up to 15"), ({"unified_cm": "16"}, "up to 15")):
        with pytest.raises(DeploymentError, match=last):
            builtin("small").at_releases(changes)
    assert builtin("small").at_releases({"expressway": "X15.9"})  # a later minor release behaves like the last known
