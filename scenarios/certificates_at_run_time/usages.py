"""Extended key usages: the certificates that an Expressway accepts, by release, and the effects of those in use."""

from __future__ import annotations

from typing import Any

from edgesim.scenario import (
    Authentication,
    CertificateUpload,
    HttpResponse,
    JabberUser,
    Lab,
    Matcher,
    Registered,
    Setting,
    SipResponse,
    SshTunnel,
    TlsRefused,
    TlsUp,
    ZoneState,
    containing,
    scenario,
    seconds,
)

SERVER_ONLY: dict[str, Any] = {"service": "server", "strips": ["client auth"]}
COPIED = {"host": "expc", "service": "client", "strips": ["client auth"]}
ACTIVE = containing("Active")
SWITCH, CHECKING = "expressway_e.0.server_eku_upload", "expressway_e.0.eku_checking"


def _on(release: str, *certificates: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return changes: both Expressways of a release, and certificates."""
    both = {"expressway_e.0.release": release, "expressway_c.0.release": release}
    return {**both, **({"certificates": list(certificates)} if certificates else {}), **more}


async def _server_only(lab: Lab, host: str, service: str = "server", **how: Any) -> bool:
    """Have a CA sign the host's request without clientAuth and upload the certificate; say whether it was taken."""
    csr = await lab.request(host, service)
    by = "public" if host == "expe" else "enterprise"
    return await lab.upload_certificate(host, await lab.sign(csr.pem, by=by, strip=["client auth"]), service, **how)


def _refused(host: str, store: str = "server") -> Matcher:
    return CertificateUpload(node=host, store=store, accepted=False, reason=containing("wants clientAuth"))


async def _signs_in(lab: Lab, alice: JabberUser) -> None:
    await lab.settle()
    await alice.sign_in()
    await lab.expect(Registered(device="CSFALICE"))


@scenario(
    shows="CERT-12",
    mutations=[Setting("expressway_c.0.release", "X15.5"), Setting("expressway_e.0.release", "X15.5")],
)
async def usage_stripped_by_the_ca(lab: Lab, alice: JabberUser) -> None:
    """The CA drops clientAuth from what was asked for: neither Expressway takes the certificate."""
    for host in ("expe", "expc"):
        async with lab.step(f"a CA whose template has server authentication only signs the request of {host}"):
            lab.check(not await _server_only(lab, host), f"{host} refuses it")
            await lab.expect(_refused(host))

    async with lab.step("both are restarted and go on with their old certificates"):
        await lab.restart("expe")
        await lab.restart("expc")
        await lab.expect(TlsUp(node="expe", peer="expc", port=7001), within=seconds(30))
        await _signs_in(lab, alice)


@scenario(shows="CERT-12", changes=_on("X15.4", **{SWITCH: True}), mutations=[Setting(SWITCH, False)])
async def server_only_certificate_on_x15_4(lab: Lab, alice: JabberUser) -> None:
    """X15.4: with EnableServerEkuUpload Expressway-E takes a server-only certificate, Expressway-C does not."""
    async with lab.step("server-only certificates for both"):
        lab.check(await _server_only(lab, "expe"), "Expressway-E takes it")
        lab.check(not await _server_only(lab, "expc"), "Expressway-C refuses it")
        await lab.expect(_refused("expc"))

    async with lab.step("Expressway-E is restarted and shows it: MRA works, Expressway-C takes it in SERVICE too"):
        await lab.restart("expe")
        await lab.expect(TlsUp(node="expc", peer="expe", port=7001), within=seconds(130))
        await _signs_in(lab, alice)


@scenario(shows="CERT-12", changes=_on("X15.5"), mutations=[Setting("expressway_c.0.release", "X15.4")])
async def two_certificate_stores(lab: Lab, alice: JabberUser) -> None:
    """X15.5: a server-only server certificate is fine, as client certificate it is refused unless it is copied."""
    async with lab.step("upload a server-only certificate as server certificate"):
        lab.check(await _server_only(lab, "expc"), "Expressway-C takes it as server certificate")
        await lab.expect(CertificateUpload(node="expc", store="server", accepted=True))

    async with lab.step("the same as client certificate"):
        lab.check(not await _server_only(lab, "expc", "client"), "refused")
        await lab.expect(_refused("expc", "client"))

    async with lab.step("'Upload server certificate file as client certificate' does not look at the usages"):
        lab.check(await lab.upload_certificate("expc", service="client", copied=True), "copied")
        await lab.expect(CertificateUpload(node="expc", store="client", accepted=True))

    async with lab.step("after the restart Expressway-E refuses it, no tunnel is built, and alice gets 502"):
        await lab.restart("expc")
        purpose = containing("unsuitable certificate purpose")
        await lab.expect(TlsRefused(node="expe", peer="expc", port=7001, reason=purpose), within=seconds(30))
        await lab.expect(ZoneState(node="expc", zone="UCTraversal", state=containing("Failed")))
        await lab.expect(SshTunnel(node="expc", state="failed", detail=containing("clientAuth")))
        await alice.sign_in()
        await lab.expect(HttpResponse(node=alice.machine, status=502))

    async with lab.step("a client certificate with clientAuth, and a restart"):
        csr = await lab.request("expc", "client")
        lab.check(await lab.upload_certificate("expc", await lab.sign(csr.pem), "client"), "Expressway-C takes it")
        await lab.restart("expc")
        await _signs_in(lab, alice)


@scenario(
    shows="CERT-12",
    changes=_on("X15.5", COPIED),
    breaks="CERT-12.usages",
    mutations=[Setting("certificates", []), Setting(CHECKING, False)],
)
async def server_only_client_certificate(lab: Lab, alice: JabberUser) -> None:
    """X15.5, Expressway-C's client certificate is server-only and Expressway-E checks: neither zone nor tunnels."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("CERT-12.usages")


@scenario(
    shows="CERT-12",
    changes=_on("X15.5", COPIED, **{CHECKING: False}),
    breaks="CERT-12.usages",
    mutations=[Setting("certificates", []), Setting(CHECKING, True)],
)
async def server_only_client_certificate_unchecked(lab: Lab, alice: JabberUser) -> None:
    """The same with ExtendedKeyUsage Checking Mode Off: the zone is active, the tunnels fail still, logins get 502."""
    async with lab.step("alice signs in"):
        lab.never(TlsRefused(port=7001))
        await alice.sign_in()
        await lab.symptom("CERT-12.usages")


@scenario(
    shows="CERT-12",
    changes=_on("X15.3", {"host": "expe", **SERVER_ONLY}),
    breaks="CERT-12.usages",
    mutations=[
        Setting("certificates", []),
        Setting("expressway_c.0.release", "X15.4"),
    ],
)
async def server_only_certificate_of_e(lab: Lab, alice: JabberUser) -> None:
    """Before X15.4, with a server-only certificate on Expressway-E, only SIP registration fails: SERVICE refuses it."""
    async with lab.step("alice signs in"):
        lab.never(Registered(device="CSFALICE"))
        await alice.sign_in()
        await lab.symptom("CERT-12.usages")
        await lab.expect(HttpResponse(node=alice.machine, status=200))
        await lab.expect(SipResponse(node=alice.machine, status=403, method="REGISTER"))


@scenario(
    shows="CERT-12",
    changes=_on("X14.3", {"host": "expc", **SERVER_ONLY}),
    breaks="CERT-12.usages",
    mutations=[Setting("certificates", [])],
)
async def server_only_certificate_of_c(lab: Lab, alice: JabberUser) -> None:
    """Before X15.4 a server-only certificate on Expressway-C: Expressway-E refuses the traversal zone."""
    async with lab.step("alice signs in"):
        lab.never(Registered(device="CSFALICE"))
        await alice.sign_in()
        await lab.symptom("CERT-12.usages")


OWN = {"host": "expc", "service": "client", "common_name": "client-of-expc.inside.example.com"}


@scenario(
    shows="CERT-12",
    changes=_on("X15.5", OWN, {"host": "expc", **SERVER_ONLY}),
    mutations=[Setting("certificates", [{"host": "expc", "service": "client"}])],
)
async def separate_client_certificate(lab: Lab, alice: JabberUser) -> None:
    """X15.5: Expressway-C presents its client certificate when it dials; the server certificate may be server-only."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"))
        lab.check(not lab.matches(Authentication(granted=False)), "nobody was refused")
    subject = OWN["common_name"]
    for host, port in (("expe", 7001), ("ucm-pub", 6972), ("imp-pub", 7400)):
        await lab.expect(TlsUp(node=host, peer="expc", port=port, peer_subject=subject))
