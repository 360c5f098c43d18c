"""The secure port of a Unified CM node: which certificates it takes, and what a mismatch of names leads to."""

from __future__ import annotations

import pytest

from edgesim.journal import events
from edgesim.pki import TrustStore, client_context
from tests.servers.unified_cm_lab import PUB, Lab, run
from tests.servers.unified_cm_line import SECURE, Line, contact, register


def test_an_encrypted_device_registers_over_tls_with_its_profile_in_the_certificate() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect("tls", 5061, client_context(lab.trust, identity=lab.identity))
        assert (await line.ask(register())).status == 200
        other = await line.ask(register(1, value=contact("CSFBOB"), line="1002", call_id="bob"))
        assert other.status == 403
        plain = await Line(lab).connect()
        assert (await plain.ask(register(1, call_id="plain"))).status == 403
        await line.close()
        await plain.close()

    run(main, changes=SECURE, c_names=("jabber.secure.example.com",))


def test_without_the_profile_in_the_certificate_the_connection_ends() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect("tls", 5061, client_context(lab.trust, identity=lab.identity))
        with pytest.raises(ConnectionError):
            await line.ask(register())
        (note,) = [entry.event for entry in lab.entries("note")]
        assert isinstance(note, events.Note)
        assert note.text == (
            "TLS InvalidX509NameInCertificate, Rcvd=expc.inside.example.com, Expected=jabber.secure.example.com"
        )
        assert lab.entries("sip.registered") == []
        await line.close()

    run(main, changes=SECURE)


def test_the_name_mismatch_may_be_answered_instead() -> None:
    async def main(lab: Lab) -> None:
        line = await Line(lab).connect("tls", 5061, client_context(lab.trust, identity=lab.identity))
        response = await line.ask(register())
        assert response.get("Warning") == f'399 {PUB} "TLS authentication failure"'
        await line.close()

    run(main, changes={**SECURE, "defaults.unified_cm.certificate_name_mismatch": "403"})


def test_the_secure_port_is_closed_unless_the_cluster_is_mixed() -> None:
    async def main(lab: Lab) -> None:
        line = Line(lab)
        with pytest.raises(ConnectionRefusedError):
            await line.connect("tls", 5061, client_context(lab.trust, identity=lab.identity))
        await line.close()

    run(main)


def test_the_secure_port_wants_a_certificate_that_callmanager_trust_knows() -> None:
    def nobody(name: str, held: TrustStore) -> TrustStore:
        return TrustStore.of(name) if name == "callmanager-trust" else held

    async def main(lab: Lab) -> None:
        line = await Line(lab).connect("tls", 5061, client_context(lab.trust, identity=lab.identity))
        with pytest.raises(ConnectionError):
            await line.ask(register())
        assert any("unknown ca" in repr(event).lower().replace("_", " ") for event in lab.happened)
        await line.close()

    run(main, changes=SECURE, trusts=nobody, c_names=("jabber.secure.example.com",))
