"""The documentation page about ports, made from the tables that rules and scenarios use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edgesim.deployment.flows import KINDS, ROLES, FlowKind, Numbers, kind, ports_text
from edgesim.readiness.port_matrix import ROWS, Row, Service

HEAD = """\
# Ports

<!-- Written by docs/generate.py. -->

All traffic that may have to pass a firewall, and what happens when one port is closed. `edgesim ports` prints the list,
`edgesim ports lab.yaml` evaluates a deployment's firewalls, and `edgesim check` says what a client will see.

```console
$ edgesim ports lab.yaml --blocked       # which documented flows are blocked, by which rule; exit code 1 if required
$ edgesim ports lab.yaml --diagram       # zones, firewalls, and what crosses each of them
```

## The documented flows

A firewall before Expressway-C needs no inward rule: C opens every connection, and E answers. E's own firewall needs
four openings for clients.
"""

MATRIX = """
## One port closed

One documented port of the two firewalls is closed before anything starts; then a client outside signs in. The cells are
data (`edgesim.readiness.port_matrix`): the rules of `edgesim check` predict them, and a scenario for each port
(`scenarios/ports/closed_ports.py`) asserts every cell.
"""

DURING = """
*Not reached*: the client never tries it, because an earlier service failed.

## A port that closes during a run

Firewalls keep state, so a changed rule stops only new flows.

| closed | signed-in users | new sign-ins |
|---|---|---|
| TCP 8443, outside | phone and chat work, registrations are refreshed on the open connection | no answer from E:8443 |
| TCP 5061, outside | phone and chat work | sign-in and chat work, registration does not |
| TCP 5222, outside | phone and chat work | sign-in and registration work, chat does not |
| UDP 36002-59999, outside | existing media flows continue | new media is lost |
| every internal port | all works: C's links stay up, and its keep-alives keep the pinholes for media open | the same |
| and then Expressway-C restarts | phone and chat are lost: no link comes up again | 502 Next Hop Connection Failed |

After the restart media still passes for a while: C uses the same ports again, and the firewall still has the state of
that flow.

## Media without a call

`mra.media_probe: {to: inside-1}` configures one channel: from a client to E's first media ports, over the multiplexed
ports to C, and on to UDP 20000 and 20001 of an inside host. In a scenario `await lab.media_path(alice)` opens both
ends. C opens the path with a keep-alive, repeats it at the interval of the traversal zone's probes, and the journal
says when the path is open or failed; packets are reported as flows (`MediaFlow`) only. What Expressways put on the
multiplexed ports is not public: here each datagram begins with its channel's number, as in ITU-T H.460.19.
"""


def page() -> str:
    """Return the page."""
    return "\n".join((HEAD, *_flows(), MATRIX, *_matrix(), DURING)).rstrip("\n") + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _flows() -> Iterable[str]:
    rows = [
        (
            ROLES[each.source],
            ROLES[each.target],
            f"{each.protocol.upper()} {_numbers(each)}",
            ports_text(each.source_ports(Numbers.of())) if each.source_ports else "any",
            each.carries + ("" if each.required else " (optional)"),
            ", ".join(each.rows) or each.document,
        )
        for each in KINDS
    ]
    return _table(("from", "to", "ports", "source ports", "carries", "documented"), rows)


def _numbers(each: FlowKind) -> str:
    usual, large = (ports_text(each.ports(Numbers.of(size=size))) for size in ("medium", "large"))
    return usual if usual == large else f"{usual}; large system: {large}"


def _matrix() -> Iterable[str]:
    header = ("closed", *(service.value for service in Service), "between C and E")
    return _table(header, (_line(row) for row in ROWS))


def _line(row: Row) -> tuple[str, ...]:
    each = kind(row.flow)
    way = "client to E" if each.source == "client" else "C to E"
    cells = (row.cell(service) for service in Service)
    texts = (cell.text if cell.works or not cell.reached else f"**{cell.text}**" for cell in cells)
    return (f"{way}, {each.protocol.upper()} {_numbers(each)}", *texts, row.link_text or "all links stay up")
