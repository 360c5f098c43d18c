"""Settings of which nothing is derived: a plan and its deployment share them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, get_args

from pydantic import Field

from edgesim.deployment.base import DomainName, Model, Port, RecordName, Secret, Text, View

AlsoServes = Literal["Jabber Guest", "Microsoft gateway", "B2B calls"]
"""Further uses of an Expressway beside MRA."""
IpProtocol = Literal["IPv4", "IPv6", "Both"]
Licensing = Literal["option keys", "smart"]
DeploymentSize = Literal["small", "medium", "large"]
Affinity = Literal["none", "source address"]
KnownAs = Literal["fqdn", "host name", "address"]
ClusterView = Literal["ILS", "manual"]
UnityConnectionSso = Literal["none", "cluster-wide", "per node, SAML", "per node, OpenAM"]
JabberPlatform = Literal["windows", "mac", "ios", "android"]
DevicePlatform = Literal["phone", "room"]
"""Machines that are devices themselves: no Jabber runs on them."""
Platform = Literal[JabberPlatform, DevicePlatform]
JABBER_PLATFORMS: Mapping[str, JabberPlatform] = {each: each for each in get_args(JabberPlatform)}
"""The platforms that Jabber runs on, by their names among all."""

ProvisioningMode = Literal["Off", "Auto", "CUCM", "Edge", "TMS", "VCS"]
"""Provisioning Mode of a room device, as its configuration spells it."""
JabberPolicy = Literal["no service", "IM and presence only", "IM and presence, voice and video"]


class Hsm(Model):
    """A hardware security module of an Expressway: a preview feature that an option key enables."""

    vendor: Literal["nShield Plus", "SafeNet Luna"] = "nShield Plus"
    option_key: bool = Field(default=True, description="the option key that enables HSM is installed")


class Account(Model):
    """An application user, such as the one with Standard AXL API Access."""

    user: Text
    password: Secret


class ServiceProfile(Model):
    """A UC service profile: the services that Jabber gets. Without ``cti`` it contains no UDS server."""

    name: Text = "SPDefault"
    im_presence: bool = True
    cti: bool = True
    uds_directory: bool = True


class UserProfile(Model):
    """A user profile: whether its users may come through the edge, and for what."""

    name: Text = "Standard (Factory Default) User Profile"
    mobile_and_remote_access: bool = True
    jabber_desktop: JabberPolicy = "IM and presence, voice and video"
    jabber_mobile: JabberPolicy = "IM and presence, voice and video"


class SecurityProfile(Model):
    """A phone security profile. The name of an encrypted one has the form of an FQDN and is in C's SAN."""

    name: Text = "Standard SIP Non-Secure Profile"
    mode: Literal["non secure", "authenticated", "encrypted"] = "non secure"
    transport: Literal["TCP", "TLS", "UDP", "TCP+UDP"] = "TCP+UDP"
    digest: bool = False
    oauth: bool = False
    encrypted_configuration: bool = False


class EnabledDomain(Model):
    """A domain on C with its service switches (Configuration > Domains)."""

    name: DomainName
    unified_cm_registrations: bool = True
    im_and_presence: bool = True
    xmpp_federation: bool = False
    deployment: Text = Field(default="Default deployment", description="the deployment of C that it belongs to")

    @property
    def registers(self) -> bool:
        """Whether Unified CM registrations are enabled: chat forces them on (MRA Deployment Guide X12.6, "Install
        MRA")."""
        return self.unified_cm_registrations or self.im_and_presence


class ExtraRecord(Model):
    """A DNS record beside the derived ones. An SRV's value is ``priority weight port target``."""

    view: View
    name: RecordName
    type: Literal["A", "AAAA", "CNAME", "SRV", "PTR"]
    value: Text
    ttl: int = Field(default=3600, ge=0, le=2**31 - 1)


class OmittedRecord(Model):
    """A derived DNS record that this deployment lacks."""

    view: View
    name: RecordName
    type: Literal["A", "AAAA", "CNAME", "SRV", "PTR"]


class SshTunnel(Model):
    """The SSH tunnel that C opens to E and that carries HTTPS."""

    port: Port = 2222
    user: Text = "portforwarding"
    loopback_port: Port = Field(default=8443, description="C's proxy listens there on 127.0.0.1")


class XcpLink(Model):
    """The XCP link that C opens to E and that carries XMPP."""

    port: Port = 7400
    secret: Secret = "xcp-secret"
    enable_cvs: bool = Field(default=True, description="XCP TLS Certificate CVS EnableCvs: C verifies certificates")
    verify_hostname: bool = Field(
        default=True, description="XCP TLS Certificate CVS VerifyHostname: they must hold the peer's name"
    )
    convert_ip_to_hostname: bool = Field(
        default=True,
        description="XCP TLS Certificate CVS ConvertIpToHostname: that name is the one that the peer's address has in "
        "reverse DNS",
    )

    @property
    def looks_back(self) -> bool:
        """Whether C looks the address of a peer up in reverse DNS."""
        return self.enable_cvs and self.verify_hostname and self.convert_ip_to_hostname


class AccessControl(Model):
    """MRA Access Control of C. As shipped it takes OAuth tokens with refresh and refuses passwords."""

    authentication_path: Literal["none", "UCM/LDAP", "SAML SSO", "SAML SSO and UCM/LDAP"] = "UCM/LDAP"
    oauth_refresh: bool = Field(default=True, description="Authorize by OAuth token with refresh")
    oauth_simple: bool = Field(default=False, description="Authorize by OAuth token")
    user_credential: bool = Field(default=False, description="Authorize by user credential: name and password")
    check_internal_availability: bool = Field(
        default=False, description="Check for internal authentication availability"
    )
    activation_code_onboarding: bool = False
    embedded_safari: bool = Field(default=False, description="Allow Jabber iOS clients to use embedded Safari browser")
    webex_embedded_browser: bool = Field(default=False, description="WebEx Client Embedded Browser Support")
    sip_token_extra_ttl: int = Field(
        default=0, ge=0, description="seconds of grace of simple tokens for incoming calls"
    )


class AllowRule(Model):
    """A rule of the HTTP allow list that the administrator wrote."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s/]+(/\S*)?$", max_length=2048)]
    methods: tuple[Literal["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"], ...] = ()
    match: Literal["exact", "prefix"] = "prefix"
    description: str = Field(default="", max_length=256)


class CmsWebProxy(Model):
    """The Web Proxy for Cisco Meeting Server on the same Expressway."""

    guest_account_client_uri: DomainName
    configured: Literal["before MRA", "after MRA"] = Field(
        default="after MRA", description="which of the two was configured first"
    )
