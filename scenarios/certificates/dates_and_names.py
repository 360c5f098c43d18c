"""Certificates that every verifier refuses, whatever CA signed them: out of date, or for another host."""

from __future__ import annotations

from edgesim.scenario import HttpRequest, JabberUser, Lab, Registered, Setting, TlsRefused, scenario


@scenario(
    shows="CERT-16",
    changes={"certificates": [{"host": "expe", "service": "server", "validity": "expired"}]},
    breaks="CERT-16.validity",
    mutations=[Setting("certificates", [])],
)
async def expired_certificate_of_e(lab: Lab, alice: JabberUser) -> None:
    """E's certificate has expired: Jabber and Expressway-C refuse it with the same alert."""
    lab.never(Registered(device="CSFALICE"))
    lab.never(HttpRequest(node="expe", peer=alice.machine))
    async with lab.step("alice signs in, and does not accept the certificate"):
        await alice.sign_in()
        await lab.symptom("CERT-16.validity")
        await lab.expect(TlsRefused(node="expe", peer=alice.machine, port=8443, alert="certificate expired"))


@scenario(
    shows="CERT-16",
    changes={"certificates": [{"host": "expe", "service": "server", "names": ["example.com", "other.example.com"]}]},
    breaks="CERT-16.host-name",
    mutations=[Setting("certificates", [])],
)
async def certificate_of_e_for_another_host(lab: Lab, alice: JabberUser) -> None:
    """E's certificate lacks E's own name: neither Jabber nor Expressway-C takes it for E's."""
    lab.never(Registered(device="CSFALICE"))
    lab.never(HttpRequest(node="expe", peer=alice.machine))
    async with lab.step("alice signs in, and does not accept the certificate"):
        await alice.sign_in()
        await lab.symptom("CERT-16.host-name")
