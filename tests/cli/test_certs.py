"""``edgesim certs``: what it prints, writes and returns, and that OpenSSL agrees."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from edgesim.deployment import load_text
from edgesim.pki.broken import files
from tests.cli.command import ROOT, edgesim, process
from tests.pki.openssl import openssl

BROKEN = ROOT / "fixtures" / "certs" / "broken"
SMALL = (ROOT / "edgesim" / "deployment" / "library" / "small.yaml").read_text()


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def signed(at: Path, host: str = "expe", *options: str) -> Path:
    """Return the certificate that a CA makes of a host's request."""
    assert edgesim("certs", "csr", "small", host, "--out", f"{host}.csr").exit_code == 0
    done = edgesim("certs", "sign", f"{host}.csr", "--out", f"{host}.pem", *(options or ("--by", "public")))
    assert done.exit_code == 0, done.stderr
    return at / f"{host}.pem"


@pytest.mark.parametrize("name", ["csr", "sign", "inspect", "verify", "upload", "show", "broken"])
def test_every_command_has_help_with_an_example(name: str) -> None:
    done = edgesim("certs", name, "--help")
    assert done.exit_code == 0
    assert f"Usage: edgesim certs {name}" in done.output
    assert name == "broken" or f"edgesim certs {name} " in done.output.split("Example", 1)[1]


def test_the_page_about_certificates_is_correct(at: Path) -> None:
    page = (ROOT / "docs" / "certificates.md").read_text(encoding="utf-8")
    (yaml,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    lab = load_text(SMALL + yaml)
    assert not lab.certificate("expc", "server").client_auth
    assert lab.trust_store("expc", "trusted-ca").pending == ("public",)
    running, console = re.findall(r"```console\n(.*?)```", page, re.DOTALL)
    assert "edgesim control" in running, "what a lab that is up is told: tests/cli/test_up.py"
    for line in console.splitlines():
        done = edgesim(*line.removeprefix("$ edgesim ").split())
        assert done.exit_code == 0, (line, done.output)


# ---- csr


def test_csr_prints_names_with_reasons_and_the_request() -> None:
    done = edgesim("certs", "csr", "small", "expe")
    assert done.exit_code == 0
    assert "DNS:example.com       Unified CM registration domain" in done.output
    assert "-----BEGIN CERTIFICATE REQUEST-----" in done.output
    assert done.output == edgesim("certs", "csr", "small", "expe").output


def test_csr_writes_request_and_key(at: Path) -> None:
    done = edgesim("certs", "csr", "small", "imp-pub", "cup-xmpp", "--out", "x/imp.csr")
    assert done.exit_code == 0
    assert "BEGIN" not in done.output
    key = at / "x" / "imp.key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    told = openssl("req", "-in", at / "x" / "imp.csr", "-noout", "-text", "-verify")
    assert "verify OK" in told.stdout + told.stderr
    assert "IPSec End System" in told.stdout
    assert (
        openssl("req", "-in", at / "x" / "imp.csr", "-noout", "-pubkey").stdout
        == openssl("pkey", "-in", key, "-pubout").stdout
    )


def test_a_key_is_not_written_through_a_planted_link(at: Path) -> None:
    victim = at / "victim"
    victim.write_text("precious")
    (at / "imp.key.pem").symlink_to(victim)
    done = edgesim("certs", "csr", "small", "imp-pub", "cup-xmpp", "--out", "imp.csr")
    assert done.exit_code == 2 and "symbolic link" in done.stderr
    assert victim.read_text() == "precious"


def test_csr_before_and_after_discovery(at: Path) -> None:
    old = "inside: inside.example.com}"
    new = "inside: inside.example.com, enabled: [{name: example.com, xmpp_federation: true}]}"
    assert old in SMALL
    (at / "lab.yaml").write_text(SMALL.replace(old, new))
    before, after = (
        json.loads(edgesim("certs", "csr", "lab.yaml", "expc", option, "--json").output)["names"]
        for option in ("--not-discovered", "--discovered")
    )
    assert "conference-1" in after[-1]["name"] and "chat node alias" in after[-1]["reason"]
    assert before == after[:-1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("small", "nobody"), "no host is called 'nobody'"),
        (("small", "dns-inside"), "dns-inside has no certificates"),
        (("small", "expe", "tomcat"), "expe has no service 'tomcat'; known: server, client"),
        (("nowhere", "expe"), "nowhere"),
    ],
)
def test_csr_for_what_is_not_there(arguments: tuple[str, ...], says: str) -> None:
    done = edgesim("certs", "csr", *arguments)
    assert done.exit_code == 2
    assert says in done.stderr
    assert "edgesim" in done.stderr.splitlines()[-1], "what to do"


