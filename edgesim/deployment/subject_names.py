"""The names that a product's CSR tool puts into the SAN of a service's certificate, each with its reason.

Source: Cisco, "Cisco Expressway Certificate Creation and Use Deployment Guide"; "Configure and Troubleshoot
Collaboration Edge (MRA) Certificates (213872)".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from edgesim.deployment.features import gate
from edgesim.deployment.hosts import ExpresswayC, ExpresswayE, Machine
from edgesim.deployment.inventory import Inventory
from edgesim.deployment.releases import Product, Release
from edgesim.deployment.services import ChatAliasForm, RegistrationDomainForm

_FORMS: dict[str, str] = {
    "DNS": "{}",
    "CollabEdgeDNS": "collab-edge.{}",
    "SRVName": "SRV:_collab-edge._tls.{}",
}
_FQDN = re.compile(r"(?=.{1,253}$)([A-Za-z0-9-]{1,63}\.)+[A-Za-z][A-Za-z0-9-]{0,62}")
_NAMED_AS_FQDN = gate("profile names have the form of an fqdn", Product.EXPRESSWAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectName:
    """A name for a SAN, written as in `Certificate.names`, and why it is there."""

    name: str
    reason: str


def subject_names(
    inventory: Inventory,
    machine: Machine,
    service: str,
    *,
    form: RegistrationDomainForm = "DNS",
    alias_form: ChatAliasForm = "DNS",
    discovered: bool | Collection[str] = True,
) -> tuple[SubjectName, ...]:
    """Return the names for a ``service`` of a host, the FQDN first, none twice.

    ``form`` is that of the Unified CM registration domains, ``alias_form`` that of chat node aliases. ``discovered``
    says whether Expressway-C knows the IM and Presence servers yet, or names the clusters that it knows: chat node
    aliases come from them. From X12.6 on Expressway-C makes no CSR with the name of a
    phone security profile that has not the form of an FQDN, see `profiles_in_the_way`: such names are left out.
    """
    found: dict[str, SubjectName] = {}
    for name, reason in _names(inventory, machine, service, form, alias_form, discovered):
        found.setdefault(name.lower(), SubjectName(name=name, reason=reason))
    return tuple(found.values())


def profiles_in_the_way(inventory: Inventory, release: Release) -> tuple[str, ...]:
    """Return the encrypted phone security profiles whose names keep an Expressway-C of ``release`` from making a CSR.

    From X12.6 on each must have the form of an FQDN: labels of letters, digits and hyphens, the last one beginning with
    a letter.
    """
    if _NAMED_AS_FQDN is None or not _NAMED_AS_FQDN.open(release):
        return ()
    return tuple(name for name, _ in _profiles(inventory) if not has_form_of_fqdn(name))


def has_form_of_fqdn(name: str) -> bool:
    """Return whether a phone security profile's name can be in a CSR of X12.6 and later."""
    return _FQDN.fullmatch(name) is not None


def _names(
    inventory: Inventory,
    machine: Machine,
    service: str,
    form: RegistrationDomainForm,
    alias_form: ChatAliasForm,
    discovered: bool | Collection[str],
) -> Iterator[tuple[str, str]]:
    yield machine.fqdn, "FQDN of the host"
    if isinstance(machine, ExpresswayE):
        for domain in inventory.domains.enabled:
            yield _FORMS[form].format(domain.name), "Unified CM registration domain"
        if inventory.mra.expressway_e_cluster:
            yield inventory.mra.expressway_e_cluster, "name of the cluster"
        yield machine.inner_fqdn, "FQDN of the inner interface"
        for domain in inventory.domains.enabled:
            if domain.xmpp_federation:
                yield domain.name, "XMPP federation domain"
        if inventory.cms_web_proxy:
            yield inventory.cms_web_proxy.guest_account_client_uri, "guest account client URI of the Web Proxy"
    if isinstance(machine, ExpresswayC):
        if inventory.mra.expressway_c_cluster:
            yield inventory.mra.expressway_c_cluster, "name of the cluster"
        barred = profiles_in_the_way(inventory, machine.release)
        for name, cluster in _profiles(inventory):
            if name not in barred:
                yield name, f"encrypted phone security profile of {cluster}"
    if isinstance(machine, ExpresswayC | ExpresswayE) and discovered:
        known = inventory.mra.im_presence_clusters if discovered is True else discovered
        for alias, chat_cluster in _aliases(inventory, known):
            written = alias if alias_form == "DNS" else f"XMPP:{alias}"
            yield written, f"chat node alias of {chat_cluster}, for federated group chat"
    if service == "cup-xmpp":
        for chat in inventory.im_presence:
            if machine.name in {node.name for node in chat.nodes}:
                for presence in chat.presence_domains:
                    yield presence, "presence domain"


def _profiles(inventory: Inventory) -> Iterator[tuple[str, str]]:
    for cluster in inventory.unified_cm:
        for profile in cluster.security_profiles:
            if profile.mode == "encrypted" and profile.name.isascii():  # no SAN holds any other
                yield profile.name, cluster.name


def _aliases(inventory: Inventory, known: Collection[str]) -> Iterator[tuple[str, str]]:
    if not any(domain.xmpp_federation for domain in inventory.domains.enabled):
        return
    for chat in inventory.im_presence:
        if chat.name in inventory.mra.im_presence_clusters and chat.name in known:
            for alias in chat.chat_aliases:
                yield alias, chat.name
