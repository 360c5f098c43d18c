"""What a story names has to be there: matchers, faults, partitions and mutations that could never fit are refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from edgesim.deployment.people import User
from edgesim.journal.matchers import Matcher
from edgesim.scenario import (
    Authentication,
    ClientState,
    ClockSkew,
    HostDown,
    HttpRequest,
    Lab,
    Mutation,
    Note,
    Outcome,
    Registered,
    SipResponse,
    TcpOpened,
    WithFault,
    XcpLink,
    ZoneState,
    containing,
    one_of,
    other_than,
    scenario,
)
from edgesim.scenario.run import Options, run
from edgesim.scenario.verdict import Verdict
from edgesim.world.faults import DropMessage, RefuseConnection, Selector


def played(story: Callable[[Lab], Awaitable[None]], mutation: Mutation | None = None, **declared: Any) -> Verdict:
    """Play a story, which asserts something beside."""

    @scenario(**declared)
    async def a_story(lab: Lab) -> None:
        lab.check(True, "it asserts something")
        await story(lab)

    return run(replace(a_story, mutations=(mutation,) if mutation else ()), Options(mutation=mutation)).verdict


@pytest.mark.parametrize(
    ("matcher", "words"),
    [
        (SipResponse(node="jabber1"), "did you mean 'jabber-1'?"),
        (SipResponse(peer="expx"), "did you mean 'expe'?"),
        (SipResponse(node=one_of("expe", "expcc")), "'expcc'"),
        (SipResponse(node=other_than("ucm-pup")), "did you mean 'ucm-pub'?"),
        (HttpRequest(key="user:alcie"), "did you mean 'alice'?"),
        (Registered(device="CSFALICF"), "did you mean 'CSFALICE'?"),
        (Authentication(user="bobb"), "did you mean 'bob'?"),
        (TcpOpened(peer="203.0.113.999:443"), "no such host"),
        (SipResponse(direction="outgoing"), "no such direction"),
        (ClientState(outcome="faild"), "did you mean 'failed'?"),
        (ClientState(stage="phone"), "no such stage"),
        (ZoneState(zone="UCTraversl"), "did you mean 'UCTraversal'?"),
        (ZoneState(state="TLS: Actve"), "did you mean 'TLS: Active'?"),
    ],
    ids=str,
)
def test_a_matcher_that_names_a_stranger_is_refused(matcher: Matcher, words: str) -> None:
    async def banned(lab: Lab) -> None:
        lab.never(matcher)

    async def expected(lab: Lab) -> None:
        await lab.expect(matcher)

    async def looked_for(lab: Lab) -> None:
        lab.match(matcher)

    for story in (banned, expected, looked_for):
        verdict = played(story)
        assert verdict.outcome is Outcome.COULD_NOT_RUN
        assert words in verdict.reason and verdict.where


@pytest.mark.parametrize(
    "matcher",
    [
        SipResponse(node="jabber-1", peer="expe"),
        SipResponse(peer="198.51.100.25:49152"),
        TcpOpened(peer=None),
        XcpLink(peer="expe.example.com"),
        SipResponse(node=containing("abber")),
        Registered(device="CSFALICE"),
        Authentication(user="axl"),
        Authentication(user="ALICE"),
        Note(node="scenario"),
        HttpRequest(key="sip:whatever"),
        SipResponse(direction="in"),
        ClientState(stage="phone registration", outcome=one_of("ok", "failed")),
        ZoneState(zone="UCTraversal", state="Active (1 of 2)"),
        ZoneState(zone="CEtcp-ucm-pub.inside.example.com", state="TCP: Active"),
    ],
    ids=str,
)
def test_what_is_there_is_taken(matcher: Matcher) -> None:
    async def story(lab: Lab) -> None:
        lab.matches(matcher)

    assert played(story).outcome is Outcome.PASSED


def test_an_unknown_user_is_known_with_a_client() -> None:
    async def story(lab: Lab) -> None:
        lab.client(User.stranger("mallory", "guess"))
        lab.never(HttpRequest(key="user:mallory", node="ucm-pub"))

    assert played(story).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "200"}, "status is int, never '200' (str)"),
        ({"status": True}, "never True"),
        ({"status": one_of(200, "404")}, "never '404'"),
        ({"node": 3}, "node is str"),
        ({"payload": "text"}, "payload is bytes"),
        ({"stauts": 200}, "no field 'stauts'"),
    ],
    ids=["text", "truth", "one of them", "node", "payload", "field"],
)
def test_a_value_that_no_entry_can_hold_is_refused_when_it_is_written(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words.replace("(", r"\(").replace(")", r"\)")):
        SipResponse(**fields)


@pytest.mark.parametrize("nothing", ["", b""])
def test_a_condition_that_holds_of_everything_is_refused(nothing: str | bytes) -> None:
    with pytest.raises(ValueError, match="holds of everything"):
        containing(nothing)


# ---- faults and partitions

LOSS = DropMessage(name="loss", where=Selector(target="expe", contains=b"nobody sends this"))
REFUSAL = RefuseConnection(name="refusal", where=Selector(target="expe", port=8443))


async def fault_at_a_stranger(lab: Lab) -> None:
    async with lab.fault(replace(LOSS, where=Selector(target="expx"))):
        pass


async def partition_with_a_stranger(lab: Lab) -> None:
    async with lab.partition("expe", "expcc"):
        pass


async def fault_never_entered(lab: Lab) -> None:
    lab.fault(LOSS)


async def partition_never_entered(lab: Lab) -> None:
    lab.partition("expe", "expc")


async def fault_that_meets_nothing(lab: Lab) -> None:
    async with lab.fault(LOSS):
        await lab.wait(5)


async def fault_that_may_stay_idle(lab: Lab) -> None:
    async with lab.fault(LOSS, may_stay_idle=True):
        await lab.wait(5)


async def fault_that_fires(lab: Lab) -> None:
    async with lab.fault(REFUSAL):
        assert not (await lab.client("alice").sign_in()).ok


@pytest.mark.parametrize(
    ("story", "outcome", "words"),
    [
        (fault_at_a_stranger, Outcome.COULD_NOT_RUN, "did you mean 'expe'?"),
        (partition_with_a_stranger, Outcome.COULD_NOT_RUN, "did you mean 'expc'?"),
        (fault_never_entered, Outcome.FAILED, "fault 'loss' (DropMessage) was never entered"),
        (partition_never_entered, Outcome.FAILED, "partition of expe and expc was never entered"),
        (fault_that_meets_nothing, Outcome.FAILED, "fault 'loss' (DropMessage) to fire"),
        (fault_that_may_stay_idle, Outcome.PASSED, ""),
        (fault_that_fires, Outcome.PASSED, ""),
    ],
)
def test_faults_are_of_use(story: Callable[[Lab], Awaitable[None]], outcome: Outcome, words: str) -> None:
    verdict = played(story)
    assert verdict.outcome is outcome, verdict.reason
    assert words in verdict.reason


@pytest.mark.parametrize(
    "mutation",
    [HostDown("nosuch"), ClockSkew("nosuch", 5.0), WithFault(replace(LOSS, where=Selector(source="nosuch")))],
    ids=str,
)
def test_a_mutation_of_a_stranger_does_not_stay_green(mutation: Mutation) -> None:
    async def story(lab: Lab) -> None:
        await lab.wait(1)

    verdict = played(story, mutation)
    assert verdict.outcome is Outcome.COULD_NOT_RUN and "'nosuch'" in verdict.reason


def test_a_story_whose_mutation_names_a_stranger_does_not_run_without_it_either() -> None:
    @scenario(mutations=[HostDown("nosuch")])
    async def a_story(lab: Lab) -> None:
        lab.check(True, "it asserts something")

    verdict = run(a_story, Options()).verdict
    assert verdict.outcome is Outcome.COULD_NOT_RUN and "'nosuch'" in verdict.reason


def test_a_host_left_out_that_is_not_there() -> None:
    async def story(lab: Lab) -> None:
        await lab.wait(1)

    verdict = played(story, without=["nosuch"])
    assert verdict.outcome is Outcome.COULD_NOT_RUN and "'nosuch'" in verdict.reason
