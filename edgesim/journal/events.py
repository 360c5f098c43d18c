"""The types of journal entries: one frozen class for each kind of thing that can happen in a lab.

A class has a ``kind`` (its name in JSON, ``protocol.thing``) and a `Event.summary`, the one line that a ladder shows.
Fields are JSON values: strings, integers, booleans, tuples of them. Scenarios match on these classes and fields.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

KINDS: dict[str, type[Event]] = {}
"""Every kind of entry by its name in JSON."""

Headers = tuple[tuple[str, str], ...]
"""Header lines as received: name and value in the received spelling and order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all: what happened, apart from when and where."""

    kind: ClassVar[str] = ""

    def summary(self) -> str:
        """Return one line for people."""
        return self.kind

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {f.name: _json(getattr(self, f.name)) for f in fields(self)}


def _json(value: Any) -> Any:
    return [_json(item) for item in value] if isinstance(value, tuple) else value


E = TypeVar("E", bound=type[Event])


def kind(name: str) -> Any:
    """Register a class of entries under its name in JSON."""

    def register(cls: E) -> E:
        cls.kind = name
        KINDS[name] = cls
        return cls

    return register


# ---- hosts, connections, faults: filled in from what the world tells


@kind("host.state")
@dataclass(frozen=True, slots=True, kw_only=True)
class HostStateChanged(Event):
    """A host started, stopped, crashed, lost power, froze or thawed."""

    state: str

    def summary(self) -> str:
        return self.state


@kind("tcp.open")
@dataclass(frozen=True, slots=True, kw_only=True)
class TcpOpened(Event):
    """A TCP connection was opened (written by the side that dialled).

    ``local`` and ``remote`` are ``address:port``; ``port`` is the service's, also in the other entries of links.
    """

    local: str
    remote: str
    port: int

    def summary(self) -> str:
        return f"TCP connect :{self.port}"


@kind("tcp.failed")
@dataclass(frozen=True, slots=True, kw_only=True)
class TcpFailed(Event):
    """A TCP connection could not be opened: ``refused``, ``timed out`` or ``unreachable``."""

    remote: str
    port: int
    reason: str

    def summary(self) -> str:
        return f"TCP connect :{self.port} {self.reason}"


@kind("tcp.closed")
@dataclass(frozen=True, slots=True, kw_only=True)
class TcpClosed(Event):
    """A TCP connection ended on this side: ``closed``, ``reset`` or ``timed out``."""

    local: str
    remote: str
    port: int
    how: str

    def summary(self) -> str:
        return f"TCP :{self.port} {self.how}"


@kind("tcp.refused")
@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsRefused(Event):
    """This host refused connections to its port: ``count`` since it last said so; ``remote`` made the last of them.

    ``reason`` says which limit, rate or block was met. Refusals are told every now and then, not each.
    """

    port: int
    remote: str
    reason: str
    count: int

    def summary(self) -> str:
        times = "" if self.count == 1 else f"{self.count} times "
        return f"TCP :{self.port} refused {times}({self.reason})"


@kind("error")
@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorUnhandled(Event):
    """Code of this host raised an error that nobody handled: a mistake in edgesim, or in a story."""

    message: str
    error: str
    where: str

    def summary(self) -> str:
        return f"unhandled: {self.error or self.message}"


@kind("protection.blocked")
@dataclass(frozen=True, slots=True, kw_only=True)
class AddressBlocked(Event):
    """Automated intrusion protection of this host blocked an address for ``seconds``; ``reason`` names the category.

    ``ports`` are the ports of this host that the address may not reach, none for all of them.
    """

    address: str
    reason: str
    seconds: int
    ports: tuple[int, ...] = ()

    def summary(self) -> str:
        where = f" on {', '.join(map(str, self.ports))}" if self.ports else ""
        return f"{self.address} blocked{where} for {self.seconds} s: {self.reason}"


@kind("protection.unblocked")
@dataclass(frozen=True, slots=True, kw_only=True)
class AddressUnblocked(Event):
    """This host takes connections from an address again; ``dropped`` were refused meanwhile."""

    address: str
    reason: str
    dropped: int

    def summary(self) -> str:
        return f"{self.address} unblocked: {self.reason}"


@kind("alarm")
@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm(Event):
    """A product raised or lowered an alarm (``state``); ``id``, title and description are those of its list."""

    id: str
    state: str
    severity: str
    title: str
    description: str

    def summary(self) -> str:
        return f"alarm {self.id} {self.state}: {self.title}: {self.description}"


@kind("tls.established")
@dataclass(frozen=True, slots=True, kw_only=True)
class TlsUp(Event):
    """A TLS handshake finished on this side; ``local`` and ``remote`` are the connection's ends as it sees them."""

    role: str
    version: str
    cipher: str
    server_name: str | None
    peer_subject: str | None
    peer_names: tuple[str, ...]
    port: int
    local: str = ""
    remote: str = ""

    def summary(self) -> str:
        who = f", peer {self.peer_subject}" if self.peer_subject else ""
        return f"{self.version} :{self.port}{who}"


