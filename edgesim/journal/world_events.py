"""Turns a world's events into entries of the hosts concerned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgesim.journal import events
from edgesim.journal.journal import Journal, endpoint
from edgesim.world import events as facts

Address = tuple[str, int]


def watch_world(journal: Journal) -> WorldWatch:
    """Write every event of the journal's world into the journal from now on; call it once per journal."""
    watch = WorldWatch(journal)
    journal.world.observe(watch.report)
    return watch


class WorldWatch:
    """Turns world events into entries. Events of a host that has ended are written too, since the world reports
    them.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._dialled: set[tuple[str, str]] = set()
        self._writers: dict[type[facts.WorldEvent], Callable[[Any], tuple[events.Event, Address | None]]] = {
            facts.HostChanged: self._host_changed,
            facts.ConnectionOpened: self._opened,
            facts.ConnectionFailed: self._failed,
            facts.ConnectionClosed: self._closed,
            facts.TlsEstablished: self._tls_established,
            facts.TlsFailed: self._tls_failed,
            facts.DatagramDropped: self._dropped,
            facts.FirewallBlocked: self._blocked,
            facts.FaultFired: self._fired,
            facts.ConnectionsRefused: self._turned_away,
            facts.AddressBlocked: self._address_blocked,
            facts.AddressUnblocked: self._address_unblocked,
            facts.ErrorUnhandled: self._error,
        }

    def report(self, event: facts.WorldEvent) -> None:
        """Write one event. Raises `TypeError` for a class that is not known here."""
        writer = self._writers.get(type(event))
        if writer is None:
            raise TypeError(f"no journal entry is defined for {type(event).__name__}")
        host = self._journal.world.hosts.get(event.host)
        written, peer = writer(event)
        if host is None:
            self._journal.record_stranger(event.host, written, at_ns=event.at_ns, peer=peer)
            return
        life = event.incarnation if isinstance(event, facts.HostChanged) else None
        self._journal.record(host, written, at_ns=event.at_ns, incarnation=life, peer=peer)

    def _host_changed(self, event: facts.HostChanged) -> tuple[events.Event, Address | None]:
        return events.HostStateChanged(state=event.state), None

    def _opened(self, event: facts.ConnectionOpened) -> tuple[events.Event, Address | None]:
        self._dialled.add((event.host, event.connection))
        local, remote = endpoint(event.local), endpoint(event.remote)
        return events.TcpOpened(local=local, remote=remote, port=event.remote[1]), event.remote

    def _failed(self, event: facts.ConnectionFailed) -> tuple[events.Event, Address | None]:
        return (
            events.TcpFailed(remote=endpoint(event.remote), port=event.remote[1], reason=event.reason),
            event.remote,
        )

    def _closed(self, event: facts.ConnectionClosed) -> tuple[events.Event, Address | None]:
        # The side that dialled is the one whose remote end is the service.
        dialled = (event.host, event.connection) in self._dialled
        self._dialled.discard((event.host, event.connection))
        port = event.remote[1] if dialled else event.local[1]
        local, remote = endpoint(event.local), endpoint(event.remote)
        return events.TcpClosed(local=local, remote=remote, port=port, how=event.how), event.remote

    def _tls_established(self, event: facts.TlsEstablished) -> tuple[events.Event, Address | None]:
        return (
            events.TlsUp(
                role=event.role,
                version=event.version,
                cipher=event.cipher,
                server_name=event.server_name,
                peer_subject=event.peer_subject,
                peer_names=event.peer_names,
                port=_service_port(event),
                local=endpoint(event.local),
                remote=endpoint(event.remote),
            ),
            event.remote,
        )

    def _tls_failed(self, event: facts.TlsFailed) -> tuple[events.Event, Address | None]:
        return (
            events.TlsRefused(
                role=event.role,
                reason=event.reason,
                alert=event.alert,
                port=_service_port(event),
                local=endpoint(event.local),
                remote=endpoint(event.remote),
            ),
            event.remote,
        )

    def _dropped(self, event: facts.DatagramDropped) -> tuple[events.Event, Address | None]:
        return (
            events.UdpDropped(remote=endpoint(event.remote), port=event.remote[1], reason=event.reason),
            event.remote,
        )

    def _blocked(self, event: facts.FirewallBlocked) -> tuple[events.Event, Address | None]:
        return (
            events.FirewallBlocked(
                firewall=event.firewall,
                rule=event.rule,
                verdict=event.verdict,
                protocol=event.protocol,
                zone=event.zone,
                source=endpoint(event.source),
                remote=endpoint(event.remote),
                port=event.remote[1],
            ),
            event.remote,
        )

    def _fired(self, event: facts.FaultFired) -> tuple[events.Event, Address | None]:
        return events.FaultFired(fault=event.fault, fault_kind=event.kind, detail=event.detail), event.remote

    def _turned_away(self, event: facts.ConnectionsRefused) -> tuple[events.Event, Address | None]:
        written = events.ConnectionsRefused(
            port=event.port, remote=endpoint(event.remote), reason=event.reason, count=event.count
        )
        return written, event.remote

    def _address_blocked(self, event: facts.AddressBlocked) -> tuple[events.Event, Address | None]:
        return (
            events.AddressBlocked(
                address=event.address, reason=event.reason, seconds=round(event.seconds), ports=event.ports
            ),
            None,
        )

    def _address_unblocked(self, event: facts.AddressUnblocked) -> tuple[events.Event, Address | None]:
        return (
            events.AddressUnblocked(address=event.address, reason=event.reason, dropped=event.dropped),
            None,
        )

    def _error(self, event: facts.ErrorUnhandled) -> tuple[events.Event, Address | None]:
        return events.ErrorUnhandled(message=event.message, error=event.error, where=event.where), None


def _service_port(event: facts.TlsEstablished | facts.TlsFailed) -> int:
    return event.remote[1] if event.role == "client" else event.local[1]
