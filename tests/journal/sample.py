"""A sign-in as entries, made by hand: every protocol, secrets, a retry, a loss, keep-alives and a crash.

``python -m tests.journal.sample [WIDTH]`` prints its ladder.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from edgesim.journal import Entry, events
from edgesim.journal.codec import Header

ROLES = {
    "alice-laptop": "Jabber for Windows",
    "dns-public": "public DNS",
    "expe": "Expressway-E",
    "expc": "Expressway-C",
    "cucm1": "Unified CM publisher",
    "imp1": "IM and Presence",
}
ORDER = tuple(ROLES)
HEADER = Header(world="sim", seed=7, epoch_ns=1_767_225_600_000_000_000)
PASSWORD = "aWNlOmNpc2NvMTIzNDU="
COOKIE = "5f0c8e1db6a94c6fa0f7a86e4a1f1d8e2c57b6c9d0e1f2a3b4c5d6e7f8091a2b"
JWE = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..Zk9rY2xtbm9w.c2VjcmV0LWJ5dGVz.dGFnLXRhZy10YWc"
SESSION = "3c1f7f3e-6d0b-4f0e-9a70-2f6f3a1f9f10"
TRACKING = "b1f0a6de-45a1-4b1c-9c84-36e6e9c6ad01"
CALL = "005056a1-00060002-4c2fa3d1-5b9e7a10@203.0.113.50"
USER = "user:alice"


class Story:
    """Writes entries at a running clock."""

    def __init__(self) -> None:
        self.entries: list[Entry[events.Event]] = []
        self.now_us = 0
        self._sequences: dict[str, int] = {}

    def at(self, ms: float) -> Story:
        self.now_us = round(ms * 1000)
        return self

    def add(
        self,
        node: str,
        event: events.Event,
        direction: str = "-",
        peer: str | None = None,
        payload: bytes | str = b"",
        keys: Sequence[str] = (),
        secret: Sequence[str] = (),
        after_us: int = 430,
    ) -> Entry[events.Event]:
        self.now_us += after_us
        raw = payload.encode() if isinstance(payload, str) else payload
        spans = [(raw.index(s.encode()), raw.index(s.encode()) + len(s.encode())) for s in secret]
        self._sequences[node] = sequence = self._sequences.get(node, 0) + 1
        entry = Entry(
            node=node,
            incarnation=1,
            sequence=sequence,
            at_ns=self.now_us * 1000,
            host_ns=HEADER.epoch_ns + self.now_us * 1000,
            direction=direction,
            peer=peer,
            event=event,
            payload=raw,
            keys=tuple(keys),
            secrets=tuple(spans),
            order=len(self.entries),
        )
        self.entries.append(entry)
        return entry

    # ---- phrases

    def dns(self, client: str, server: str, qtype: str, name: str, *answers: str, keys: Sequence[str] = ()) -> None:
        wire = name.encode().replace(b".", b"\x03") + b"\0"
        query = events.DnsQuery(name=name, qtype=qtype, transport="udp")
        self.add(server, query, "in", client, b"\x1a\x2b\x01\0\0\x01" + wire, keys)
        answer = events.DnsAnswer(
            name=name,
            qtype=qtype,
            rcode="NOERROR" if answers else "NXDOMAIN",
            answers=answers,
            truncated=False,
            transport="udp",
        )
        self.add(client, answer, "in", server, b"\x1a\x2b\x81\x80\0\x01" + wire + b"\xc0\x0c", keys, after_us=9_800)

    def tls(self, client: str, server: str, port: int, subject: str, client_subject: str | None = None) -> None:
        local, remote = f"203.0.113.{len(client)}:49{port % 1000:03d}", f"198.51.100.{len(server)}:{port}"
        self.add(client, events.TcpOpened(local=local, remote=remote, port=port), "-", server, after_us=20_400)
        both = {"version": "TLSv1.3", "cipher": "TLS_AES_256_GCM_SHA384", "port": port}
        self.add(
            client,
            events.TlsUp(
                role="client", server_name=subject, peer_subject=f"CN={subject}", peer_names=(f"DNS:{subject}",),
                local=local, remote=remote, **both,
            ),
            "-", server, after_us=21_000,
        )  # fmt: skip
        self.add(
            server,
            events.TlsUp(
                role="server", server_name=None, peer_subject=client_subject, peer_names=(),
                local=remote, remote=local, **both,
            ),
            "-", client, after_us=10_000,
        )  # fmt: skip

    def get(self, way: Sequence[str], target: str, decoded: str, *, keys: Sequence[str], cookie: bool = True) -> None:
        for client, server in itertools.pairwise(way):
            headers: tuple[tuple[str, str], ...]
            if cookie:
                headers = (("Host", server), ("Cookie", f"X-Auth={COOKIE}"), ("TrackingID", TRACKING))
                secret = [COOKIE]
            else:
                headers = (("Host", server), ("Authorization", f"Basic {PASSWORD}"))
                secret = [PASSWORD]
            head = "".join(f"{name}: {value}\r\n" for name, value in headers)
            event = events.HttpRequest(method="GET", target=target, headers=headers, decoded=decoded)
            self.add(server, event, "in", client, f"GET {target} HTTP/1.1\r\n{head}\r\n", keys, secret, after_us=10_200)

    def answer(
        self,
        way: Sequence[str],
        status: int,
        reason: str,
        target: str,
        body: str,
        *,
        keys: Sequence[str],
        set_cookie: bool,
    ) -> None:
        headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/xml"), ("Server", "CE_C ECS"))
        if set_cookie:
            headers += (("Set-Cookie", f"X-Auth={COOKIE}; Domain=.example.com; Path=/; Secure"),)
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        for server, client in itertools.pairwise(way):
            event = events.HttpResponse(status=status, reason=reason, headers=headers, method="GET", target=target)
            payload = f"HTTP/1.1 {status} {reason}\r\n{head}\r\n{body}"
            self.add(client, event, "in", server, payload, keys, [COOKIE] if set_cookie else [], after_us=10_200)

    def sip(self, way: Sequence[str], method: str, uri: str, cseq: int, keys: Sequence[str], call: str = CALL) -> None:
        for sender, receiver in itertools.pairwise(way):
            event = events.SipRequest(
                method=method, uri=uri, call_id=call, cseq=f"{cseq} {method}", from_="<sip:alice@example.com>",
                to="<sip:alice@example.com>", transport="tls",
            )  # fmt: skip
            text = f"{method} {uri} SIP/2.0\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
            self.add(receiver, event, "in", sender, text, keys, after_us=10_150)

    def reply(self, way: Sequence[str], status: int, reason: str, method: str, cseq: int, keys: Sequence[str],
              call: str = CALL) -> None:  # fmt: skip
        for sender, receiver in itertools.pairwise(way):
            event = events.SipResponse(
                status=status, reason=reason, method=method, call_id=call, cseq=f"{cseq} {method}",
                from_="<sip:alice@example.com>", to="<sip:alice@example.com>;tag=1", transport="tls",
            )  # fmt: skip
            text = f"SIP/2.0 {status} {reason}\r\nCall-ID: {call}\r\nCSeq: {cseq} {method}\r\n\r\n"
            self.add(receiver, event, "in", sender, text, keys, after_us=10_150)


def sign_in() -> list[Entry[events.Event]]:
    """Return the entries of the sign-in."""
    s = Story()
    way = ("alice-laptop", "expe", "expc")
    back = way[::-1]
    for host in ("expe", "expc", "cucm1"):
        s.add(host, events.HostStateChanged(state="up"), after_us=0)
    s.tls("expc", "expe", 7001, "expe.example.com", "CN=expc.example.com")
    s.sip(("expc", "expe"), "OPTIONS", "sip:198.51.100.4:7001;transport=tls", 1, ())
    s.reply(("expe", "expc"), 200, "OK", "OPTIONS", 1, ())
    s.add("expc", events.ZoneState(zone="UCTraversal", state="Active"))
    s.add("expe", events.SshTunnel(state="up", detail="from expc"))

    s.at(1000).add("alice-laptop", events.Step(text="alice signs in from outside", state="began"))
    s.add("alice-laptop", events.ClientState(user="alice", stage="discovery", outcome="started"), keys=[USER])
    s.dns("alice-laptop", "dns-public", "SRV", "_cisco-uds._tcp.example.com", keys=[USER])
    s.dns(
        "alice-laptop",
        "dns-public",
        "SRV",
        "_collab-edge._tls.example.com",
        "10 10 8443 expe.example.com.",
        keys=[USER],
    )
    s.add("alice-laptop", events.UdpDropped(remote="192.0.2.53:53", port=53, reason="loss"), "-", "dns-public")
    s.dns("alice-laptop", "dns-public", "A", "expe.example.com", "198.51.100.4", keys=[USER])
    s.tls("alice-laptop", "expe", 8443, "expe.example.com")
    config = "/ZXhhbXBsZS5jb20/get_edge_config?service_name=_cisco-uds"
    decoded = "/example.com/get_edge_config?service_name=_cisco-uds"
    s.get(way, config, decoded, keys=[USER], cookie=False)
    s.add("expc", events.Authentication(user="alice", how="basic", granted=True), keys=[USER, f"cookie:{COOKIE}"])
    s.answer(back, 200, "OK", config, "<getEdgeConfigResponse version='1.0'/>", keys=[USER, f"cookie:{COOKIE}"],
             set_cookie=True)  # fmt: skip
    uds = "/ZXhhbXBsZS5jb20vaHR0cHMvY3VjbTEvODQ0Mw/cucm-uds/user/alice/devices"
    tracked = [f"cookie:{COOKIE}", f"tracking:{TRACKING}"]
    s.get((*way, "cucm1"), uds, "https://cucm1:8443/cucm-uds/user/alice/devices", keys=tracked)
    s.answer(
        ("cucm1", *back), 200, "OK", uds, "<devices><name>CSFALICE</name></devices>", keys=tracked, set_cookie=False
    )

    s.tls("alice-laptop", "expe", 5061, "expe.example.com")
    keys = [USER, "device:CSFALICE", f"call-id:{CALL}"]
    path = (*way, "cucm1")
    s.sip(path, "REGISTER", "sip:cucm1.example.com", 101, keys)
    s.reply(path[::-1], 200, "OK", "REGISTER", 101, [f"call-id:{CALL}"])
    s.add(
        "cucm1",
        events.Registered(device="CSFALICE", user="alice", line="4001", contact="<sip:CSFALICE@10.0.20.12:5073>",
                          via="expc", expires=120, fresh=True),
        keys=keys,
    )  # fmt: skip
    s.tls("alice-laptop", "imp1", 5222, "imp1.example.com")
    jid = "jid:alice@example.com"
    sasl = f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='CISCO-VTG-TOKEN'>{JWE}</auth>"
    s.add("imp1", events.XmppStream(element="auth", detail="CISCO-VTG-TOKEN"), "in", "expe", sasl,
          [USER, jid, f"token:{JWE}"], [JWE])  # fmt: skip
    s.add("imp1", events.XmppSession(jid="alice@example.com/jabber_4711", state="bound"), keys=[jid])
    stanza = "<message from='alice@example.com' to='bob@example.com' type='chat'><body>Grüße, 你好</body></message>"
    s.add(
        "imp1",
        events.XmppStanza(name="message", type="chat", from_="alice@example.com", to="bob@example.com", id="m1",
                          child="body"),
        "in", "expe", stanza, [jid, "jid:bob@example.com"],
    )  # fmt: skip
    s.add("expe", events.Malformed(protocol="sip", reason="two Content-Length lines", answer="400 and closed"), "in",
          "192.0.2.66:40112", b"REGISTER sip:x\x1b[31m SIP/2.0\r\n\xff\xfe\0\r\n\r\n")  # fmt: skip
    s.add("alice-laptop", events.ClientState(user="alice", stage="phone", outcome="registered", detail="CSFALICE"),
          keys=[USER])  # fmt: skip
    for beat in range(1, 4):
        s.at(1000 + beat * 60_000)
        s.sip(("expc", "expe"), "OPTIONS", "sip:198.51.100.4:7001;transport=tls", beat + 1, (), f"options-{beat}@expc")
        s.reply(("expe", "expc"), 200, "OK", "OPTIONS", beat + 1, (), f"options-{beat}@expc")
    s.at(200_000).add("cucm1", events.Step(text="the Unified CM publisher goes down", state="began"))
    s.add("cucm1", events.HostStateChanged(state="crashed"), after_us=0)
    s.add(
        "expc",
        events.TcpClosed(local="10.0.20.12:25011", remote="10.0.40.11:5061", port=5061, how="reset"),
        "-",
        "cucm1",
    )
    s.add(
        "cucm1",
        events.TcpClosed(local="10.0.40.11:5061", remote="10.0.20.12:25011", port=5061, how="closed"),
        "-",
        "expc",
    )
    s.add("expc", events.TcpFailed(remote="10.0.40.11:5061", port=5061, reason="refused"), "-", "cucm1")
    s.add("expe", events.FaultFired(fault="lossy", fault_kind="DropDatagram", detail="53 octets"), "-", "expc")
    s.sip(way, "REGISTER", "sip:cucm1.example.com", 102, keys)
    s.reply(back, 503, "Service Unavailable", "REGISTER", 102, [f"call-id:{CALL}"])
    s.add(
        "alice-laptop",
        events.FirewallBlocked(
            firewall="external",
            rule="otherwise drop",
            verdict="drop",
            protocol="tcp",
            zone="internet",
            source="198.51.100.25:49152",
            remote="203.0.113.10:7001",
            port=7001,
        ),
        "-",
        "expe",
    )
    return s.entries


def main(argv: Sequence[str]) -> None:
    from edgesim.journal import ladder, ladder_text

    drawn = ladder.build(sign_in(), roles=ROLES, order=ORDER, title="Sign-in of alice from outside")
    print(ladder_text.render(drawn, int(argv[0]) if argv else 120), end="")


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
