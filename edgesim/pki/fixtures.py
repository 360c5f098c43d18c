"""The stable test roots: CAs whose keys are public, for simulated labs and tests only, and how they are made.

``python -m edgesim.pki.fixtures DIRECTORY`` writes them; every run writes the same octets. Never trust them on a
machine: whoever reads the repository can sign with them. A lab that real clients connect to has a root of its own, see
`edgesim.pki.installation`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from edgesim.pki.authorities import Authorities
from edgesim.pki.authority import Authority
from edgesim.pki.trust import TrustStore
from edgesim.world.entropy import Entropy

WARNING = "TEST KEY of the edgesim project, known to everybody. For simulated labs and tests only. Never trust it."
README = """\
# Test roots

**TEST KEYS. They are public: whoever has this repository can sign with them. They serve simulated labs and tests only.
Never add them to the trust store of a machine or a browser.** A lab that real clients connect to (`edgesim up`) makes
a private root of its own, limited to the lab's domains.

| file | what it is |
|---|---|
| `public-root.pem`, `public-root.key.pem` | stands in for a public CA: signs Expressway-E |
| `enterprise-root.pem`, `enterprise-root.key.pem` | the company's own root |
| `enterprise-intermediate.pem`, `enterprise-intermediate.key.pem` | the company's issuing CA: signs all inside |

All keys are P-256. They are drawn from a fixed seed, signatures are deterministic (RFC 6979), dates are fixed: the
files come out the same, octet for octet, whenever they are made again:

    python -m edgesim.pki.fixtures fixtures/certs

A copy lies in the package (`edgesim/pki/roots/`), so that an installed edgesim finds it. Leaf certificates are not
kept: each lab mints its own at start.
"""

_NAMES = ("public-root", "enterprise-root", "enterprise-intermediate")


def make() -> Authorities:
    """Make the test CAs anew from their fixed seed."""
    entropy = Entropy(0, "edgesim test roots")
    company = "edgesim test enterprise"
    root = Authority.root("edgesim TEST Enterprise Root CA", entropy, organization=company)
    return Authorities(
        public=Authority.root("edgesim TEST Public Root CA", entropy, organization="edgesim test public CA"),
        enterprise_root=root,
        enterprise=root.intermediate("edgesim TEST Enterprise Issuing CA", organization=company),
    )


def files() -> dict[str, bytes]:
    """Return the fixtures' files: content by name."""
    made = make()
    content = {"README.md": README.encode()}
    for name, authority in zip(_NAMES, (made.public, made.enterprise_root, made.enterprise), strict=True):
        mark = f"{WARNING}\nSubject: {authority.subject}\n".encode()
        content[f"{name}.pem"] = mark + TrustStore.of(name, authority).pem()
        content[f"{name}.key.pem"] = mark + authority.key_pem()
    return content


def main(arguments: Sequence[str]) -> int:
    """Write the files into the directory given. Returns the exit code."""
    if len(arguments) != 1:
        print("usage: python -m edgesim.pki.fixtures DIRECTORY", file=sys.stderr)
        return 2
    directory = Path(arguments[0])
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (directory / name).write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