def test_csr_with_a_profile_in_the_way(at: Path) -> None:
    text = edgesim("show", "small", "--full", "--secrets").output
    (at / "lab.yaml").write_text(text.replace("mode: non secure", "mode: encrypted", 1))
    done = edgesim("certs", "csr", "lab.yaml", "expc")
    assert done.exit_code == 2
    assert "'Standard SIP Non-Secure Profile' has not the form of an FQDN" in done.stderr


# ---- sign, inspect


def test_sign_honours_or_strips(at: Path) -> None:
    whole = signed(at)
    told = openssl("x509", "-in", whole, "-noout", "-text").stdout
    assert "TLS Web Server Authentication, TLS Web Client Authentication" in told
    assert "DNS:expe.example.com, DNS:example.com" in told
    stripped = signed(at, "expe", "--by", "public", "--strip", "client-auth", "--days", "30")
    (found,) = json.loads(edgesim("certs", "inspect", str(stripped), "--json").output)
    assert found["usages"] == ["serverAuth"]
    assert found["san_characters"] == len("DNS:expe.example.com, DNS:example.com")


def test_sign_prints_the_chain(at: Path) -> None:
    signed(at)
    text = edgesim("certs", "sign", "expe.csr", "--by", "enterprise", "--chain").output
    (at / "chain.pem").write_text(text)
    assert text.count("BEGIN CERTIFICATE") == 2
    root = ROOT / "fixtures" / "certs" / "enterprise-root.pem"
    assert openssl("verify", "-CAfile", root, "-untrusted", "chain.pem", "chain.pem").returncode == 0
    assert openssl("verify", "-CAfile", root, "expe.pem").returncode != 0


def test_sign_reads_standard_input(at: Path) -> None:
    signed(at)
    done = edgesim("certs", "sign", "-", "--by", "private", stdin=(at / "expe.csr").read_text())
    assert done.exit_code == 0
    assert done.output.startswith("-----BEGIN CERTIFICATE-----")


def test_what_is_no_request_or_no_file(at: Path) -> None:
    (at / "x").write_text("nonsense")
    done = edgesim("certs", "sign", "x", "--by", "public")
    assert done.exit_code == 2 and "not a signing request" in done.stderr
    assert edgesim("certs", "sign", "missing", "--by", "public").exit_code == 2
    assert edgesim("certs", "sign", "x", "--by", "thawte").exit_code == 2
    assert "missing: No such file" in edgesim("certs", "inspect", "missing").stderr
    done = edgesim("certs", "inspect", "x")
    assert done.exit_code == 2 and "x: no certificates in PEM" in done.stderr


def test_inspect_marks_what_products_ignore() -> None:
    done = edgesim("certs", "inspect", str(BROKEN / "long-san.pem"), str(BROKEN / "weak-key.pem"))
    assert done.exit_code == 0
    assert "DNS:example.com    (ignored: too far back)" in done.output
    assert "names beyond the first 999" in done.output
    assert "RSA 1024 bits" in done.output


# ---- verify


def verified(path: Path | str, *options: str, host: str = "expc", store: str = "trusted-ca") -> tuple[int, str]:
    done = edgesim("certs", "verify", str(path), "--deployment", "small", "--host", host, "--store", store, *options)
    return done.exit_code, done.output + done.stderr


def test_verify_says_yes_and_why_not(at: Path) -> None:
    path = signed(at)
    assert verified(path, "--name", "expe.example.com")[0] == 0
    code, text = verified(path, "--name", "vpn.example.com")
    assert code == 1 and "wanted DNS:vpn.example.com" in text
    code, text = verified(path, "--at", "2060-01-01")
    assert code == 1 and "expired on" in text
    code, text = verified(signed(at, "expe", "--by", "private"))
    assert code == 1 and "issuer missing" in text
    code, text = verified(signed(at, "expe", "--by", "public", "--strip", "client-auth"), "--usage", "client")
    assert code == 1 and "is for serverAuth, not for clientAuth" in text


@pytest.mark.parametrize(
    ("name", "fault"),
    [("sound", None), ("expired", "dates"), ("not-yet-valid", "dates"), ("wrong-name", "name"),
     ("self-signed", "untrusted"), ("weak-key", "weak key"), ("missing-intermediate", "issuer missing"),
     ("long-san", None)],
)  # fmt: skip
def test_verify_the_broken_set(name: str, fault: str | None) -> None:
    code, text = verified(
        BROKEN / f"{name}.pem", "--name", "expe.example.com", "--at", "2026-01-05T08:00", "--json",
        host="jabber-1", store="system",
    )  # fmt: skip
    told = json.loads(text)
    assert (code == 0) is told["verified"] is (fault is None)
    assert [each["fault"] for each in told["problems"]] == ([fault] if fault else [])


def test_verify_reads_as_much_of_a_san_as_the_verifier() -> None:
    path, options = BROKEN / "long-san.pem", ("--name", "example.com", "--at", "2026-01-05")
    assert verified(path, *options, host="expc", store="trusted-ca")[0] == 1
    assert verified(path, *options, host="jabber-1", store="system")[0] == 0


