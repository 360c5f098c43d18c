"""The CSR tool offers the names for the features in use: chat node aliases once IM and Presence was discovered."""

from __future__ import annotations

from cryptography import x509

from edgesim.scenario import Discovery, Lab, Setting, scenario, seconds

FEDERATED = [{"name": "example.com", "xmpp_federation": True}]
ALIASES = {"im_presence.0.chat_aliases": ["rooms.example.com"]}
CORE, EDGE = "expc.inside.example.com", "expe.example.com"
XMPP_ADDRESS = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")


def _names(pem: str) -> x509.SubjectAlternativeName:
    """Return the SAN of a request, as any CA reads it."""
    csr = x509.load_pem_x509_csr(pem.encode())
    assert csr.is_signature_valid
    return csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def _dns(pem: str) -> list[str]:
    return _names(pem).get_values_for_type(x509.DNSName)


@scenario(
    shows="CERT-13",
    changes={"domains.enabled": FEDERATED, **ALIASES},
    without=["imp-pub"],
    mutations=[Setting("domains.enabled", [{"name": "example.com"}]), Setting("im_presence.0.chat_aliases", [])],
)
async def request_before_and_after_discovery(lab: Lab) -> None:
    """Federated group chat: the CSR of Expressway-C has chat node aliases once it knows the IM and Presence servers."""
    await lab.expect(Discovery(node="expc", product="Unified CM", state="active"))
    async with lab.step("IM and Presence is down: Expressway-C does not know it"):
        lab.check(_dns((await lab.request("expc")).pem) == [CORE], "the CSR has the FQDN alone")

    async with lab.step("IM and Presence starts; Expressway-C discovers it"):
        await lab.start("imp-pub")
        await lab.expect(Discovery(node="expc", product="IM and Presence", state="active"), within=seconds(600))
        made = await lab.request("expc")
        lab.check(_dns(made.pem) == [CORE, "rooms.example.com"], "the CSR has the alias, as a DNS name")
        reasons = dict(made.names)
        lab.check("chat node alias" in reasons["DNS:rooms.example.com"], "and says why")

    async with lab.step("an administrator copies it into the CSR of Expressway-E, beside the domain of the edge"):
        made = await lab.request("expe")
        wanted = ["example.com", "rooms.example.com"]
        lab.check([name for name in _dns(made.pem) if name in wanted] == wanted, "both are there")


@scenario(shows="CERT-13", changes=ALIASES, mutations=[Setting("domains.enabled", FEDERATED)])
async def request_without_group_chat(lab: Lab) -> None:
    """Without federation no chat node alias is in the CSR, even after discovery."""
    await lab.expect(Discovery(node="expc", product="IM and Presence", state="active"))
    async with lab.step("the features in use want no name but the FQDN"):
        lab.check(_dns((await lab.request("expc")).pem) == [CORE], "the CSR has the FQDN alone")


@scenario(
    shows="CERT-13",
    changes={
        "domains.enabled": FEDERATED,
        **ALIASES,
        "certificates": [{"host": "expc", "service": "server", "chat_alias_form": "XMPPAddress"}],
    },
    breaks="CERT-13.alias-form",
    mutations=[Setting("certificates", [])],
)
async def aliases_as_xmpp_addresses(lab: Lab) -> None:
    """Aliases in the form XMPPAddress: the CSR has them as other names, which no TLS peer takes for a host's name."""
    await lab.expect(Discovery(node="expc", product="IM and Presence", state="active"))
    async with lab.step("generate the CSR"):
        pem = (await lab.request("expc")).pem
        others = _names(pem).get_values_for_type(x509.OtherName)
        lab.check([each.type_id for each in others] == [XMPP_ADDRESS], "an XMPP address (RFC 6120, 13.7.1.4)")
        lab.check(others[0].value.endswith(b"rooms.example.com"), "the alias")
        lab.check("rooms.example.com" not in _dns(pem), "no DNS name for it")
