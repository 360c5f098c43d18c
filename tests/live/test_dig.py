"""`dig` asks the lab's two name servers."""

from __future__ import annotations

import pytest

from tests.live.lab import MANY, MANY_RECORDS, LiveLab

COLLAB_EDGE = "_collab-edge._tls.example.com"
CISCO_UDS = "_cisco-uds._tcp.example.com"


def dig(lab: LiveLab, view: str, *arguments: str) -> str:
    server = lab.address(f"dns-{view}")
    source = lab.address("inside-1") if view == "inside" else "127.0.0.1"
    options = ("-b", source, "-p", str(lab.dns_port), "+tries=1", "+time=5")
    return lab.run("dig", f"@{server}", *options, *arguments).out


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_the_edge_is_found_outside(lab: LiveLab, transport: str) -> None:
    since = lab.mark()
    answer = dig(lab, "outside", "SRV", COLLAB_EDGE, "+tcp" if transport == "tcp" else "+notcp")
    assert "status: NOERROR" in answer and " aa" in answer
    assert f"{COLLAB_EDGE}. 3600 IN SRV 10 10 8443 expe.example.com." in " ".join(answer.split())
    assert f"({transport.upper()})" in answer
    asked = lab.expect("dns.query", "dns-outside", since=since, name=COLLAB_EDGE, qtype="SRV")
    assert asked.event.transport == transport
    assert asked.peer is not None and asked.peer.startswith("127.0.0.1:"), "dig is no host of the lab"


def test_each_view_has_its_own_truth(lab: LiveLab) -> None:
    since = lab.mark()
    for view, name, there in (
        ("outside", CISCO_UDS, False),
        ("outside", COLLAB_EDGE, True),
        ("inside", CISCO_UDS, True),
        ("inside", COLLAB_EDGE, False),
    ):
        answer = dig(lab, view, "SRV", name)
        assert f"status: {'NOERROR' if there else 'NXDOMAIN'}" in answer, (view, name)
        if not there:
            assert "ANSWER: 0, AUTHORITY: 1" in answer and "\tIN\tSOA\t" in answer
        lab.expect("dns.query", f"dns-{view}", since=since, name=name)
    assert dig(lab, "outside", "A", "expe.example.com", "+short").split() == [lab.address("expe", "outer-dmz")]
    assert dig(lab, "inside", "A", "expe.example.com", "+short").split() == [lab.address("expe", "dmz")]
    for order, node in enumerate(("ucm-pub", "ucm-sub")):
        answer = dig(lab, "inside", "SRV", CISCO_UDS, "+short").splitlines()
        assert f"{node}.inside.example.com." in " ".join(answer), order


def test_reverse_names_inside(lab: LiveLab) -> None:
    since = lab.mark()
    answer = dig(lab, "inside", "-x", lab.address("ucm-pub"), "+short")
    assert answer.strip() == "ucm-pub.inside.example.com."
    lab.expect("dns.query", "dns-inside", since=since, qtype="PTR")
    assert "status: NXDOMAIN" in dig(lab, "inside", "-x", lab.address("ucm-pub").rsplit(".", 1)[0] + ".250")


def test_outside_clients_may_not_query_the_inside_server(lab: LiveLab) -> None:
    since = lab.mark()
    server = lab.address("dns-inside")
    output = lab.run("dig", f"@{server}", "-p", str(lab.dns_port), "+tries=1", "+time=1", "SRV", CISCO_UDS, ok=False)
    assert "no servers could be reached" in output.all
    dropped = lab.expect("udp.dropped", since=since, reason="firewall")
    assert dropped.node == "127.0.0.1", "a stranger is named by its address"
    assert not lab.seen("dns.query", "dns-inside", since=since)


def test_a_long_answer_is_cut_and_asked_for_again_over_tcp(lab: LiveLab) -> None:
    since = lab.mark()
    answer = dig(lab, "outside", "SRV", MANY, "+noedns")
    assert ";; Truncated, retrying in TCP mode." in answer
    assert f"ANSWER: {len(MANY_RECORDS)}" in answer
    asked = lab.seen("dns.query", "dns-outside", since=since, name=MANY)
    assert [entry.event.transport for entry in asked] == ["udp", "tcp"]
    roomy = dig(lab, "outside", "SRV", MANY, "+bufsize=4096")
    assert "Truncated" not in roomy and f"ANSWER: {len(MANY_RECORDS)}" in roomy, "with EDNS it fits a datagram"


def test_what_the_server_does_not_do(lab: LiveLab) -> None:
    stranger = dig(lab, "outside", "A", "www.example.org")
    assert "status: NXDOMAIN" in stranger and " aa" not in stranger, "outside its zones it knows nothing"
    assert "status: NOTIMP" in dig(lab, "outside", "+opcode=status", "A", "expe.example.com")
    none = dig(lab, "outside", "AAAA", "expe.example.com")
    assert "status: NOERROR" in none and "ANSWER: 0, AUTHORITY: 1" in none
    assert "; Transfer failed." in dig(lab, "outside", "AXFR", "example.com")
