"""The ladder's model: columns, arrows, what is folded, what is chosen."""

from __future__ import annotations

import itertools

import pytest

from edgesim.journal import Entry, Selection, events, ladder
from edgesim.journal.entry import Direction
from edgesim.journal.rows import Row, Shape, row_of
from tests.each import holds_for_each
from tests.journal import sample
from tests.journal.kinds import entry_of, event_of


def drawn(**options: object) -> ladder.Ladder:
    return ladder.build(sample.sign_in(), **options)


def rows_of(kind: str, made: ladder.Ladder) -> list[Row]:
    return [row for row in made.rows if any(entry.kind == kind for entry in row.entries)]


def test_columns_come_in_order_of_appearance_or_as_given() -> None:
    names = [column.name for column in drawn().columns]
    assert names == ["expe", "expc", "cucm1", "alice-laptop", "dns-public", "imp1", "192.0.2.66"]
    made = drawn(order=["alice-laptop", "nobody", "expe"], roles=sample.ROLES)
    assert [column.name for column in made.columns][:3] == ["alice-laptop", "expe", "expc"]
    assert made.columns[1].role == "Expressway-E"
    assert made.columns[-1].role == ""


def test_every_kind_has_a_row() -> None:
    peers = ["alice", "expe", "192.0.2.1:5060", "[2001:db8::1]:53", None]
    holds_for_each(has_a_row, itertools.product(sorted(events.KINDS), ["in", "out", "-"], peers))


def has_a_row(kind: str, direction: Direction, peer: str | None) -> None:
    event = event_of(kind, lambda: "server")
    row = row_of(entry_of(event, direction=direction, peer=peer))
    assert row.entries[0].event is event
    assert row.label
    if kind != "step" and direction == "in" and peer not in (None, "expe"):
        assert row.target == "expe"
        assert row.source in ("alice", "192.0.2.1", "2001:db8::1")
    if row.shape in (Shape.NOTE, Shape.STEP):
        assert row.target is None
    else:
        assert row.target not in (None, row.source)


def test_a_message_out_points_at_the_stranger() -> None:
    row = row_of(entry_of(events.Note(text="x"), direction="out", peer="192.0.2.1:5060"))
    assert (row.source, row.target, row.shape) == ("expe", "192.0.2.1", Shape.REQUEST)


def test_a_connection_with_both_views_of_its_handshake_is_one_row() -> None:
    row = rows_of("tcp.open", drawn())[0]
    assert [entry.kind for entry in row.entries] == ["tcp.open", "tls.established", "tls.established"]
    assert (row.source, row.target, row.shape) == ("expc", "expe", Shape.LINK)
    assert row.label == "connect :7001, TLSv1.3, server expe.example.com, client expc.example.com"


def _link(role: str, port: int, local: str, remote: str, failed: str = "") -> Entry[events.Event]:
    node, peer = ("alice", "expe") if role != "server" else ("expe", "alice")
    if not role:
        return entry_of(events.TcpOpened(local=local, remote=remote, port=port), node=node, peer=peer, direction="-")
    event: events.Event
    if failed:
        event = events.TlsRefused(role=role, reason=failed, alert=None, port=port, local=local, remote=remote)
    else:
        event = events.TlsUp(
            role=role, version="TLSv1.3", cipher="c", server_name=None, peer_subject=None, peer_names=(), port=port,
            local=local, remote=remote,
        )  # fmt: skip
    return entry_of(event, node=node, peer=peer, direction="-")


def test_parallel_connections_keep_their_own_handshakes() -> None:
    a, b, s = "192.0.2.1:1000", "192.0.2.1:1001", "192.0.2.9:8443"
    entries = [_link("", 8443, a, s), _link("", 8443, b, s), _link("client", 8443, b, s), _link("server", 8443, s, a)]
    first, second = ladder.build(entries).rows
    assert first.entries == (entries[0], entries[3])
    assert second.entries == (entries[1], entries[2])


def test_a_failed_handshake_is_a_loss_that_names_both_sides() -> None:
    a, s = "192.0.2.1:1000", "192.0.2.9:7001"
    (row,) = ladder.build(
        [
            _link("", 7001, a, s),
            _link("client", 7001, a, s, "certificate verify failed"),
            _link("server", 7001, s, a, "alert unknown ca"),
        ]
    ).rows
    assert row.shape is Shape.LOST
    assert row.label == "connect :7001, client failed: certificate verify failed, server failed: alert unknown ca"


