"""Channels and flows: accepted sources, destinations, and journal entries."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgesim.journal.events import MediaFlow
from edgesim.media import Channel, Flow, FlowTimes, Leg, MediaLimits, Send, Side
from edgesim.media.channel import Output, Report
from tests.fuzz import fuzzed

CLIENT, OTHER, CORE = ("198.51.100.25", 5000), ("198.51.100.66", 5000), ("10.0.30.10", 36000)
TIMES = FlowTimes(statistics=10.0, silence=30.0)


def channel(inner: tuple[str, int] | None = CORE) -> Channel:
    outer = Leg(Flow("call", "client", TIMES), relatch=5.0)
    return Channel(
        1,
        outer=outer,
        inner=Leg(Flow("call", "multiplexed", TIMES), relatch=5.0, peer=inner),
        limits=MediaLimits(packet=1500),
    )


def sent(outputs: list[Output]) -> list[Send]:
    return [each for each in outputs if isinstance(each, Send)]


def snapshot(outputs: list[Output]) -> list[str]:
    return [f"{each.side.value} {each.event.state}" for each in outputs if isinstance(each, Report)]


def test_a_packet_goes_out_by_the_other_leg() -> None:
    one = channel()
    outputs = one.receive(Side.OUTER, b"packet", CLIENT, 0.0)
    assert sent(outputs) == [Send(side=Side.INNER, target=CORE, packet=b"packet")]
    assert snapshot(outputs) == ["outer started"]
    assert sent(one.receive(Side.INNER, b"back", CORE, 0.1)) == [Send(side=Side.OUTER, target=CLIENT, packet=b"back")]


def test_a_leg_sends_to_where_packets_come_from() -> None:
    one = channel()
    one.receive(Side.OUTER, b"x", CLIENT, 0.0)
    one.receive(Side.INNER, b"x", ("10.0.30.11", 36008), 0.0)
    assert sent(one.receive(Side.OUTER, b"x", CLIENT, 1.0))[0].target == ("10.0.30.11", 36008)


def test_a_leg_cannot_be_taken_over_while_its_peer_sends() -> None:
    one = channel()
    one.receive(Side.OUTER, b"x", CLIENT, 0.0)
    assert one.receive(Side.OUTER, b"intruder", OTHER, 4.9) == []
    assert one.legs[Side.OUTER].flow.refused == 1
    assert sent(one.receive(Side.INNER, b"x", CORE, 4.9))[0].target == CLIENT
    assert sent(one.receive(Side.OUTER, b"moved", OTHER, 5.0)), "after a silence another may"
    assert sent(one.receive(Side.INNER, b"x", CORE, 5.0))[0].target == OTHER


def test_packets_without_a_peer_are_dropped() -> None:
    one = channel(inner=None)
    assert sent(one.receive(Side.OUTER, b"x", CLIENT, 0.0)) == []
    assert one.legs[Side.INNER].flow.packets_out == 0


def test_empty_and_large_packets_go_nowhere() -> None:
    one = channel()
    assert one.receive(Side.OUTER, b"", CLIENT, 0.0) == []
    assert one.receive(Side.OUTER, bytes(1501), CLIENT, 0.0) == []
    assert one.legs[Side.OUTER].flow.refused == 2
    assert one.due is None


def test_a_flow_is_reported_at_its_start_with_counts_and_at_its_end() -> None:
    one = channel()
    for number in range(200):
        one.receive(Side.OUTER, bytes(100), CLIENT, number / 50)
    assert one.due == 10.0
    assert one.poll(9.9) == []
    (counts,) = one.poll(10.0)
    assert counts.event == MediaFlow(
        channel="call",
        leg="client",
        state="statistics",
        packets_in=200,
        packets_out=0,
        octets_in=20_000,
        octets_out=0,
    )
    assert one.poll(20.0) == [], "no news, no entry"
    (end,) = one.poll(199 / 50 + 30.0)
    assert (end.event.state, end.event.reason) == ("stopped", "silence")
    assert one.due is None and one.poll(100.0) == []


def test_closing_ends_what_runs() -> None:
    one = channel()
    assert one.close("closed") == []
    one.receive(Side.OUTER, b"x", CLIENT, 0.0)
    assert snapshot(list(one.close("closed"))) == ["outer stopped"]


def test_a_flow_that_resumes_is_reported_again() -> None:
    flow = Flow("call", "endpoint", TIMES)
    assert flow.received(1, 0.0) is not None
    assert flow.poll(30.0) is not None
    again = flow.received(1, 40.0)
    assert again is not None and (again.state, again.packets_in) == ("started", 2)


@fuzzed
@given(
    st.lists(
        st.tuples(
            st.sampled_from(list(Side)),
            st.binary(max_size=1600),
            st.sampled_from([CLIENT, OTHER, CORE]),
            st.floats(0, 60),
        ),
        max_size=60,
    )
)
def test_a_channel_forwards_no_more_than_it_received_and_reports_little(
    arrivals: list[tuple[Side, bytes, tuple[str, int], float]],
) -> None:
    one, now, news = channel(), 0.0, 0
    for side, packet, source, gap in arrivals:
        now += gap
        news += len(one.poll(now))
        outputs = one.receive(side, packet, source, now)
        news += len(snapshot(outputs))
        assert len(sent(outputs)) <= 1
        assert all(each.packet == packet and each.side is side.other for each in sent(outputs))
    assert news <= 2 * (len(arrivals) + now / TIMES.statistics)
