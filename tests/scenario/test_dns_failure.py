"""Name servers that fail on demand, as a story asks for it."""

from __future__ import annotations

import pytest

from edgesim.journal.matchers import Matcher
from edgesim.scenario import DnsAnswer, DnsQuery, Lab, Outcome, scenario
from edgesim.scenario.run import Options, run

EDGE = "_collab-edge._tls.example.com"


@pytest.mark.parametrize(
    ("rcode", "times", "seen", "signs_in"),
    [
        ("SERVFAIL", None, DnsAnswer(node="jabber-1", name=EDGE, rcode="SERVFAIL"), False),
        ("REFUSED", None, DnsAnswer(node="jabber-1", name=EDGE, rcode="REFUSED"), False),
        (None, None, DnsQuery(node="dns-outside", name=EDGE), False),
        (None, 1, DnsAnswer(node="jabber-1", name=EDGE, rcode="NOERROR"), True),  # a stub resolver asks again
    ],
)
def test_a_name_server_fails(rcode: str | None, times: int | None, seen: Matcher, signs_in: bool) -> None:
    @scenario()
    async def story(lab: Lab) -> None:
        alice = lab.client("alice")
        async with lab.dns_failure("dns-outside", EDGE, "SRV", rcode=rcode, times=times):
            signed = await alice.sign_in()
            await lab.expect(seen)
        lab.check(signed.ok is signs_in, f"it came to {signed}")
        lab.check((await alice.sign_in()).ok, "afterwards she signs in")

    verdict = run(story, Options()).verdict
    assert verdict.outcome is Outcome.PASSED, verdict.reason


def test_only_name_servers_fail() -> None:
    @scenario()
    async def story(lab: Lab) -> None:
        async with lab.dns_failure("ucm-pub"):
            pass

    verdict = run(story, Options()).verdict
    assert verdict.outcome is Outcome.COULD_NOT_RUN and "ucm-pub is not a name server" in verdict.reason
