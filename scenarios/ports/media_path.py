"""The path that media takes, without a call: client, Expressway-E, Expressway-C, an endpoint inside, and back."""

from __future__ import annotations

from edgesim.scenario import JabberUser, Lab, MediaFlow, Setting, at_least, scenario, seconds

PROBE = {"mra.media_probe": {"to": "inside-1"}, "defaults.media.silence_s": 5.0}
CLOSED = [
    Setting("network.firewalls.internal.closed", ["udp 2776-2777"]),
    Setting("network.firewalls.external.closed", ["udp 36002-59999"]),
]


@scenario(shows=("NET-15", "NET-16"), changes=PROBE, mutations=CLOSED)
async def media_both_ways(lab: Lab, alice: JabberUser) -> None:
    """An RTP and an RTCP packet each way: client, E's ports 36002 and 36003, 2776 and 2777, C, an endpoint inside."""
    for channel in ("probe RTP", "probe RTCP"):  # C opened the way to E when it started
        await lab.expect(MediaFlow(node="expc", peer="expe", channel=channel, leg="multiplexed", state="open"))

    async with lab.step("a packet goes in, and comes back"):
        path = await lab.media_path(alice)
        await path.send()
        for channel in ("probe RTP", "probe RTCP"):
            for node, peer, leg in (
                ("expe", "jabber-1", "client"),
                ("expc", "expe", "multiplexed"),
                ("inside-1", "expc", "endpoint"),
                ("expc", "inside-1", "inside"),
                ("expe", "expc", "multiplexed"),
                ("jabber-1", "expe", "endpoint"),
            ):
                started = MediaFlow(node=node, peer=peer, channel=channel, leg=leg, state="started")
                await lab.expect(started, within=seconds(2))
        packet = await path.receive()
        lab.check(packet[:2] == b"\x80\x00" and len(packet) == 172, "the RTP packet came back as it was sent")

    async with lab.step("the flow ends with its packets"):
        stopped = MediaFlow(node="expe", channel="probe RTP", leg="client", state="stopped", packets_out=at_least(1))
        await lab.expect(stopped, within=seconds(10))
