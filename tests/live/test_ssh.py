"""`ssh` at Expressway-E's port 2222 gets nowhere without Expressway-C's key."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import asyncssh
import pytest

from edgesim.edge.tunnel import Role, key_pair
from tests.live.lab import LiveLab, Output


def ssh(lab: LiveLab, *arguments: str, user: str = "", command: Sequence[str] = ()) -> Output:
    """Connect from Expressway-C's address, as somebody who got hold of its network."""
    return lab.run("ssh", "-F", "/dev/null", "-p", "2222", "-b", lab.address("expc"),
                   "-o", "StrictHostKeyChecking=no", "-o", f"UserKnownHostsFile={lab.directory / 'known'}",
                   "-o", "ConnectTimeout=5", "-o", "BatchMode=yes", "-o", "IdentityAgent=none",
                   *arguments, "-l", user or lab.deployment.ssh_tunnel.user, lab.address("expe", "dmz"),
                   *command, ok=False)  # fmt: skip


def new_key(lab: LiveLab) -> str:
    """A key that nobody knows."""
    path = lab.directory / "stranger"
    if not path.exists():
        lab.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path))
    return str(path)


def stolen_key(lab: LiveLab) -> str:
    """Expressway-C's own key."""
    path, zone = lab.directory / "stolen", lab.deployment.traversal_zone
    if not path.exists():
        path.touch(mode=0o600)
        private, _ = key_pair(Role.USER, user=zone.user, password=zone.password)
        path.write_bytes(asyncssh.import_private_key(private).export_private_key("openssh"))
    return str(path)


def test_another_key(lab: LiveLab) -> None:
    since = lab.mark()
    output = ssh(lab, "-i", new_key(lab), "-v")
    assert output.code == 255 and "Permission denied (publickey)." in output.err, output.err
    assert "Authentications that can continue: publickey\n" in output.err.replace("\r", ""), "no passwords are taken"
    lab.expect("ssh.tunnel", "expe", since=since, state="refused")
    assert lab.seen("ssh.tunnel", "expe", since=0, state="up"), "C's own tunnel stands"
    assert not lab.seen("ssh.tunnel", since=since, state="down")


def test_a_password(lab: LiveLab) -> None:
    output = ssh(lab, "-o", "PreferredAuthentications=password,keyboard-interactive", "-o", "BatchMode=no",
                 "-o", "NumberOfPasswordPrompts=3", "-v")  # fmt: skip
    assert output.code == 255 and "Permission denied (publickey)." in output.err
    assert "Next authentication method: password" not in output.err


@pytest.mark.parametrize("user", ["root", "admin", "nobody"])
def test_other_users(lab: LiveLab, user: str) -> None:
    output = ssh(lab, "-i", new_key(lab), user=user)
    assert output.code == 255 and "Permission denied (publickey)." in output.err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("true",), "Session refused"),
        (("-tt",), "Session refused"),
        (("-s", "sftp"), "Session refused"),
        (("-N", "-R", "2022:127.0.0.1:22"), "remote port forwarding failed"),
        (("-N", "-R", "0.0.0.0:8443:127.0.0.1:22"), "remote port forwarding failed"),
    ],
)
def test_even_with_the_key_there_is_no_shell(lab: LiveLab, options: tuple[str, ...], complaint: str) -> None:
    """Whoever steals the key gets the one forward of HTTPS and nothing else."""
    since = lab.mark()
    arguments = [word for word in options if word not in ("true", "sftp")]
    command = [word for word in options if word in ("true", "sftp")]
    output = ssh(lab, "-i", stolen_key(lab), "-o", "ExitOnForwardFailure=yes", *arguments, command=command)
    assert complaint in output.err, output.err
    assert output.code != 0 and not output.out
    assert not lab.seen("ssh.tunnel", "expe", since=since, state="up")


def test_even_with_the_key_nothing_is_reached_from_the_edge(lab: LiveLab) -> None:
    output = ssh(lab, "-i", stolen_key(lab), "-W", f"{lab.address('ucm-pub')}:8443")
    assert "administratively prohibited" in output.err or "open failed" in output.err, output.err
    assert output.code == 255


def test_the_firewall_closes_the_port_from_outside(lab: LiveLab) -> None:
    since = lab.mark()
    # The reset comes at once: while the kernel still tells of the connection, or just after.
    with pytest.raises(ConnectionResetError), socket.create_connection((lab.edge, 2222), timeout=5) as stranger:
        stranger.recv(4096)
    entry = lab.expect("firewall.blocked", since=since, firewall="external", port=2222)
    assert (entry.peer, entry.event.zone) == ("expe", "internet")
    assert not lab.seen("ssh.tunnel", since=since, state="up")
