"""The test roots: the same octets every time, in the repository and in the package, and marked for what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgesim.pki import TrustStore, fixture_authorities, fixtures, verify
from edgesim.pki.identity import Usage, unified_cm
from edgesim.world.entropy import Entropy

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("directory", ["fixtures/certs", "edgesim/pki/roots"])
def test_files_are_what_the_script_makes(directory: str, tmp_path: Path) -> None:
    assert fixtures.main([str(tmp_path)]) == 0
    kept = {path.name: path.read_bytes() for path in (REPOSITORY / directory).iterdir() if path.is_file()}
    assert kept == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_script_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert fixtures.main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_files_are_marked() -> None:
    for name, content in fixtures.files().items():
        assert b"TEST KEY" in content, name


def test_package_finds_its_roots() -> None:
    authorities = fixture_authorities(Entropy(1, "x"))
    made = fixtures.make()
    assert authorities.enterprise.certificate == made.enterprise.certificate
    assert authorities.public.subject == "CN=edgesim TEST Public Root CA,O=edgesim test public CA"
    leaf = authorities.enterprise.issue(unified_cm("cucm1.example.com"))
    store = TrustStore.from_pem("pem", authorities.trust().pem())
    assert verify(leaf.certificate, leaf.chain, store, names=["cucm1.example.com"], usage=Usage.SERVER).ok
