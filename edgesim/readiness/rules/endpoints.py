"""Rules about phones, room devices and other endpoints: MRA support, trust, and client certificates.

A phone or room device asks no user about a certificate: if it does not accept one, it aborts the handshake. Sources:
"MRA Deployment Guide X15.0, MRA Requirements and Prerequisites"; "Collaboration Edge TC-based Endpoints Configuration
Example" (Cisco 211304).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from edgesim.deployment import Deployment
from edgesim.deployment.device_models import DeviceType
from edgesim.deployment.features import gate
from edgesim.deployment.hosts import ClientHost, ExpresswayE
from edgesim.deployment.people import Device
from edgesim.deployment.phone_mode import named_tftp, stays_inside, unchecked
from edgesim.deployment.services import STORES
from edgesim.journal.matchers import (
    ClientState,
    DnsQuery,
    HttpRequest,
    HttpResponse,
    Matcher,
    SipRequest,
    TcpOpened,
    Test,
    TlsRefused,
    TlsUp,
    containing,
    one_of,
)
from edgesim.pki.names import first_match, qualified
from edgesim.readiness import asked, facts
from edgesim.readiness.chains import Chain, chain, contents, words
from edgesim.readiness.rule import Book, FieldPath, Finding, Prediction, Severity

book = Book()

BUILT_IN, CA_LIST = "built-in", "ca-list"
STORE_OF = {"phone": BUILT_IN, "room": CA_LIST}
"""The trust store with which each family verifies Expressway-E."""
NO_PROVISIONING = "no edge configuration, no registration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A client outside that is a phone or a room device."""

    index: int
    machine: ClientHost
    device: Device

    @property
    def name(self) -> str:
        """The host's name."""
        return self.machine.name

    @property
    def words(self) -> str:
        """The device in words: the host, with the model if the name does not include it."""
        return f"{self.name} ({self.device.type})"


def _endpoints(deployment: Deployment) -> tuple[Endpoint, ...]:
    """Return the phones and room devices outside."""
    outside = {spec.name for spec in facts.clients(deployment, outside=True)}
    return tuple(
        Endpoint(index=index, machine=machine, device=deployment.device(machine.device))
        for index, machine in enumerate(deployment.clients)
        if machine.name in outside and machine.device and machine.platform in STORE_OF
    )


def _mra_endpoints(deployment: Deployment) -> tuple[Endpoint, ...]:
    """Return those that try to sign in through the edge."""
    return tuple(each for each in _endpoints(deployment) if _fit(deployment, each) and _mode(each) is None)


def _fit(deployment: Deployment, endpoint: Endpoint) -> bool:
    fit = endpoint.device.unfit is None or deployment.defaults.client.unfit_device == "tries"
    return fit and stays_inside(deployment, endpoint.machine, endpoint.device) is None


def _mode(endpoint: Endpoint) -> str | None:
    """Return the provisioning mode of a room device if it is not MRA's."""
    mode = endpoint.machine.provisioning_mode
    return mode if endpoint.machine.platform == "room" and mode != "Edge" else None


def _any(endpoints: Iterable[Endpoint]) -> str | Test:
    names = [each.name for each in endpoints]
    return names[0] if len(names) == 1 else one_of(*names)


def _listed(endpoints: Iterable[Endpoint]) -> str:
    *rest, last = (each.words for each in endpoints)
    return f"{', '.join(rest)} and {last}" if rest else last


def _ignores_mra(endpoint: Endpoint, why: str) -> Prediction:
    """Predict that a device does not even look for the edge."""
    return Prediction(
        awaits=(ClientState(node=endpoint.name, outcome="none", detail=why),),
        never=(DnsQuery(peer=endpoint.name, name=containing("_collab-edge")), TcpOpened(node=endpoint.name)),
    )


# ---- models, firmware, provisioning


def _least(made: DeviceType) -> str | None:
    """Return the minimum release that MRA supports; None for an unsupported model."""
    found = gate(made.gate, made.software.product) if made.gate and not made.excluded else None
    return str(found.since) if found else None


