"""Base of every part of a plan: strict models, and the types of names, addresses and secrets."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?")
_USER_ID = re.compile(r"[^\s\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff/:\"<>&]{1,128}")
_DNS_LABEL = re.compile(r"[A-Za-z0-9_/-]{1,63}")


class Model(BaseModel):
    """A part of a plan: immutable, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _address(text: str) -> str:
    try:
        if "%" not in text:  # a scope has a meaning on one machine only
            return str(ipaddress.ip_address(text))
        raise ValueError
    except ValueError:
        raise ValueError("an IPv4 or IPv6 address such as 10.0.30.10") from None


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError("a host name of one label: letters, digits, hyphens and underscores, at most 63 characters")
    return text


def _domain(text: str) -> str:
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in text.split(".")):
        raise ValueError("a DNS domain such as inside.example.com, without a final dot")
    return text


def _record_name(text: str) -> str:
    if not is_dns_name(text.removeprefix("*.")):
        raise ValueError("a DNS name such as _cisco-uds._tcp.example.com, without a final dot")
    return text


def is_dns_name(text: str) -> bool:
    """Say whether a text is a name as DNS records have it, without a final dot.

    A ``/`` is in the names of reverse zones that are delegated without a whole octet (RFC 2317).
    """
    return len(text) <= 253 and all(_DNS_LABEL.fullmatch(label) for label in text.split("."))


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise ValueError("an address such as 203.0.113.5 or a network such as 203.0.113.0/24 (no host bits)") from None


def _user_id(text: str) -> str:
    if not _USER_ID.fullmatch(text):
        raise ValueError('a user id of 1 to 128 characters, without white space, control characters and / : " < > &')
    return text


IpNetwork = Annotated[str, AfterValidator(_network)]
"""A network; one address counts as a network."""
Address = Annotated[str, AfterValidator(_address)]
"""An IPv4 or IPv6 address in its normal text form."""
HostLabel = Annotated[str, AfterValidator(_label)]
"""A host's name within the lab and the first label of its FQDN."""
DomainName = Annotated[str, AfterValidator(_domain)]
RecordName = Annotated[str, AfterValidator(_record_name)]
SecretText = Annotated[str, Field(min_length=1, max_length=256)]
"""The type of passwords and shared secrets."""
Secret = Annotated[SecretText, Field(repr=False, json_schema_extra={"secret": True})]
"""A field with one: never in a repr, masked where a deployment is printed."""
ZoneName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
"""The name of a network zone: ``internet``, ``dmz``, ``inside`` or a deployment's own."""
View = Literal["inside", "outside"]
"""Which half of the DNS a host asks."""
Port = Annotated[int, Field(ge=1, le=65535)]
Text = Annotated[str, Field(min_length=1, max_length=256)]
DirectoryNumber = Annotated[str, Field(pattern=r"^\+?[0-9*#]{1,24}$")]
DeviceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,50}$")]
UserId = Annotated[str, AfterValidator(_user_id)]
"""An end user's id, case-sensitive; a mail address where LDAP gives one as the user id. Left out is what Basic
credentials (RFC 7617), paths and XML cannot carry; what is documented is less, see `edgesim.readiness`."""


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,3}", value) else value


Numeric = BeforeValidator(_number)
"""For a choice of numbers of at most three digits, such as status codes, which a file gives as text."""
