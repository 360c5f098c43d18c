"""Which host presents which certificate on which port, and which trust store needs its issuer.

Source: MRA Deployment Guide, "Certificate Requirements"; Cisco, "Configure and Troubleshoot Collaboration Edge (MRA)
Certificates (213872)".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edgesim.deployment.features import gate
from edgesim.deployment.hosts import ClientHost, Expressway, ExpresswayC, ExpresswayE, HostSpec
from edgesim.deployment.model import Deployment
from edgesim.deployment.releases import Product
from edgesim.deployment.services import stores_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """One leg of TLS as one side sees it: ``host`` shows the certificate of ``service`` to ``to``, which looks into
    ``store`` (None: it does not verify). ``at`` is the host that listens on ``port``: ``host`` itself where it serves.
    """

    host: str
    service: str
    at: str
    port: int
    protocol: str
    to: str
    store: str | None

    @property
    def side(self) -> Literal["server", "client"]:
        """Which side of TLS shows the certificate."""
        return "server" if self.at == self.host else "client"


def presentations(deployment: Deployment) -> tuple[Presentation, ...]:
    """Return every leg on which a certificate is shown for Mobile and Remote Access, in the certificates' order."""
    found = list(_Legs(deployment).all())
    order = {(each.host, each.service): place for place, each in enumerate(deployment.certificates)}
    return tuple(sorted(found, key=lambda each: (order[each.host, each.service], each.side == "client", each.port)))


class _Legs:
    def __init__(self, deployment: Deployment) -> None:
        self.lab = deployment
        self.ports = deployment.defaults.ports
        specs = deployment.host_specs()
        self.edges = [spec for spec in specs if isinstance(spec.spec, ExpresswayE)]
        self.cores = [spec for spec in specs if isinstance(spec.spec, ExpresswayC)]
        self.clients = [(spec, spec.spec) for spec in specs if isinstance(spec.spec, ClientHost)]
        self.shown = {(each.host, each.service) for each in deployment.certificates}

    def all(self) -> Iterator[Presentation]:
        for edge in self.edges:
            yield from self._outside(edge)
            for core in self.cores:
                yield from self._zone(core, edge)
        for core in self.cores:
            yield from self._unified_cm(core)
            yield from self._im_presence(core)
        for client, machine in self.clients:
            if client.view == "inside" and machine.jabber_platform is not None:
                yield from self._inside(client)

    def _outside(self, edge: HostSpec) -> Iterator[Presentation]:
        legs = ((self.ports.edge_https, "HTTPS"), (self.ports.edge_sip, "SIP"), (self.ports.edge_xmpp, "XMPP"))
        for client, machine in self.clients:
            if client.view != "outside":
                continue
            (store,) = stores_of("client", machine.platform)
            for port, protocol in legs:
                yield self._leg(edge.name, "server", edge.name, port, protocol, client.name, store)
            if (client.name, "client") in self.shown:
                onboarding = self.lab.mra.access.activation_code_onboarding
                if onboarding:
                    port = self.ports.edge_https
                    yield self._leg(client.name, "client", edge.name, port, "HTTPS", edge.name, "activation-code")
                yield self._leg(client.name, "client", edge.name, self.ports.edge_sip, "SIP", edge.name, "trusted-ca")

    def _zone(self, core: HostSpec, edge: HostSpec) -> Iterator[Presentation]:
        for port, protocol in ((self.lab.traversal_zone.port, "SIP"), (self.lab.xcp_link.port, "XCP")):
            store = "trusted-ca" if protocol == "SIP" or self.lab.xcp_link.enable_cvs else None
            yield self._leg(edge.name, "server", edge.name, port, protocol, core.name, store)
            yield self._leg(core.name, self._own(core), edge.name, port, protocol, edge.name, "trusted-ca")

    def _unified_cm(self, core: HostSpec) -> Iterator[Presentation]:
        lab, ports = self.lab, self.ports
        assert isinstance(core.spec, Expressway)
        sip_store = "trusted-ca" if lab.mra.tls_verify_unified_cm else None
        verifies = self._proxy_store(core.spec, lab.mra.tls_verify_unified_cm)
        shows = _has("proxy presents its certificate", core.spec)
        for cluster in lab.unified_cm:
            if cluster.name not in lab.mra.unified_cm_clusters:
                continue
            for node in cluster.nodes:
                yield self._leg(node.name, "tomcat", node.name, ports.uds, "HTTPS", core.name, verifies)
                files = (ports.headset_https, ports.configuration_https) if node.name in cluster.tftp else ()
                for port in files:
                    yield self._leg(node.name, "callmanager", node.name, port, "HTTPS", core.name, verifies)
                    for store in ("tomcat-trust", "callmanager-trust") if shows else ():
                        yield self._leg(core.name, self._own(core), node.name, port, "HTTPS", node.name, store)
                sip = [(ports.sip_tls, "callmanager", "callmanager-trust")] if cluster.mixed_mode else []
                sip += [(ports.sip_oauth_mra, "tomcat", "tomcat-trust")] if cluster.sip_oauth else []
                for port, service, store in sip:
                    yield self._leg(node.name, service, node.name, port, "SIP", core.name, sip_store)
                    yield self._leg(core.name, self._own(core), node.name, port, "SIP", node.name, store)

    def _im_presence(self, core: HostSpec) -> Iterator[Presentation]:
        lab, ports = self.lab, self.ports
        assert isinstance(core.spec, Expressway)
        verifies = self._proxy_store(core.spec, lab.mra.tls_verify_im_presence)
        for chat in lab.im_presence:
            if chat.name not in lab.mra.im_presence_clusters:
                continue
            for node in chat.nodes:
                yield self._leg(node.name, "tomcat", node.name, ports.soap, "HTTPS", core.name, verifies)
                port = ports.im_presence_xmpp
                yield self._leg(node.name, "cup-xmpp", node.name, port, "XCP", core.name, "trusted-ca")
                yield self._leg(core.name, self._own(core), node.name, port, "XCP", node.name, "cup-xmpp-trust")

    def _inside(self, client: HostSpec) -> Iterator[Presentation]:
        for node in self.lab.unified_cm_nodes:
            yield self._leg(node.name, "tomcat", node.name, self.ports.uds, "HTTPS", client.name, "system")
        for chat in self.lab.im_presence_nodes:
            yield self._leg(chat.name, "tomcat", chat.name, self.ports.soap, "HTTPS", client.name, "system")
            port = self.ports.im_presence_client
            yield self._leg(chat.name, "cup-xmpp", chat.name, port, "XMPP", client.name, "system")

    def _proxy_store(self, core: Expressway, verify: bool) -> str | None:
        # From X14.2 on the proxy verifies whatever TLS verify mode says, unless the command line says otherwise.
        always = _has("proxy verifies servers", core) and self.lab.mra.verify_origin_server
        return "trusted-ca" if verify or always else None

    def _own(self, expressway: HostSpec) -> str:
        return "client" if (expressway.name, "client") in self.shown else "server"

    @staticmethod
    def _leg(host: str, service: str, at: str, port: int, protocol: str, to: str, store: str | None) -> Presentation:
        return Presentation(host=host, service=service, at=at, port=port, protocol=protocol, to=to, store=store)


def _has(feature: str, expressway: Expressway) -> bool:
    found = gate(feature, Product.EXPRESSWAY)
    return found is not None and found.open(expressway.release)