@kind("tls.failed")
@dataclass(frozen=True, slots=True, kw_only=True)
class TlsRefused(Event):
    """A TLS handshake failed on this side: OpenSSL's reason, and the alert where one was received."""

    role: str
    reason: str
    alert: str | None
    port: int
    local: str = ""
    remote: str = ""

    def summary(self) -> str:
        return f"TLS :{self.port} failed: {self.alert or self.reason}"


@kind("udp.dropped")
@dataclass(frozen=True, slots=True, kw_only=True)
class UdpDropped(Event):
    """A datagram was lost on its way."""

    remote: str
    port: int
    reason: str

    def summary(self) -> str:
        return f"UDP :{self.port} dropped ({self.reason})"


@kind("fault.fired")
@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFired(Event):
    """A fault rule acted."""

    fault: str
    fault_kind: str
    detail: str

    def summary(self) -> str:
        return f"fault {self.fault}: {self.detail}"


# ---- protocols: written by the receiver of each message


@kind("dns.query")
@dataclass(frozen=True, slots=True, kw_only=True)
class DnsQuery(Event):
    """A DNS question, as the server received it."""

    name: str
    qtype: str
    transport: str

    def summary(self) -> str:
        return f"DNS {self.qtype}? {self.name}"


@kind("dns.answer")
@dataclass(frozen=True, slots=True, kw_only=True)
class DnsAnswer(Event):
    """A DNS answer, as the resolver received it; ``answers`` are the records' texts."""

    name: str
    qtype: str
    rcode: str
    answers: tuple[str, ...]
    truncated: bool
    transport: str

    def summary(self) -> str:
        return f"DNS {self.qtype} {self.name}: {self.told()}"

    def told(self) -> str:
        """Return the records without the type that was asked for, or the code where there are none."""
        return "; ".join(answer.removeprefix(f"{self.qtype} ") for answer in self.answers) or self.rcode


@kind("dns.failed")
@dataclass(frozen=True, slots=True, kw_only=True)
class DnsFailed(Event):
    """A resolver gave up: no server gave an answer that could be used. ``reason`` is e.g. ``timed out``."""

    name: str
    qtype: str
    reason: str

    def summary(self) -> str:
        return f"DNS {self.qtype} {self.name} {self.reason}"


@kind("http.request")
@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest(Event):
    """An HTTP request as the server received it. ``url`` is the decoded target where the edge wraps one."""

    method: str
    target: str
    headers: Headers
    decoded: str | None = None

    def summary(self) -> str:
        return f"{self.method} {self.decoded or self.target}"


@kind("http.response")
@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse(Event):
    """An HTTP response as the client received it, with the method and target of its request."""

    status: int
    reason: str
    headers: Headers
    method: str
    target: str

    def summary(self) -> str:
        tail = self.target.partition("?")[0].rpartition("/")[2]
        return f"{f'{self.status} {self.reason}'.rstrip()} ({self.method} {tail or '/'})"


@kind("sip.request")
@dataclass(frozen=True, slots=True, kw_only=True)
class SipRequest(Event):
    """A SIP request as received."""

    method: str
    uri: str
    call_id: str
    cseq: str
    from_: str
    to: str
    transport: str

    def summary(self) -> str:
        return f"{self.method} {self.uri}"