def test_starttls_after_xmpp_is_a_separate_row() -> None:
    a, s = "192.0.2.1:1000", "192.0.2.9:5222"
    opened, secured = _link("", 5222, a, s), _link("client", 5222, a, s)
    spoken = entry_of(events.XmppStream(element="starttls"), node="expe", peer="alice")
    assert [row.kind for row in ladder.build([opened, spoken, secured]).rows] == [
        "tcp.open",
        "xmpp.stream",
        "tls.established",
    ]
    assert len(ladder.build([opened, secured]).rows) == 1


def test_a_question_and_its_answer_are_one_row() -> None:
    row = rows_of("dns.query", drawn())[1]
    assert (row.source, row.target, row.shape) == ("alice-laptop", "dns-public", Shape.EXCHANGE)
    assert row.label == "SRV _collab-edge._tls.example.com → 10 10 8443 expe.example.com."
    assert rows_of("dns.query", drawn())[0].label.endswith("→ NXDOMAIN")


def test_credentials_and_the_rule_that_allows_the_request_are_one_row() -> None:
    granted = events.Authentication(user="alice", how="cookie", granted=True)
    permit = events.Note(text='Event="Request Allowed" Detail="Access allowed"')
    entries = [
        entry_of(granted, node="expc", number=1),
        entry_of(permit, node="expc", number=2),
        entry_of(permit, node="expc", number=3),
        entry_of(granted, node="expe", number=4),
        entry_of(permit, node="expc", number=5),
    ]
    assert [len(row.entries) for row in ladder.build(entries).rows] == [3, 1, 1]


def test_a_question_asked_twice_and_answered_once_keeps_one_open() -> None:
    query = events.DnsQuery(name="a", qtype="A", transport="udp")
    answer = events.DnsAnswer(name="a", qtype="A", rcode="NOERROR", answers=("1",), truncated=True, transport="udp")
    other = events.DnsAnswer(name="b", qtype="A", rcode="NOERROR", answers=("1",), truncated=False, transport="udp")
    made = ladder.build(
        [
            entry_of(query, node="dns", peer="alice"),
            entry_of(query, node="dns", peer="alice"),
            entry_of(answer, node="alice", peer="dns"),
            entry_of(other, node="alice", peer="dns"),
        ]
    )
    assert [row.shape for row in made.rows] == [Shape.REQUEST, Shape.EXCHANGE, Shape.RESPONSE]
    assert made.rows[1].label == "A a → 1 (truncated)"


def test_repeated_routine_is_counted_until_something_happens() -> None:
    row = rows_of("sip.request", drawn())
    options = [r for r in row if "OPTIONS" in r.label]
    assert [r.count for r in options] == [1, 3]
    assert options[1].text == "3× OPTIONS sip:198.51.100.4:7001;transport=tls (until 181.010150)"
    assert len(options[1].entries) == 3


def test_a_retry_with_credentials_is_no_refresh() -> None:
    def register(number: int, ms: int) -> Entry[events.Event]:
        event = events.SipRequest(
            method="REGISTER", uri="sip:c", call_id="1", cseq=f"{number} REGISTER", from_="a", to="a", transport="tls"
        )
        return entry_of(event, at_ns=ms * 1_000_000)

    times = [0, 50, 120_000, 240_000, 360_000]
    made = ladder.build([register(number, ms) for number, ms in enumerate(times)])
    assert [row.count for row in made.rows] == [1, 1, 3]


def test_hosts_that_come_up_together_are_one_row() -> None:
    first = drawn().rows[0]
    assert (first.source, first.others, first.label) == ("expe", ("expc", "cucm1"), "up")
    states = [("a", "starting"), ("b", "starting"), ("a", "up"), ("b", "crashed")]
    made = ladder.build(
        [entry_of(events.HostStateChanged(state=s), node=n, peer=None, direction="-") for n, s in states]
    )
    assert [(row.source, row.others, row.label) for row in made.rows] == [("a", (), "up"), ("b", (), "crashed")]
    assert sum(len(row.entries) for row in made.rows) == 4


def test_both_ends_of_a_close_are_one_row_that_shows_the_reset() -> None:
    (row,) = rows_of("tcp.closed", drawn())
    assert (row.source, row.target, row.label) == ("cucm1", "expc", ":5061 reset")
    assert len(row.entries) == 2


def test_what_is_lost_is_drawn_as_lost() -> None:
    made = drawn()
    for kind in ("udp.dropped", "tcp.failed", "fault.fired"):
        assert rows_of(kind, made)[0].shape is Shape.LOST
    delay = events.FaultFired(fault="slow", fault_kind="Delay", detail="by 2 s")
    assert row_of(entry_of(delay, direction="-")).shape is Shape.NOTE


