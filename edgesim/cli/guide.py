"""The next steps for a user of a running lab, for each platform: resolver, certificates, first commands."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass

from edgesim.deployment import Deployment
from edgesim.edge import descriptor, provision

STANDARD_PORT = 53
PLATFORMS = {"linux": "Linux", "darwin": "macOS", "win32": "Windows"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Guide:
    """Texts for one lab: its domains, its outside name server, its CA file."""

    domains: tuple[str, ...]
    address: str
    port: int
    ca_file: str

    def resolver(self) -> dict[str, list[str]]:
        """Return for each platform the lines that point its resolver at the lab; this machine's platform first."""
        found = {"Linux": self._linux(), "macOS": self._mac(), "Windows": self._windows()}
        own = PLATFORMS.get(sys.platform, "Linux")
        return {name: found[name] for name in sorted(found, key=lambda name: name != own)}

    def _linux(self) -> list[str]:
        server = self.address if self.port == STANDARD_PORT else f"{self.address}:{self.port}"
        domains = " ".join(f"~{domain}" for domain in self.domains)
        return [
            "sudo mkdir -p /etc/systemd/resolved.conf.d",
            f"printf '[Resolve]\\nDNS={server}\\nDomains={domains}\\n' "
            "| sudo tee /etc/systemd/resolved.conf.d/edgesim.conf",
            "sudo systemctl restart systemd-resolved",
            *(
                [f"# without systemd-resolved: `nameserver {self.address}` as the first line of /etc/resolv.conf"]
                if self.port == STANDARD_PORT
                else ["# without systemd-resolved: /etc/resolv.conf knows port 53 only; see docs/live.md"]
            ),
        ]

    def _mac(self) -> list[str]:
        return [
            "sudo mkdir -p /etc/resolver",
            *(
                f"printf 'nameserver {self.address}\\nport {self.port}\\n' | sudo tee /etc/resolver/{domain}"
                for domain in self.domains
            ),
        ]

    def _windows(self) -> list[str]:
        if self.port != STANDARD_PORT:
            return [f"# Windows asks port 53 only, and this lab has {self.port}: see docs/live.md"]
        return [
            f"Add-DnsClientNrptRule -Namespace '.{domain}' -NameServers '{self.address}'   # PowerShell, elevated"
            for domain in self.domains
        ]


def guide(deployment: Deployment, ca_file: str) -> Guide:
    """Return the guide of a lab."""
    return Guide(
        domains=tuple(dict.fromkeys((deployment.domains.edge, *(each.name for each in deployment.domains.enabled)))),
        address=deployment.dns.outside.address,
        port=deployment.defaults.ports.dns,
        ca_file=ca_file,
    )


def provisioning_link(deployment: Deployment) -> str:
    """Return the link that gives Jabber its domain."""
    return provision.build(provision.Provision(services_domain=deployment.domains.edge))


def commands(deployment: Deployment, ca_file: str, directory: str = "") -> list[str]:
    """Return first commands to try, as typed in a shell. ``directory`` is the state directory if it must be given."""
    domain = deployment.domains.edge
    edge = deployment.expressway_e[0]
    ports = deployment.defaults.ports
    dns = deployment.dns.outside.address
    port = "" if ports.dns == STANDARD_PORT else f"-p {ports.dns} "
    told = [f"dig @{dns} {port}_collab-edge._tls.{domain} SRV"]
    user = next(iter(deployment.users), None)
    if user is not None:
        where = f" --dir {quoted(directory)}" if directory else ""
        told.insert(0, f"edgesim sign-in {user.id}@{domain}{where}")
        url = descriptor.control_url(
            "get_edge_config?service_name=_cisco-uds&service_name=_cuplogin",
            domain=domain,
            edge=edge.fqdn,
            port=ports.edge_https,
        )
        told.append(
            f"curl --cacert {quoted(ca_file)} --resolve {edge.fqdn}:{ports.edge_https}:{edge.public_address} "
            f"-u {user.id}:{quoted(user.password)} '{url}'"
        )
    return told


def quoted(text: str) -> str:
    """Return a word quoted for a shell."""
    return shlex.quote(text)
