"""The stable test roots: CAs with public keys, only for simulated labs and tests, and how they are made.

``python -m edgesim.pki.fixtures DIRECTORY`` writes them, with the same octets in every run. Never trust them on a
machine: anyone who has the repository can sign with them. A lab for real clients has its own root, see
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
| `public-intermediate.pem`, `public-intermediate.key.pem` | the public CA's issuing CA, for an Expressway-E below it |
| `enterprise-root.pem`, `enterprise-root.key.pem` | the company's own root |
| `enterprise-intermediate.pem`, `enterprise-intermediate.key.pem` | the company's issuing CA: signs all inside |
| `private-root.pem`, `private-root.key.pem` | a private CA, trusted only where it is installed |
| `manufacturing-root.pem`, `manufacturing-root.key.pem` | certifies phones in the factory |

Certificates that are broken on purpose lie in `broken/`; `edgesim certs broken` writes them again.

All keys are P-256. They are drawn from a fixed seed, signatures are deterministic (RFC 6979), dates are fixed: the
files come out the same, octet for octet, whenever they are made again:

    python -m edgesim.pki.fixtures fixtures/certs

A copy lies in the package (`edgesim/pki/roots/`), so that an installed edgesim finds it. Leaf certificates are not
kept: each lab mints its own at start.
"""


def make() -> Authorities:
    """Generate the test CAs from their fixed seed."""
    entropy = Entropy(0, "edgesim test roots")
    company, public_ca = "edgesim test enterprise", "edgesim test public CA"
    root = Authority.root("edgesim TEST Enterprise Root CA", entropy, organization=company)
    public = Authority.root("edgesim TEST Public Root CA", entropy, organization=public_ca)
    # In the order in which they were added: a new one at the end leaves the others unchanged.
    enterprise = root.intermediate("edgesim TEST Enterprise Issuing CA", organization=company)
    return Authorities(
        public=public,
        enterprise_root=root,
        enterprise=enterprise,
        public_issuing=public.intermediate("edgesim TEST Public Issuing CA", organization=public_ca),
        private=Authority.root("edgesim TEST Private Root CA", entropy, organization="edgesim test private CA"),
        manufacturing=Authority.root(
            "edgesim TEST Manufacturing Root CA", entropy, organization="edgesim test phone maker"
        ),
    )


def files() -> dict[str, bytes]:
    """Return the fixture files: content by name."""
    made = make()
    named = {
        "public-root": made.public,
        "public-intermediate": made.public_issuing,
        "enterprise-root": made.enterprise_root,
        "enterprise-intermediate": made.enterprise,
        "private-root": made.private,
        "manufacturing-root": made.manufacturing,
    }
    content = {"README.md": README.encode()}
    for name, authority in named.items():
        mark = f"{WARNING}\nSubject: {authority.subject}\n".encode()
        content[f"{name}.pem"] = mark + TrustStore.of(name, authority).pem()
        content[f"{name}.key.pem"] = mark + authority.key_pem()
    return content


def main(arguments: Sequence[str]) -> int:
    """Write the files into the given directory. Return the exit code."""
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