@book.rule(
    "EP-04.minimum-release", requires="phones and room devices outside are of a model and release that support MRA"
)
def minimum_release(deployment: Deployment) -> Iterator[Finding]:
    """Firmware below the minimum of its series, and the unsupported models 8821, 8821-EX and 8831."""
    places = {each.name: index for index, each in enumerate(deployment.devices)}
    for endpoint in _endpoints(deployment):
        device = endpoint.device
        if device.unfit is None:
            continue
        least = _least(device.made)
        tries = deployment.defaults.client.unfit_device == "tries"
        yield Finding(
            at=("devices", places[device.name], "firmware" if least else "type"),
            what=f"{endpoint.name} is {device.name}: {device.unfit}",
            sees="unknown: the device is not supported"
            if tries
            else "the device does not offer sign-in through Expressway",
            fix=f"upgrade {device.name} to {least} or later, on premises"
            if least
            else f"give {device.owner or 'its user'} another model: no release of this one supports MRA",
            prediction=None if tries else _ignores_mra(endpoint, device.unfit),
        )


@book.rule(
    "EP-04.mra-mode", requires="nothing prevents phones of the 7800 and 8800 series outside from switching to MRA mode"
)
def mra_mode(deployment: Deployment) -> Iterator[Finding]:
    """A TFTP server from DHCP, and from X14.0 on *Allow Activation Code via MRA* not checked."""
    places = {each.name: index for index, each in enumerate(deployment.devices)}
    for endpoint in _endpoints(deployment):
        device, machine = endpoint.device, endpoint.machine
        reported, forbidden = named_tftp(deployment, machine, device), unchecked(deployment, device)
        if reported:
            yield Finding(
                at=("clients", endpoint.index, "dhcp_tftp_option"),
                what=f"{endpoint.words}: {reported}",
                sees="the phone tries that server and does not offer sign-in through Expressway",
                fix=f"remove the option from the DHCP server of the network that {endpoint.name} is in",
                prediction=None if device.unfit else _ignores_mra(endpoint, reported),
            )
        if forbidden:
            yield Finding(
                at=("devices", places[device.name], "activation_code_via_mra"),
                what=f"{endpoint.words} is {device.name}: {forbidden}",
                sees="the phone does not switch to MRA mode",
                fix=f"check Allow Activation Code via MRA on {device.name}",
                prediction=None if device.unfit or reported else _ignores_mra(endpoint, forbidden),
            )


@book.rule("EP-05.provisioning-mode", requires='room devices outside have provisioning mode "Cisco UCM via Expressway"')
def provisioning_mode(deployment: Deployment) -> Iterator[Finding]:
    """``xConfiguration Provisioning Mode: Edge``."""
    for endpoint in _endpoints(deployment):
        mode = _mode(endpoint)
        if mode is None or not _fit(deployment, endpoint):
            continue
        yield Finding(
            at=("clients", endpoint.index, "provisioning_mode"),
            what=f"{endpoint.words} has Provisioning Mode {mode}",
            sees="it never looks for the edge and is not provisioned",
            fix=f"set Provisioning Mode of {endpoint.name} to Edge (Cisco UCM via Expressway in its menus)",
            prediction=_ignores_mra(endpoint, f"Provisioning Mode is {mode}"),
        )


@book.rule("EP-05.uds-server", requires="the user of a room device outside has a UC service profile")
def uds_server(deployment: Deployment) -> Iterator[Finding]:
    """Without it the edge configuration has no UDS server, which room devices require."""
    places = {each.id: index for index, each in enumerate(deployment.users)}
    for endpoint in _mra_endpoints(deployment):
        owner = endpoint.device.owner
        if endpoint.machine.platform != "room" or owner is None or deployment.user(owner).service_profile:
            continue
        edges, retry = facts.edges(deployment), deployment.defaults.client.room_retry_s
        empty = containing("<userUdsServer><server><address></address>")
        reported = ClientState(
            node=endpoint.name, outcome="failed", detail=containing("didnt contain UDS server addres")
        )
        sound = _arrives(deployment, endpoint)
        yield Finding(
            at=("users", places[owner], "service_profile"),
            what=f"{owner}, user of {endpoint.words}, has no UC service profile",
            sees="the edge configuration comes with 200 but names no UDS server; the device retries every "
            f"{retry:g} s and never registers",
            fix=f"give {owner} a UC service profile on Unified CM (End User Management), or set one as the default",
            prediction=Prediction(
                awaits=(HttpResponse(node=endpoint.name, peer=edges, status=200, payload=empty), reported),
                never=(SipRequest(node=edges, peer=endpoint.name),),
            )
            if sound
            else None,
        )


