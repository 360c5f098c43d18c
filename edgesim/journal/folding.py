"""Folds rows of a ladder that belong together, so that a sign-in fits on a page.

* A TCP connection, its TLS handshake and the other side's view of it are one row; so are the two ends of its close.
* A DNS question and its answer are one row.
* Accepted credentials and the rule that allows the request are one row.
* Hosts that reach the same state one after another are one row.
* Routine that repeats without interruption (OPTIONS, a refreshed registration) is one row with a count.

Nothing is lost: a folded row has all its entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from edgesim.journal import events
from edgesim.journal.entry import Entry
from edgesim.journal.events import Event
from edgesim.journal.rows import Row, Shape
from edgesim.journal.visible import visible

REFRESH_AFTER_NS: Final = 5_000_000_000
"""A request equal to an earlier one is a refresh, not a retry with credentials, when it comes this much later."""

Pair = tuple[str, str]


def fold(rows: Iterable[Row]) -> list[Row]:
    """Return the rows with links, DNS exchanges and repeated routine folded."""
    folded = list(rows)
    for step in (fold_states, fold_links, fold_closes, fold_dns, fold_permits, fold_routine):
        folded = step(folded)
    return folded


def fold_states(rows: list[Row]) -> list[Row]:
    """Fold adjacent changes of hosts' states: each host at its last state, hosts grouped by state."""
    out: list[Row] = []
    run: list[Row] = []
    for row in [*rows, None]:
        if row is not None and isinstance(row.entries[0].event, events.HostStateChanged):
            run.append(row)
            continue
        last = {changed.source: changed.label for changed in run}
        by_label: dict[str, list[str]] = {}
        for source, label in last.items():
            by_label.setdefault(label, []).append(source)
        for label, sources in by_label.items():
            of = [changed for changed in run if changed.source in sources]
            entries = tuple(entry for changed in of for entry in changed.entries)
            first = next(changed for changed in of if changed.label == label)
            out.append(replace(first, source=sources[0], others=tuple(sources[1:]), entries=entries))
        run.clear()
        if row is not None:
            out.append(row)
    return out


def fold_permits(rows: list[Row]) -> list[Row]:
    """Fold what a proxy logs of a request that its allow list has with the credentials that it was just shown."""
    out: list[Row] = []
    for row in rows:
        event = row.entries[0].event
        if isinstance(event, events.Note) and event.text.startswith('Event="Request Allowed"') and out:
            before = out[-1]
            if before.kind == events.Authentication.kind and before.entries[0].node == row.entries[0].node:
                out[-1] = replace(before, entries=before.entries + row.entries)
                continue
        out.append(row)
    return out


def fold_links(rows: list[Row]) -> list[Row]:
    """Fold a TCP connection with the TLS handshakes at its two ends."""
    out: list[Row] = []
    open_links: dict[Pair, list[int]] = {}
    for row in rows:
        event = row.entries[0].event
        pair = (row.source, row.target or "")
        if row.kind.startswith("xmpp."):
            # TLS after XMPP is STARTTLS, and gets a separate row.
            for ends in (pair, pair[::-1]):
                open_links.pop(ends, None)
        elif isinstance(event, events.TlsUp | events.TlsRefused):
            candidates = open_links.get(pair, [])
            place = next((place for place in candidates if _takes(out[place], event)), None)
            if place is not None:
                out[place] = _linked(out[place], row)
                continue
            open_links.setdefault(pair, []).append(len(out))
            row = replace(row, label=_link_label(row.entries))
        elif isinstance(event, events.TcpOpened):
            open_links.setdefault(pair, []).append(len(out))
        out.append(row)
    return out


def _takes(row: Row, event: events.TlsUp | events.TlsRefused) -> bool:
    """Return whether a handshake, as one side saw it, is that of the row's connection and still missing there."""
    for entry in row.entries:
        known = entry.event
        if not isinstance(known, events.TcpOpened | events.TlsUp | events.TlsRefused) or known.port != event.port:
            return False
        role = "" if isinstance(known, events.TcpOpened) else known.role
        if role == event.role:
            return False
        dialler = role in ("", "client")
        if known.local and event.local and dialler:
            same = event.role == "client"
            ends = (known.local, known.remote) if same else (known.remote, known.local)
            if ends != (event.local, event.remote):
                return False
    return True


def _linked(row: Row, more: Row) -> Row:
    entries = row.entries + more.entries
    lost = Shape.LOST in (row.shape, more.shape)
    return replace(
        row,
        entries=entries,
        tag=more.tag,
        label=_link_label(entries),
        shape=Shape.LOST if lost else row.shape,
    )


