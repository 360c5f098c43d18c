"""TLS from C to the servers behind it: what C verifies, logs and presents."""

from __future__ import annotations

import pytest

from edgesim.node import Node
from tests.servers.expressway_lab import PUB, SUB, EdgeLab, Stub, plain, run, stub
from tests.servers.inside_web import VERSION, photos


@pytest.mark.parametrize(
    ("release", "mode", "origin", "status"),
    [
        ("X14.2", False, True, 502),
        ("X14.2", False, False, 200),
        ("X14.2", True, False, 502),
        ("X14.0.2", False, True, 200),
        ("X14.0.2", True, True, 502),
    ],
)
def test_c_verifies_the_servers_behind_it_in_tls_verify_mode_and_from_x14_2_on_without_it(
    release: str, mode: bool, origin: bool, status: int
) -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        answer = await lab.proxied(f"https://{SUB}:6972/CSFALICE.cnf.xml", cookie)
        assert answer.status == status
        if status == 502:
            assert answer.reason == "connect failed"
            assert "SSL connection failed" in lab.entries("note", "expc")[-1].event.as_json()["text"]
            tries = [entry.at_ns for entry in lab.entries("tls.failed", "expc")]
            assert len(tries) == 2
            assert 0.01 <= (tries[1] - tries[0]) / 1e9 < 0.1

    run(
        main,
        changes={
            "expressway_c.0.release": release,
            "mra.tls_verify_unified_cm": mode,
            "mra.verify_origin_server": origin,
            "certificates": ({"host": "ucm-sub", "service": "tomcat", "names": ("other.inside.example.com",)},),
        },
        builds={"ucm-sub": stub(lambda _: plain(), 6972)},
    )


TRUSTED = ("enterprise", "enterprise-issuing", "public", "public-issuing")
CORE = f"WARNING: Core server certificate verification failed for ({SUB}). Action=Terminate Error="


@pytest.mark.parametrize(
    ("certificate", "warning"),
    [
        ({"names": ("other.inside.example.com",)}, f"WARNING: SNI ({SUB}) not in certificate. Action=Terminate "),
        ({"signed_by": "self-signed"}, CORE + "self signed certificate "),
        ({"signed_by": "private"}, CORE + "unable to get local issuer certificate "),
    ],
)
def test_c_logs_what_it_does_not_accept_of_a_server(certificate: dict[str, object], warning: str) -> None:
    async def main(lab: EdgeLab) -> None:
        answer = await lab.proxied(f"https://{SUB}:6972/CSFALICE.cnf.xml", await lab.cookie())
        assert (answer.status, answer.reason) == (502, "connect failed")
        reported, then = [entry.event.as_json()["text"] for entry in lab.entries("note", "expc")[-2:]]
        end = "" if "SNI" in warning else " depth=0"
        assert reported == f"{warning}server={SUB}(10.0.40.12){end}"
        assert f"SSL connection failed for '{SUB}'" in then

    changes = {
        "certificates": ({"host": "ucm-sub", "service": "tomcat", **certificate},),
        "trust": ({"host": "expc", "store": "trusted-ca", "holds": TRUSTED},),
    }
    run(main, changes=changes, builds={"ucm-sub": stub(lambda _: plain(), 6972)})


@pytest.mark.parametrize(("release", "shown"), [("X14.0.2", True), ("X12.7", False)])
def test_c_shows_its_certificate_where_a_server_asks(release: str, shown: bool) -> None:
    async def main(lab: EdgeLab) -> None:
        answer = await lab.proxied(f"https://{SUB}:6972/CSFALICE.cnf.xml", await lab.cookie())
        assert answer.status == 200
        (request,) = photos(lab).requests
        assert (request.peer_certificate is not None) is shown

    async def asking(node: Node) -> Stub:
        return await Stub(node, lambda _: plain(), (6972,)).start(trust=node.trusts["tomcat-trust"], ask_client=True)

    run(main, changes={"expressway_c.0.release": release}, builds={"ucm-sub": asking})


def test_a_unified_cm_that_does_not_trust_c_serves_it_no_files() -> None:
    async def main(lab: EdgeLab) -> None:
        cookie = await lab.cookie()
        assert (await lab.proxied(VERSION, cookie)).status == 200
        assert (await lab.proxied(f"https://{PUB}:6972/CSFALICE.cnf.xml", cookie)).status == 502
        note = lab.entries("note", "expc")[-1].event.as_json()["text"]
        assert f"SSL connection failed for '{PUB}'" in note
        assert "unknown ca" in note.lower()

    stores = tuple(
        {"host": "ucm-pub", "store": store, "holds": ("public",)} for store in ("tomcat-trust", "callmanager-trust")
    )
    run(main, changes={"trust": stores})
