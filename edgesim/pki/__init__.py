"""Authorities, identities and trust stores: certificates as the products need them, and verification that gives
reasons.
"""

from edgesim.pki.authorities import Authorities, fixture_authorities
from edgesim.pki.authority import EXPIRED, NOT_YET, STANDARD, Authority, Constraints, Validity, self_signed
from edgesim.pki.contexts import TlsOptions, client_context, server_context
from edgesim.pki.identity import (
    CALLMANAGER,
    CLIENT_ONLY,
    CUP,
    CUP_XMPP,
    EXPRESSWAY,
    SERVER_ONLY,
    TOMCAT,
    Identity,
    PkiError,
    Profile,
    Request,
    Usage,
    expressway_c,
    expressway_e,
    im_presence,
    unified_cm,
)
from edgesim.pki.keys import Randomness
from edgesim.pki.names import matches, names_of, subject_of
from edgesim.pki.policy import Policy, Refusal
from edgesim.pki.trust import TrustStore
from edgesim.pki.uploads import Installed, Upload
from edgesim.pki.verify import Defect, NameCheck, Problem, Verification, check_names, peer_certificates, verify

__all__ = [
    "CALLMANAGER",
    "CLIENT_ONLY",
    "CUP",
    "CUP_XMPP",
    "EXPIRED",
    "EXPRESSWAY",
    "NOT_YET",
    "SERVER_ONLY",
    "STANDARD",
    "TOMCAT",
    "Authorities",
    "Authority",
    "Constraints",
    "Defect",
    "Identity",
    "Installed",
    "NameCheck",
    "PkiError",
    "Policy",
    "Problem",
    "Profile",
    "Randomness",
    "Refusal",
    "Request",
    "TlsOptions",
    "TrustStore",
    "Upload",
    "Usage",
    "Validity",
    "Verification",
    "check_names",
    "client_context",
    "expressway_c",
    "expressway_e",
    "fixture_authorities",
    "im_presence",
    "matches",
    "names_of",
    "peer_certificates",
    "self_signed",
    "server_context",
    "subject_of",
    "unified_cm",
    "verify",
]