def test_verify_against_what_is_not_there() -> None:
    code, text = verified(BROKEN / "sound.pem", store="system")
    assert code == 2 and "expc has no trust store 'system'; it has trusted-ca" in text
    assert verified(BROKEN / "sound.pem", host="nobody")[0] == 2
    code, text = verified(BROKEN / "sound.pem", "--at", "yesterday")
    assert code == 2 and "'yesterday' is not a date" in text


# ---- upload, show, broken


@pytest.mark.parametrize(
    ("product", "release", "options", "accepted"),
    [
        ("expressway-e", "X14.3", (), False),
        ("expressway-e", "X15.4", (), False),
        ("expressway-e", "X15.4", ("--server-eku-upload",), True),
        ("expressway-c", "X15.4", ("--server-eku-upload",), False),
        ("expressway-c", "X15.5", (), True),
        ("expressway-c", "X15.5", ("--to", "client"), False),
        ("expressway-c", "X15.5", ("--to", "client", "--copied"), True),
    ],
)
def test_upload_by_release(product: str, release: str, options: tuple[str, ...], accepted: bool) -> None:
    path = str(BROKEN / "no-client-authentication.pem")
    arguments = ("certs", "upload", path, "--as", product, "--release", release, *options)
    done = edgesim(*arguments)
    assert (done.exit_code, "accepted" in done.output) == ((0, True) if accepted else (1, False))
    told = json.loads(edgesim(*arguments, "--json").output)
    assert told["accepted"] is accepted and bool(told["problems"]) is not accepted


def test_upload_of_a_release_that_is_none() -> None:
    done = edgesim("certs", "upload", str(BROKEN / "sound.pem"), "--as", "expressway-e", "--release", "14.3")
    assert done.exit_code == 2 and "'14.3' is not a release of Expressway such as" in done.stderr


def test_show_lists_each_leg_and_who_does_not_trust_it(at: Path) -> None:
    assert "not verified" not in edgesim("certs", "show", "small").output
    legs = json.loads(edgesim("certs", "show", "small", "--json").output)
    assert all(each["trusted"] for each in legs)
    assert {(each["host"], each["service"]) for each in legs if each["port"] == 8443} == {
        ("expe", "server"), ("ucm-pub", "tomcat"), ("ucm-sub", "tomcat"), ("imp-pub", "tomcat"),
    }  # fmt: skip
    lab = SMALL + "trust:\n  - {host: ucm-pub, store: callmanager-trust, lacks: [enterprise-issuing]}\n"
    (at / "lab.yaml").write_text(lab)
    found = [each for each in json.loads(edgesim("certs", "show", "lab.yaml", "--json").output) if not each["trusted"]]
    assert {(each["host"], each["port"], each["to"], each["store"]) for each in found} == {
        ("expc", port, "ucm-pub", "callmanager-trust") for port in (6971, 6972)
    }
    shown = edgesim("certs", "show", "lab.yaml").output
    assert "issuer missing" in shown and "trusts it" in shown


def test_show_names_the_port_of_headset_files_that_the_deployment_has(at: Path) -> None:
    """That is ``ports.headset_https``, beside 6972 for configuration files."""

    def ports(more: str) -> set[int]:
        (at / "lab.yaml").write_text(SMALL + more)
        legs = json.loads(edgesim("certs", "show", "lab.yaml", "--json").output)
        return {each["port"] for each in legs if each["service"] == "callmanager"}

    assert ports("") == {6971, 6972}
    assert ports("defaults: {ports: {headset_https: 6981}}\n") == {6981, 6972}


def test_show_advises_where_a_certificate_is_self_signed(at: Path) -> None:
    (at / "lab.yaml").write_text(SMALL + "certificates:\n  - {host: expe, service: server, signed_by: self-signed}\n")
    assert "a CA-signed certificate is recommended" in edgesim("certs", "show", "lab.yaml").output


def test_broken_writes_the_set(at: Path) -> None:
    assert process("certs", "broken", "--to", "set", cwd=at).returncode == 0
    assert {path.name: path.read_bytes() for path in (at / "set").iterdir()} == files()
    (at / "file").write_text("")
    done = edgesim("certs", "broken", "--to", "file")
    assert done.exit_code == 2


def test_a_request_is_not_inspected_as_a_certificate_and_errors_name_no_library(tmp_path: Path) -> None:
    request = tmp_path / "expe.csr"
    assert edgesim("certs", "csr", "small", "expe", "--out", str(request)).exit_code == 0
    done = edgesim("certs", "inspect", str(request))
    assert done.exit_code == 2
    assert "expected certificates, got a signing request" in done.output
    assert "certs sign" in done.output
    (tmp_path / "notes.txt").write_text("words")
    for command in (("inspect",), ("sign", "--by", "public")):
        done = edgesim("certs", *command, str(tmp_path / "notes.txt"))
        assert done.exit_code == 2
        assert "cryptography.io" not in done.output