# ---- Expressway-E's certificate, as devices verify it


def _chain(deployment: Deployment, edge: ExpresswayE, endpoint: Endpoint) -> Chain:
    return chain(deployment, (edge.name, "server"), (endpoint.name, STORE_OF[endpoint.machine.platform]))


def _wanted(deployment: Deployment) -> tuple[str, ...]:
    """Return the names of which devices require one in the SAN."""
    return tuple(name.format(domain=deployment.domains.edge) for name in deployment.defaults.client.edge_names)


def _named(deployment: Deployment, edge: ExpresswayE) -> bool:
    """Return whether the SAN of an Expressway-E has the edge domain in one of its forms."""
    names = deployment.certificate(edge.name, "server").names
    return first_match(map(qualified, _wanted(deployment)), map(qualified, names)) is not None


def _accepts(deployment: Deployment, edge: ExpresswayE, endpoint: Endpoint) -> bool:
    return _chain(deployment, edge, endpoint).good and _named(deployment, edge)


def _arrives(deployment: Deployment, endpoint: Endpoint) -> bool:
    """Return whether a device accepts every Expressway-E, and so gets a response."""
    return all(_accepts(deployment, edge, endpoint) for edge in deployment.expressway_e)


def _refuses(
    deployment: Deployment, edge: ExpresswayE, endpoints: tuple[Endpoint, ...], alert: str
) -> Prediction | None:
    """Predict that devices abort the handshake with an Expressway-E. None if another one works for them: which they try
    first depends on the weights of SRV records.
    """
    if any(_accepts(deployment, other, each) for other in deployment.expressway_e for each in endpoints):
        return None
    port, devices = deployment.defaults.ports.edge_https, _any(endpoints)
    awaits: list[Matcher] = [TlsRefused(node=edge.name, peer=devices, port=port, alert=alert)]
    return Prediction(awaits=tuple(awaits), never=(HttpRequest(node=facts.edges(deployment), peer=devices),))


def _strangers(deployment: Deployment, platform: str) -> Iterator[tuple[ExpresswayE, Chain, tuple[Endpoint, ...]]]:
    """Yield each Expressway-E with the devices that cannot build its chain, grouped by what they lack."""
    for edge in deployment.expressway_e:
        found: dict[tuple[str, ...], tuple[Chain, tuple[Endpoint, ...]]] = {}
        for endpoint in _mra_endpoints(deployment):
            checked = _chain(deployment, edge, endpoint)
            if endpoint.machine.platform == platform and not checked.good:
                _, others = found.get(checked.missing, (checked, ()))
                found[checked.missing] = (checked, (*others, endpoint))
        for checked, endpoints in found.values():
            yield edge, checked, endpoints


@book.rule("EP-06.ca-list", requires="the CA list of room devices outside has the CA of Expressway-E's certificate")
def ca_list(deployment: Deployment) -> Iterator[Finding]:
    """A list with common public CAs, which an administrator can extend."""
    retry = deployment.defaults.client.room_retry_s
    for edge, found, endpoints in _strangers(deployment, "room"):
        prediction = _refuses(deployment, edge, endpoints, "unknown ca")
        if prediction is not None:
            reported = ClientState(node=_any(endpoints), outcome="failed", detail=containing("given CA certificates"))
            prediction = Prediction(awaits=(*prediction.awaits, reported), never=prediction.never)
        own = deployment.place_of_trust_store(endpoints[0].name, CA_LIST)
        yield Finding(
            at=own if own[0] == "trust" else deployment.place_of_certificate(edge.name, "server"),
            what=f"the CA list of {_listed(endpoints)} lacks {found.words}, needed for the certificate of {edge.name}",
            sees=f"the device ends the TLS handshake with the alert unknown CA and tries again every {retry:g} s: "
            f"{NO_PROVISIONING}",
            fix=f"add {found.words} to the CA list of each device, or {_by_public_ca(edge, found)}",
            prediction=prediction,
        )