def _link_label(entries: tuple[Entry[Event], ...]) -> str:
    opened = any(isinstance(entry.event, events.TcpOpened) for entry in entries)
    version = ""
    who: dict[str, str] = {}
    failures: dict[str, str] = {}
    port = 0
    for entry in entries:
        event = entry.event
        if isinstance(event, events.TcpOpened | events.TlsUp | events.TlsRefused):
            port = event.port
        if isinstance(event, events.TlsUp):
            version = event.version
            if event.peer_subject:
                who["server" if event.role == "client" else "client"] = _common_name(event.peer_subject)
        elif isinstance(event, events.TlsRefused):
            failures[event.role] = f"alert {event.alert}" if event.alert else event.reason
    parts = [f"connect :{port}" if opened else f"handshake :{port}"]
    if version:
        parts.append(version)
    parts += [f"{side} {who[side]}" for side in ("server", "client") if side in who]
    parts += [f"{side} failed: {failures[side]}" for side in ("client", "server") if side in failures]
    return visible(", ".join(parts))


def _common_name(subject: str) -> str:
    """Return a subject's common name, or the whole where it has none."""
    parts = (part.strip() for part in subject.split(","))
    return next((part[3:] for part in parts if part.startswith("CN=")), subject)


def fold_closes(rows: list[Row]) -> list[Row]:
    """Fold the two ends' reports of one close."""
    out: list[Row] = []
    waiting: dict[tuple[str, str], int] = {}
    for row in rows:
        event = row.entries[0].event
        if isinstance(event, events.TcpClosed):
            place = waiting.pop((event.remote, event.local), None)
            if place is not None:
                first = out[place]
                other = first.entries[0].event
                if isinstance(other, events.TcpClosed) and other.how != event.how:
                    # The end that saw a reset or a timeout says more than the end that closed.
                    reported = next((e for e in (other, event) if e.how != "closed"), other)
                    first = replace(first, label=f":{reported.port} {visible(reported.how)}")
                out[place] = replace(first, entries=first.entries + row.entries)
                continue
            waiting[event.local, event.remote] = len(out)
        out.append(row)
    return out


def fold_dns(rows: list[Row]) -> list[Row]:
    """Fold a question with the next answer to it."""
    out: list[Row] = []
    waiting: dict[tuple[str, ...], int] = {}
    for row in rows:
        event = row.entries[0].event
        if isinstance(event, events.DnsQuery) and row.target is not None:
            waiting[row.source, row.target, event.name, event.qtype, event.transport] = len(out)
        elif isinstance(event, events.DnsAnswer) and row.target is not None:
            place = waiting.pop((row.target, row.source, event.name, event.qtype, event.transport), None)
            if place is not None:
                label = f"{event.qtype} {event.name} → {event.reported()}"
                if event.truncated:
                    label += " (truncated)"
                out[place] = replace(
                    out[place],
                    shape=Shape.EXCHANGE,
                    entries=out[place].entries + row.entries,
                    label=visible(label),
                )
                continue
        out.append(row)
    return out


def fold_routine(rows: list[Row]) -> list[Row]:
    """Fold repeated routine that is not interrupted."""
    out: list[Row] = []
    run: dict[tuple[str, ...], int] = {}
    routine = _routine()
    for row in rows:
        signature = routine(row)
        if signature is None:
            run.clear()
            out.append(row)
            continue
        place = run.get(signature)
        if place is None:
            run[signature] = len(out)
            out.append(row)
        else:
            first = out[place]
            out[place] = replace(
                first, count=first.count + 1, last_ns=row.entries[-1].at_ns, entries=first.entries + row.entries
            )
    return out


def _routine() -> Callable[[Row], tuple[str, ...] | None]:
    """Return a function that gives the signature of a row that is routine, and None for any other."""
    seen: dict[tuple[str, ...], int] = {}

    def signature(row: Row) -> tuple[str, ...] | None:
        event = row.entries[0].event
        if isinstance(event, events.SipRequest | events.SipResponse) and event.method in ("OPTIONS", "REGISTER"):
            if isinstance(event, events.SipResponse) and not 200 <= event.status < 300:
                return None
            call = event.call_id if event.method == "REGISTER" else ""
        elif (isinstance(event, events.Registered) and not event.fresh) or row.kind == "sip.keepalive":
            call = ""
        else:
            return None
        result = (row.source, row.target or "", row.tag, row.label, call)
        if call:
            before = seen.get(result)
            seen[result] = row.at_ns
            if before is None or row.at_ns - before < REFRESH_AFTER_NS:
                return None
        return result

    return signature