@kind("sip.response")
@dataclass(frozen=True, slots=True, kw_only=True)
class SipResponse(Event):
    """A SIP response as received."""

    status: int
    reason: str
    method: str
    call_id: str
    cseq: str
    from_: str
    to: str
    transport: str

    def summary(self) -> str:
        return f"{self.status} {self.reason} ({self.method})"


@kind("xmpp.stream")
@dataclass(frozen=True, slots=True, kw_only=True)
class XmppStream(Event):
    """A stream-level element as received: ``open``, ``close``, ``features``, ``starttls``, ``proceed``, ``auth`` ..."""

    element: str
    domain: str | None = None
    detail: str = ""

    def summary(self) -> str:
        return f"XMPP {self.element} {self.detail}".rstrip()


@kind("xmpp.stanza")
@dataclass(frozen=True, slots=True, kw_only=True)
class XmppStanza(Event):
    """An XMPP stanza as received."""

    name: str
    type: str | None
    from_: str | None
    to: str | None
    id: str | None
    child: str | None = None

    def summary(self) -> str:
        inner = f" {self.child}" if self.child else ""
        return f"<{self.name}{f' {self.type}' if self.type else ''}>{inner}"


@kind("ssh.tunnel")
@dataclass(frozen=True, slots=True, kw_only=True)
class SshTunnel(Event):
    """The SSH tunnel between Expressway-C and Expressway-E changed state."""

    state: str
    detail: str = ""

    def summary(self) -> str:
        return f"SSH tunnel {self.state} {self.detail}".rstrip()


@kind("xcp.link")
@dataclass(frozen=True, slots=True, kw_only=True)
class XcpLink(Event):
    """An XCP link changed state."""

    state: str
    component: str
    detail: str = ""

    def summary(self) -> str:
        return f"XCP {self.state} {self.component} {self.detail}".rstrip()


@kind("malformed")
@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed(Event):
    """Input that broke its protocol's rules: which protocol, what was wrong, what was answered."""

    protocol: str
    reason: str
    answer: str

    def summary(self) -> str:
        return f"malformed {self.protocol}: {self.reason}; {self.answer}"


# ---- states of the products


@kind("zone.state")
@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneState(Event):
    """An Expressway zone changed state, e.g. ``Active`` or ``Failed`` with its reason."""

    zone: str
    state: str
    reason: str = ""

    def summary(self) -> str:
        return f"zone {self.zone}: {self.state}{f' ({self.reason})' if self.reason else ''}"


@kind("auth")
@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication(Event):
    """A server judged credentials: ``how`` is ``basic``, ``digest``, ``cookie``, ``bearer``, ``sasl`` ..."""

    user: str
    how: str
    granted: bool
    detail: str = ""

    def summary(self) -> str:
        verdict = "granted" if self.granted else "refused"
        return f"{self.how} authentication of {self.user}: {verdict} {self.detail}".rstrip()


@kind("sip.registered")
@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(Event):
    """Unified CM holds a registration (new or refreshed) of a device; the entry's node is the registrar."""

    device: str
    user: str
    line: str
    contact: str
    via: str
    expires: int
    fresh: bool

    def summary(self) -> str:
        return f"{self.device} {'registered' if self.fresh else 'refreshed'} via {self.via} for {self.expires} s"


@kind("sip.unregistered")
@dataclass(frozen=True, slots=True, kw_only=True)
class Unregistered(Event):
    """A registration ended: ``expired``, ``removed by the client``, ``displaced`` ...; ``alarm`` is what was raised."""

    device: str
    reason: str
    alarm: str = ""

    def summary(self) -> str:
        return f"{self.device} unregistered: {self.reason}{f' ({self.alarm})' if self.alarm else ''}"


@kind("xmpp.session")
@dataclass(frozen=True, slots=True, kw_only=True)
class XmppSession(Event):
    """IM and Presence bound a resource, or a session ended."""

    jid: str
    state: str

    def summary(self) -> str:
        return f"session {self.jid} {self.state}"


@kind("discovery")
@dataclass(frozen=True, slots=True, kw_only=True)
class Discovery(Event):
    """Expressway-C's view of a server it discovered (or could not), with the reason."""

    server: str
    product: str
    state: str
    detail: str = ""

    def summary(self) -> str:
        return f"discovery of {self.product} {self.server}: {self.state} {self.detail}".rstrip()


# ---- clients and the scenario itself