@book.rule("EP-08.built-in-list", requires="Expressway-E's certificate chains to a CA in the fixed list of phones")
def built_in_list(deployment: Deployment) -> Iterator[Finding]:
    """The CA list of 7800 and 8800 phones and of DX with Android is built into the firmware and cannot be extended."""
    for edge, found, endpoints in _strangers(deployment, "phone"):
        yield Finding(
            at=deployment.place_of_certificate(edge.name, "server"),
            what=f"the list built into {_listed(endpoints)} lacks {found.words}, needed for the certificate of "
            f"{edge.name}",
            sees="the phone ends the TLS handshake with the alert unknown CA, and displays no reason: "
            f"{NO_PROVISIONING}",
            fix=f"{_by_public_ca(edge, found)}: nothing can be added to the phones' list",
            prediction=_refuses(deployment, edge, endpoints, "unknown ca"),
        )


def _by_public_ca(edge: ExpresswayE, found: Chain) -> str:
    if found.lacks_root:
        return f"have a public CA sign the certificate of {edge.name}"
    return f"have {edge.name} send {found.words} with its certificate"


@book.rule(
    "EP-08.trusted-by-e",
    requires="Expressway-E also trusts the CA of its own certificate where phones with a fixed CA list connect",
    severity=Severity.WARNING,
)
def trusted_by_e(deployment: Deployment) -> Iterator[Finding]:
    """One CA trusted by phones, Expressway-C and Expressway-E; what Expressway-C lacks is CERT-04's subject."""
    phones = [each for each in _mra_endpoints(deployment) if each.machine.platform == "phone"]
    for edge in deployment.expressway_e if phones else ():
        found = chain(deployment, (edge.name, "server"), (edge.name, "trusted-ca"))
        if not found.good:
            yield Finding(
                at=deployment.place_of_trust_store(edge.name, "trusted-ca"),
                what=f"the trusted CA list of {edge.name} lacks {found.words}, needed for its own certificate",
                sees="nothing by itself, but both Expressways must trust that CA where devices with a fixed CA list "
                f"connect ({_listed(phones)})",
                fix=f"append it to the trusted CA list of {edge.name}, and restart",
            )


@book.rule(
    "CERT-11.edge-domain",
    requires="for phones and room devices the SAN of Expressway-E contains the edge domain or its _collab-edge SRV "
    "name",
)
def edge_domain(deployment: Deployment) -> Iterator[Finding]:
    """Unified CM registration domains, which Expressway's CSR page offers as DNS or CollabEdgeDNS."""
    devices, domain = _mra_endpoints(deployment), deployment.domains.edge
    found = asked.targets(deployment, "outside", f"_collab-edge._tls.{domain}")
    for edge in deployment.expressway_e if devices else ():
        if _named(deployment, edge):
            continue
        known = tuple(each for each in devices if _chain(deployment, edge, each).good)
        valid = deployment.certificate(edge.name, "server").validity == "valid"
        yield Finding(
            at=deployment.place_of_certificate(edge.name, "server"),
            what=f"the SAN of {edge.name} contains neither {' nor '.join(_wanted(deployment))}: {_listed(devices)} "
            f"{'sign' if len(devices) > 1 else 'signs'} in with this domain",
            sees="the device ends the TLS handshake with the alert bad certificate, although it trusts the CA: "
            f"{NO_PROVISIONING}. Jabber prompts its user",
            fix=f"create a new CSR on {edge.name} with {domain} as a Unified CM registration domain, and have it "
            "signed",
            prediction=_refuses(deployment, edge, known, "bad certificate") if known and valid and found else None,
        )


