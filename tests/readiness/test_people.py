"""Rules about users and ways to sign in: each tripped alone, and each beside a sound deployment."""

from __future__ import annotations

from typing import Any

import pytest

from edgesim.deployment import DeploymentError, load
from edgesim.readiness import check
from edgesim.scenario.proof import simulate
from tests.readiness.cases import Case

ODD = "UC-04.user-id"


def called(user_id: str, **more: Any) -> dict[str, Any]:
    """Return the setting that leaves one user, of this id."""
    user = {"id": user_id, "password": "a-secret", "numbers": ["1001"], "devices": ["CSFONE"]}
    return {"users": [{**user, **more}], "clients": [{"name": "laptop", "address": "198.51.100.25"}]}


CARRIED = ("alice@example.com", "o'brien", "a%41b", "100%", "a\u00adb", "müller", "a+b", "a?b", "中文")
TWO_CLUSTERS = {
    "unified_cm": [
        {"name": name, "publisher": {"name": f"{name}-pub", "address": f"10.0.40.{place}"}}
        for place, name in enumerate(("one", "two"), start=11)
    ]
}
CASES = [
    *(Case(changes=called(each), rule=ODD, at="users[0].id") for each in (*CARRIED, "a\\b", "..", "😀")),
    *(Case(changes=called(each)) for each in ("alice", "a.b-c_d~e#7", "ALICE", "0")),
    Case(
        changes={
            "users": [
                {"id": name, "password": "a-secret", "numbers": [number], "devices": [f"CSF{number}"]}
                for name, number in (("alice", "1001"), ("Alice", "1002"))
            ]
        },
        rule="UC-04.one-address",
        at="users[1].id",
    ),
    Case(changes=called("alice", homed=False), rule="UC-04.homed", at="users[0].homed"),
    Case(
        changes={**TWO_CLUSTERS, **called("alice", also_homed_at=["two"]), "im_presence": []},
        rule="UC-04.homed",
        at="users[0].also_homed_at",
    ),
    Case(changes={**TWO_CLUSTERS, **called("alice", homed=False, also_homed_at=["two"]), "im_presence": []}),
    Case(changes={"mra.unified_cm_clusters": []}, rule="UC-03.added", at="mra.unified_cm_clusters"),
    Case(changes={"mra.unified_cm_clusters": [], "users": []}),
    Case(changes={"mra.im_presence_clusters": []}, rule="UC-03.chat-added", at="mra.im_presence_clusters"),
    Case(changes={"mra.im_presence_clusters": [], "im_presence": []}),
    Case(changes={"mra.access.user_credential": False}, rule="UC-08.no-way", at="mra.access.user_credential"),
    Case(
        changes={"mra.access.authentication_path": "none"}, rule="UC-08.no-way", at="mra.access.authentication_path"
    ),
    Case(changes={"mra.access.user_credential": False, "unified_cm.0.oauth_refresh": True}),
    Case(
        changes={
            "mra.access.user_credential": False,
            "mra.access.oauth_refresh": False,
            "unified_cm.0.oauth_refresh": True,
        },
        rule="UC-08.no-way",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}: {ascii(case.changes)[:60]}")
def test_the_check_reports_exactly_what_is_meant(case: Case) -> None:
    case.verify()


@pytest.mark.parametrize("user_id", CARRIED)
def test_what_protocols_can_carry_signs_in_with_every_service(user_id: str) -> None:
    deployment = load("small").changed(called(user_id))
    simulated = simulate(deployment, check(deployment))
    assert simulated.sign_ins == (f"{user_id} from laptop: signed in",)


def test_an_id_that_no_address_can_hold_has_its_phone_and_no_chat() -> None:
    deployment = load("small").changed(called("😀"))
    (attempt,) = simulate(deployment, check(deployment)).attempts
    assert (attempt.phone, attempt.chat, attempt.missed) == (True, False, ("chat",))


@pytest.mark.parametrize("user_id", ["a b", "a:b", "a/b", 'a"b', "a<b", "a&b", "", "a\x00b", "a\nb", "x" * 129])
def test_what_nothing_can_carry_is_a_mistake_of_the_file(user_id: str) -> None:
    with pytest.raises(DeploymentError, match=r"users\[0\]\.id"):
        load("small").changed(called(user_id))
