"""Mutations and faults of a story: each shows that the story can turn red."""

from __future__ import annotations

from dataclasses import replace

from edgesim.scenario import DnsQuery, FaultFired, HostDown, Lab, Mutation, Outcome, Setting, WithFault, containing
from edgesim.world.faults import DropDatagram, Selector
from tests.scenario.stories import judged, played

NO_DNS = DropDatagram(name="no questions", where=Selector(target="dns-outside", protocol="udp"))


async def _asks(lab: Lab) -> None:
    await lab.resolve("jabber-1", "expe.example.com")
    await lab.expect(DnsQuery(node="dns-outside", name=containing("expe")), within=1)


def test_mutations_turn_a_story_red_and_say_so() -> None:
    assert judged(_asks).outcome is Outcome.PASSED
    for mutation in (WithFault(NO_DNS), HostDown("dns-outside")):
        verdict = judged(_asks, mutation=mutation)
        assert verdict.outcome is Outcome.FAILED, verdict
        assert verdict.mutation == mutation.name
    assert judged(_asks, mutation=Mutation()).outcome is Outcome.PASSED


def test_a_setting_changes_the_deployment() -> None:
    async def story(lab: Lab) -> None:
        lab.check(lab.deployment.users_by_id["alice"].password == "alice-secret", "alice has her password")

    assert judged(story).outcome is Outcome.PASSED
    verdict = judged(story, mutation=Setting("users.alice.password", "other"))
    assert verdict.outcome is Outcome.FAILED and verdict.mutation == "users.alice.password = 'other'"
    verdict = judged(story, mutation=Setting("users.nobody.password", "other"))
    assert verdict.outcome is Outcome.COULD_NOT_RUN, "a mutation that cannot be made shows nothing"


def test_a_mutation_whose_fault_never_fires_shows_nothing() -> None:
    elsewhere = replace(NO_DNS, where=Selector(target="ucm-pub"))

    async def red(lab: Lab) -> None:
        lab.check(False, "something else")

    for story in (_asks, red):
        verdict = judged(story, mutation=WithFault(elsewhere))
        assert verdict.outcome is Outcome.COULD_NOT_RUN
        assert verdict.reason == "the mutation did nothing: no questions never fired"


def test_each_firing_of_a_fault_is_journalled_and_can_be_expected() -> None:
    async def story(lab: Lab) -> None:
        async with lab.fault(replace(NO_DNS, times=1)):
            await _asks(lab)
            fired = await lab.expect(FaultFired(fault="no questions", fault_kind="DropDatagram", node="jabber-1"))
            lab.check(len(lab.matches(FaultFired())) == 1, "its budget is one")
            second = await lab.expect(DnsQuery(node="dns-outside"))
            lab.check(second.order > fired.order, "the second question gets through")

    run = played(story)
    assert run.verdict.outcome is Outcome.PASSED, run.verdict.reason