def test_no_entry_is_lost_by_folding() -> None:
    entries = sample.sign_in()
    for folding in (True, False):
        made = ladder.build(entries, folding=folding)
        ids = sorted(entry.id for row in made.rows for entry in row.entries)
        assert ids == sorted(entry.id for entry in entries)
    assert len(ladder.build(entries, folding=False).rows) == len(entries)


@pytest.mark.parametrize(
    ("selection", "kinds"),
    [
        (Selection(kinds=("dns",)), {"dns.query", "dns.answer"}),
        (Selection(kinds=("sip.registered", "zone")), {"sip.registered", "zone.state"}),
        (Selection(hosts=("imp1",), without=("tcp", "tls")), {"xmpp.stream", "xmpp.session", "xmpp.stanza"}),
        (Selection(since_ns=200_001_000_000, until_ns=200_002_000_000), {"tcp.closed", "tcp.failed"}),
    ],
)
def test_selection(selection: Selection, kinds: set[str]) -> None:
    chosen = selection.apply(sample.sign_in())
    assert {entry.kind for entry in chosen} == kinds


def test_a_users_story_has_no_hosts_that_take_no_part_and_no_start_up() -> None:
    entries = sample.sign_in()
    chosen = Selection(stories=("user:alice",)).apply(entries)
    own = Selection(stories=("user:alice",), context=False).apply(entries)
    part = {name for entry in own for name in (entry.node, entry.peer)}
    assert not [entry for entry in chosen if entry.kind == "host.state" and entry.node not in part]
    assert not [entry for entry in chosen if entry.kind == "host.state" and entry.order < own[0].order]
    first = own[0]
    crash = Entry(
        **{name: getattr(first, name) for name in ("incarnation", "sequence", "at_ns", "host_ns")},
        node=first.node,
        event=events.HostStateChanged(state="crashed"),
        direction="-",
        peer=None,
        payload=b"",
        keys=(),
        secrets=(),
        order=len(entries),
    )
    assert crash in Selection(stories=("user:alice",)).apply([*entries, crash]), "what became of it meanwhile belongs"


def test_the_start_up_is_one_line_that_counts_it() -> None:
    entries = sample.sign_in()
    made = ladder.build(entries, startup=7)
    whole = ladder.build(entries)
    assert made.rows[0].shape is Shape.STEP
    assert (
        made.rows[0].label
        == f"start-up: {len({each.node for each in entries[:7] if each.incarnation})} hosts, 7 entries"
    )
    assert len(made.rows) < len(whole.rows)
    assert made.rows[1].entries[0] is entries[7]


def test_an_answer_is_shown_with_its_name_and_its_type_once() -> None:
    answer = events.DnsAnswer(
        name="_collab-edge._tls.example.com",
        qtype="SRV",
        rcode="NOERROR",
        answers=("SRV 10 10 8443 expe.example.com",),
        truncated=False,
        transport="udp",
    )
    assert answer.summary() == "DNS SRV _collab-edge._tls.example.com: 10 10 8443 expe.example.com"
    row = row_of(entry_of(answer, direction="in", peer="dns"))
    assert row.label == "SRV _collab-edge._tls.example.com: 10 10 8443 expe.example.com"


def test_selection_around_an_entry() -> None:
    entries = sample.sign_in()
    middle = next(entry for entry in entries if entry.kind == "auth")
    chosen = Selection(around=middle.id, before=2, after=1).apply(entries)
    assert [entry.order for entry in chosen] == [middle.order + step for step in (-2, -1, 0, 1)]
    made = ladder.build(entries, select=Selection(around=middle.id, before=2, after=1), marks=[middle.id])
    assert made.hidden == len(entries) - 4
    assert [row.kind for row in made.rows if made.is_marked(row)] == ["auth"]
    with pytest.raises(LookupError, match="no entry nobody#1/1"):
        Selection(around="nobody#1/1").apply(entries)


def test_one_octet_of_a_payload_shows_in_the_detail() -> None:
    entry = next(entry for entry in sample.sign_in() if entry.kind == "sip.request")
    for limit in (None, 20):
        seen = set()
        for place in range(len(entry.payload)):
            for bit in range(8):
                flipped = bytearray(entry.payload)
                flipped[place] ^= 1 << bit
                made = ladder.build([entry_of(entry.event, payload=bytes(flipped))])
                seen.add(tuple(made.detail(made.rows[0], limit)))
        made = ladder.build([entry_of(entry.event, payload=entry.payload)])
        assert len(seen | {tuple(made.detail(made.rows[0], limit))}) == len(entry.payload) * 8 + 1