# ---- client certificates


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A client outside with a certificate of its own."""

    machine: ClientHost
    at: FieldPath
    trying: bool
    """Whether it gets so far as to present it."""


def _with_certificates(deployment: Deployment) -> Iterator[Shown]:
    coming = {each.name for each in _mra_endpoints(deployment) if _arrives(deployment, each)}
    coming |= {
        each.name
        for each in deployment.clients
        if each.platform not in STORE_OF and _trusted_by_jabber(deployment, each)
    }
    outside = {spec.name for spec in facts.clients(deployment, outside=True)}
    for machine in deployment.clients:
        if machine.name in outside and any(
            each.service == "client" for each in deployment.certificates_of(machine.name)
        ):
            yield Shown(
                machine=machine,
                at=deployment.place_of_certificate(machine.name, "client"),
                trying=machine.name in coming,
            )


def _trusted_by_jabber(deployment: Deployment, machine: ClientHost) -> bool:
    return all(
        chain(deployment, (edge.name, "server"), (machine.name, "system")).good for edge in deployment.expressway_e
    )


@book.rule(
    "CERT-15.client-certificate",
    requires="with activation-code onboarding, Expressway-E's list for mutual TLS contains the CAs of clients' "
    "certificates",
    rows=("CERT-15", "EP-07"),
)
def client_certificate(deployment: Deployment) -> Iterator[Finding]:
    """A client without a certificate is admitted; one with a certificate that does not verify is not."""
    if not deployment.mra.access.activation_code_onboarding:
        return
    port = deployment.defaults.ports.edge_https
    for edge in deployment.expressway_e:
        for shown in _with_certificates(deployment):
            name = shown.machine.name
            found = chain(deployment, (name, "client"), (edge.name, "activation-code"))
            if found.good:
                continue
            by_hand = " (manually on a room device: CAPF does not reach it here)"
            yield Finding(
                at=shown.at,
                what=f"the activation-code onboarding list of {edge.name} lacks {found.words}, needed for the client "
                f"certificate of {name}",
                sees=f"{edge.name} refuses it on {port} with the alert unknown CA; without a certificate the client "
                "would be accepted",
                fix=f"append it to that list on {edge.name}, or install a certificate from another CA"
                + (by_hand if shown.machine.platform == "room" else ""),
                prediction=Prediction(
                    awaits=(
                        TlsRefused(node=edge.name, peer=name, port=port, role="server"),
                        TlsRefused(node=name, peer=edge.name, port=port, alert="unknown ca"),
                    ),
                    never=(HttpRequest(node=facts.edges(deployment), peer=name),),
                )
                if shown.trying and _by_all(deployment, name)
                else None,
            )


def _by_all(deployment: Deployment, name: str) -> bool:
    """Return whether every Expressway-E refuses a client's certificate."""
    return not any(
        chain(deployment, (name, "client"), (edge.name, "activation-code")).good for edge in deployment.expressway_e
    )


@book.rule(
    "CERT-15.without-onboarding",
    requires="clients' certificates, and the list for them, are used only with activation-code onboarding",
    severity=Severity.ADVICE,
    rows=("CERT-15", "EP-07"),
)
def without_onboarding(deployment: Deployment) -> Iterator[Finding]:
    """No certificate is requested: neither the clients' certificates nor additions to the list matter."""
    if deployment.mra.access.activation_code_onboarding:
        return
    sees = "nothing: clients are accepted without a certificate"
    fix = "if mutual TLS is wanted, allow activation code onboarding over MRA: E then asks every client for one"
    port, edges = deployment.defaults.ports.edge_https, facts.edges(deployment)
    for shown in _with_certificates(deployment):
        unseen = TlsUp(node=edges, peer=shown.machine.name, port=port, peer_subject=None)
        yield Finding(
            at=shown.at,
            what=f"{shown.machine.name} has a client certificate, but Expressway-E does not ask for it",
            sees=sees,
            fix=fix,
            prediction=Prediction(awaits=(unseen,)) if shown.trying else None,
        )
    usual = STORES["expressway_e"]["activation-code"]
    for edge in deployment.expressway_e:
        more = [each for each in contents(deployment.trust_store(edge.name, "activation-code")) if each not in usual]
        if more:
            yield Finding(
                at=deployment.place_of_trust_store(edge.name, "activation-code"),
                what=f"the activation-code onboarding list of {edge.name} contains "
                f"{' and '.join(map(words, more))}, but Expressway-E does not use the list",
                sees=sees,
                fix=fix,
            )