@kind("client.state")
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientState(Event):
    """A simulated client went on: its stage, how it went, and what a diagnostic client would print."""

    user: str
    stage: str
    outcome: str
    detail: str = ""

    def summary(self) -> str:
        return f"{self.stage}: {self.outcome}{f' ({self.detail})' if self.detail else ''}"


@kind("step")
@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Event):
    """A scenario's step: `state` is ``began``, ``ended`` or ``failed``; ``depth`` counts the steps it lies in."""

    text: str
    state: str
    depth: int = 0

    def summary(self) -> str:
        return f"{self.text} [{self.state}]"


@kind("note")
@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Event):
    """A line worth keeping that fits nowhere else, e.g. a product's own log line."""

    text: str

    def summary(self) -> str:
        return self.text


@kind("sip.keepalive")
@dataclass(frozen=True, slots=True, kw_only=True)
class SipKeepalive(Event):
    """A keep-alive on a SIP connection as received: ``CRLF ping``, ``CRLF pong``, ``STUN request`` ..."""

    form: str
    transport: str

    def summary(self) -> str:
        return self.form


@kind("xcp.route")
@dataclass(frozen=True, slots=True, kw_only=True)
class XcpRoute(Event):
    """News of one client's session on an XCP link: ``open``, ``data``, ``close``; ``content`` is the data in a word."""

    session: str
    action: str
    content: str = ""

    def summary(self) -> str:
        return f"XCP {self.session} {self.action} {self.content}".rstrip()


@kind("firewall.blocked")
@dataclass(frozen=True, slots=True, kw_only=True)
class FirewallBlocked(Event):
    """A firewall ended a flow that this host opened; told once for each flow.

    ``verdict`` is ``drop`` or ``reject``, ``rule`` what decided; ``zone`` and ``source`` are where the flow came from
    as the firewall saw it, ``remote`` and ``port`` what the host dialled.
    """

    firewall: str
    rule: str
    verdict: str
    protocol: str
    zone: str
    source: str
    remote: str
    port: int

    def summary(self) -> str:
        return f"{self.firewall}: {self.verdict} {self.protocol} :{self.port} ({self.rule})"


@kind("journal.gap")
@dataclass(frozen=True, slots=True, kw_only=True)
class JournalGap(Event):
    """Entries that the journal does not have: how many (``missing``), why, and since which lab time (``since_ns``).

    It stands where they would, or soon after. Numbers of entries within a life go on over those that are missing.
    """

    missing: int
    reason: str
    since_ns: int

    def summary(self) -> str:
        entries = "1 entry is" if self.missing == 1 else f"{self.missing:,} entries are"
        return f"{entries} missing since {self.since_ns / 1e9:.3f} s: {self.reason}"


@kind("media.flow")
@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFlow(Event):
    """Media between a host and the entry's peer: ``open`` or ``failed`` (a pinhole), ``started``, ``statistics``,
    ``stopped``.

    ``leg`` is the side of the host: ``client``, ``multiplexed``, ``inside``, or ``endpoint`` for one that sends and
    receives itself. Counts are those since the flow was set up; ``refused`` are packets that belonged to nobody.
    """

    channel: str
    leg: str
    state: str
    packets_in: int
    packets_out: int
    octets_in: int
    octets_out: int
    refused: int = 0
    reason: str = ""

    def summary(self) -> str:
        counts = f"{self.packets_in} in, {self.packets_out} out"
        return f"media {self.channel}, {self.leg}: {self.state}{f' ({self.reason})' if self.reason else ''}; {counts}"


@kind("certificate.upload")
@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateUpload(Event):
    """An administrator uploaded a certificate to a trust store, or as the one of a service: ``store`` says which.

    ``reason`` is why the product refused it; then nothing changed. What it took counts after a restart.
    """

    store: str
    subject: str
    accepted: bool
    reason: str = ""

    def summary(self) -> str:
        verdict = "accepted" if self.accepted else f"refused ({self.reason})"
        return f"upload of {self.subject} to {self.store}: {verdict}"


@kind("service.restarted")
@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRestarted(Event):
    """One service of a host was stopped and started again, such as ``Cisco Tomcat``, while the others went on."""

    service: str

    def summary(self) -> str:
        return f"{self.service} restarted"
