"""The command set, in process and over HTTP: the same replies, the same refusals."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from edgesim.control import (
    AddFault,
    Carrier,
    Command,
    ControlError,
    ControlServer,
    Crash,
    Describe,
    Faults,
    Freeze,
    Heal,
    Hosts,
    HttpCarrier,
    InProcess,
    LabGone,
    MakeRequest,
    Netstat,
    Partition,
    RemoveFault,
    RestartHost,
    RestartService,
    SignRequest,
    SkewClock,
    StartHost,
    Status,
    StopHost,
    Tail,
    Thaw,
    UploadCertificate,
    UploadTrust,
    Zones,
)
from edgesim.control.coding import command_from_json
from edgesim.deployment import builtin, load_text
from edgesim.journal import Bounds, Journal, events
from edgesim.lab import RunningLab
from edgesim.world.live import LiveWorld
from edgesim.world.sim import SimWorld
from tests.control.players import Story, in_process, over_http
from tests.journal.disks import Disk


def test_looking(play: Callable[[Story], None]) -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        status = await ask.ask(Status())
        assert status.deployment == "small" and status.hosts_up == status.hosts and not status.problems
        hosts = (await ask.ask(Hosts())).hosts
        assert [host.name for host in hosts] == list(lab.nodes)
        assert all(host.state == "up" and host.incarnation == 1 for host in hosts)
        rows = (await ask.ask(Netstat(host="expe"))).rows
        assert {row.host for row in rows} == {"expe"}
        assert {row.local[1] for row in rows if row.state == "LISTEN"} >= {8443, 5061, 5222, 7001, 2222, 7400}
        zones = (await ask.ask(Zones())).zones
        assert {(zone.host, zone.zone) for zone in zones} >= {("expc", "UCTraversal"), ("expe", "UCTraversal")}
        text = (await ask.ask(Describe())).text
        assert load_text(text).user("alice").password == "alice-secret"

    play(story)


def test_a_reply_holds_only_so_much_of_the_journal(play: Callable[[Story], None]) -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        start = len(lab.journal)
        for _ in range(40):
            lab.journal.record("scenario", events.Note(text="n"), payload=b"\n" * 60_000)
        found: list[str] = []
        replies, after = 0, start
        while len(found) < 40:
            reply = await ask.ask(Tail(after=after, limit=40 - len(found)))
            assert sum(map(len, reply.lines)) < 1_200_000
            found += reply.lines
            after, replies = reply.next, replies + 1
        assert [json.loads(line)["order"] for line in found] == list(range(start, start + 40))
        assert replies == 5

    play(story)


def test_the_journal_cannot_be_written_and_the_lab_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk().install(monkeypatch)
    world = SimWorld(1)
    journal = Journal(world, spool="j", bounds=Bounds(held=1_000))
    lab = RunningLab(world, builtin("small"), journal=journal)

    async def main() -> None:
        ask = InProcess(lab)
        await lab.start()
        zones = (await ask.ask(Zones())).zones
        journal.flush()
        disk.room = disk.used
        await lab.crash("expc")
        await lab.start_host("expc")
        await lab.settle()
        journal.flush()
        status = await ask.ask(Status())
        (problem,) = status.problems
        assert problem.startswith("the journal cannot be written: No space left on device (j); ")
        assert (await ask.ask(Zones())).zones == zones, "zones are known though the journal is not"
        disk.room = 10**9
        journal.flush()
        assert (await ask.ask(Status())).problems == ()
        assert len(journal.select(kind="journal.gap")) == 1
        await lab.stop()

    world.run(main())


def test_the_journal_is_read_on_from_where_one_was(play: Callable[[Story], None]) -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        first = await ask.ask(Tail(after=0, limit=3))
        assert [json.loads(line)["order"] for line in first.lines] == [0, 1, 2]
        second = await ask.ask(Tail(after=first.next, limit=2))
        assert [json.loads(line)["order"] for line in second.lines] == [3, 4]
        end = await ask.ask(Tail(limit=1))
        assert end.next == len(lab.journal)
        assert (await ask.ask(Tail(after=10**9))).lines == ()

    play(story)


def test_hosts_crash_start_stop_and_restart(play: Callable[[Story], None]) -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        assert (await ask.ask(Crash(host="ucm-sub"))).text == "ucm-sub is crashed"
        status = await ask.ask(Status())
        assert status.hosts_up == status.hosts - 1 and "ucm-sub is crashed" in status.problems
        with pytest.raises(ControlError, match="ucm-sub is crashed"):
            await ask.ask(Crash(host="ucm-sub"))
        assert (await ask.ask(StartHost(host="ucm-sub"))).text == "ucm-sub is up"
        with pytest.raises(ControlError, match="ucm-sub is up"):
            await ask.ask(StartHost(host="ucm-sub"))
        assert (await ask.ask(StopHost(host="ucm-sub"))).text == "ucm-sub is stopped"
        assert (await ask.ask(RestartHost(host="ucm-sub"))).text == "ucm-sub is up"
        assert lab.world.hosts["ucm-sub"].incarnation == 3
        with pytest.raises(ControlError, match="no host 'nobody'; known: dns-inside"):
            await ask.ask(Crash(host="nobody"))

    play(story)


def test_paths_are_cut_and_healed(play: Callable[[Story], None]) -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        await ask.ask(Partition(one="expc", other="expe"))
        assert lab.world.paths.cut("expc", "expe") and lab.world.paths.cut("expe", "expc")
        assert "is open" in (await ask.ask(Heal(one="expc", other="expe"))).text
        assert not lab.world.paths.cut("expc", "expe")
        with pytest.raises(ControlError, match="itself"):
            await ask.ask(Partition(one="expc", other="expc"))

    play(story)


def test_faults_come_and_go(play: Callable[[Story], None]) -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        wanted = AddFault(kind="rewrite", target="expe", port=8443, find="grün".encode(), replace=b"", times=3)
        number = (await ask.ask(wanted)).number
        (row,) = (await ask.ask(Faults())).faults
        assert (row.number, row.kind) == (number, "rewrite")
        assert "any host to expe, port 8443" in row.text and "3 times at most" in row.text
        (rule,) = [rule for _, rule in lab.world.faults.rules()]
        assert getattr(rule, "find", b"") == "grün".encode()
        await ask.ask(RemoveFault(number=number))
        assert (await ask.ask(Faults())).faults == ()
        with pytest.raises(ControlError, match="no fault 77 is in force; in force: none"):
            await ask.ask(RemoveFault(number=77))
        with pytest.raises(ControlError, match="rewrite requires find and replace"):
            await ask.ask(AddFault(kind="rewrite"))
        with pytest.raises(ControlError, match="no host 'nobody'"):
            await ask.ask(AddFault(kind="drop-message", target="nobody"))

    play(story)


def test_what_a_world_lacks_is_refused_in_words() -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        with pytest.raises(ControlError, match="not supported by this world: freeze a host"):
            await ask.ask(Freeze(host="expe"))
        with pytest.raises(ControlError, match="the live world does not support delay"):
            await ask.ask(AddFault(kind="delay", delay_ms=5))

    over_http(story)


def test_a_clock_is_put_wrong_and_right_again() -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        clock, right = lab.node("expe").host.clock, lab.node("expc").host.clock
        assert (await ask.ask(SkewClock(host="expe", seconds=90))).text == "the clock of expe is 90 s ahead"
        assert clock.time() - right.time() == pytest.approx(90, abs=1)
        assert (await ask.ask(SkewClock(host="expe", seconds=-0.5))).text == "the clock of expe is 0.5 s behind"
        assert (await ask.ask(SkewClock(host="expe", seconds=0))).text == "the clock of expe is right"
        assert clock.time() == pytest.approx(right.time(), abs=1)
        with pytest.raises(ControlError, match="no host 'nobody'"):
            await ask.ask(SkewClock(host="nobody", seconds=1))

    over_http(story)


def test_a_simulated_host_freezes_and_thaws() -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        assert (await ask.ask(Freeze(host="ucm-sub"))).text == "ucm-sub is frozen"
        assert (await ask.ask(Thaw(host="ucm-sub"))).text == "ucm-sub is up"
        await ask.ask(AddFault(kind="delay", delay_ms=5, seconds=9))
        (row,) = (await ask.ask(Faults())).faults
        assert row.text == "5 ms, for 9 s more"

    in_process(story)


def test_certificates_are_asked_for_signed_uploaded_and_counted_after_a_restart(play: Callable[[Story], None]) -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        made = await ask.ask(MakeRequest(host="expc"))
        assert made.service == "server" and dict(made.names)["DNS:expc.inside.example.com"] == "FQDN of the host"
        bad = await ask.ask(SignRequest(pem=made.pem, by="enterprise", strip=("client auth",)))
        refused = await ask.ask(UploadCertificate(host="expc", pem=bad.text))
        assert not refused.accepted and "wants clientAuth" in refused.reasons[0]
        before = lab.node("expc").identities["server"].fingerprint
        good = await ask.ask(SignRequest(pem=made.pem, by="private"))
        elsewhere = await ask.ask(UploadCertificate(host="expe", pem=good.text))
        assert not elsewhere.accepted and "private keys" in elsewhere.reasons[0]
        assert (await ask.ask(UploadCertificate(host="expc", pem=good.text))).accepted
        assert (await ask.ask(UploadTrust(host="expe", store="trusted-ca", ca="private"))).accepted
        assert (await ask.ask(UploadTrust(host="ucm-pub", store="tomcat-trust", pem=good.text))).accepted
        assert lab.node("expc").identities["server"].fingerprint == before
        await ask.ask(RestartHost(host="expc"))
        assert lab.node("expc").identities["server"].fingerprint != before
        assert (await ask.ask(RestartService(host="ucm-pub", service="tomcat"))).text == (
            "Cisco Tomcat of ucm-pub was restarted"
        )
        told = [entry.event.as_json() for entry in lab.journal.select(kind="certificate.upload")]
        assert [(each["store"], each["accepted"]) for each in told] == [
            ("server", False), ("server", False), ("server", True), ("trusted-ca", True), ("tomcat-trust", True),
        ]  # fmt: skip

    play(story)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (RestartService(host="expe", service="Tomcat"), "expe: it restarts as a whole"),
        (RestartService(host="ucm-pub", service="XCP Router"), "known: Cisco Tomcat, Cisco CallManager"),
        (MakeRequest(host="dns-inside"), "dns-inside has no certificates"),
        (MakeRequest(host="expc", service="client"), "comes with Expressway X15.5"),
        (SignRequest(pem="nothing"), "PEM"),
        (SignRequest(pem="", by="nobody"), "no authority 'nobody'"),
        (UploadCertificate(host="expc"), "expected either a certificate in PEM"),
        (UploadCertificate(host="expc", pem="", copied=True), "expected either a certificate in PEM"),
        (UploadCertificate(host="expc", pem="nothing"), "no certificates"),
        (UploadCertificate(host="expc", service="tomcat", pem=""), "known: server, client"),
        (UploadTrust(host="expc", store="trusted-ca"), "expected either the name of one of the lab's CAs"),
        (UploadTrust(host="expc", store="trusted-ca", ca="nobody"), "no CA 'nobody'"),
        (UploadTrust(host="expc", store="tomcat-trust", ca="private"), "known: trusted-ca"),
        (UploadTrust(host="expc", store="trusted-ca", pem="nothing"), "no certificates"),
    ],
    ids=str,
)
def test_what_cannot_be_done_to_certificates(command: Command[Any], told: str) -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        with pytest.raises(ControlError, match=re.escape(told)):
            await ask.ask(command)
        assert lab.journal.select(kind="certificate.upload") == []

    in_process(story)


def test_no_client_signs_in_on_a_host_that_is_down() -> None:
    async def story(ask: Carrier, lab: RunningLab) -> None:
        await ask.ask(Crash(host="ucm-pub"))
        wanted: tuple[Command[Any], ...] = (
            MakeRequest(host="ucm-pub"),
            RestartService(host="ucm-pub", service="Tomcat"),
            UploadTrust(host="ucm-pub", store="tomcat-trust", ca="private"),
        )
        for command in wanted:
            with pytest.raises(ControlError, match="ucm-pub is crashed"):
                await ask.ask(command)

    in_process(story)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "expected an object"),
        (b"{}", "known: add-ca, add-contact"),
        (b'{"command":"explode"}', "unknown command 'explode'"),
        (b'{"command":["status"]}', "unknown command"),
        (b'{"command":"crash"}', "crash: host"),
        (b'{"command":"crash","host":7}', "crash: host"),
        (b'{"command":"crash","host":"a","now":true}', "crash: now"),
        (b'{"command":"tail","limit":0}', "tail: limit"),
        (b'{"command":"skew","host":"a"}', "skew: seconds"),
        (b'{"command":"skew","host":"a","seconds":1e10}', "skew: seconds"),
        (b'{"command":"add-fault","kind":"earthquake"}', "add-fault: kind"),
        (b'{"command":"sign","pem":"","strip":["everything"]}', "sign: strip"),
        (b'{"command":"upload-trust","host":"a","store":"b","pem":"' + b"x" * 65_537 + b'"}', "upload-trust: pem"),
    ],
)
def test_invalid_commands_are_reported_by_field(body: bytes, told: str) -> None:
    with pytest.raises(ControlError, match=told):
        command_from_json(body)


def test_a_status_counts_errors_of_edgesim_itself() -> None:
    async def story(carrier: Carrier, lab: RunningLab) -> None:
        for number in range(20):
            lab.world.unhandled.add({"message": f"callback {number}", "exception": KeyError("gone")})
        status = await carrier.ask(Status())
        assert status.errors == 20
        assert status.last_errors == tuple(f"callback {number}: KeyError: 'gone'" for number in range(15, 20))
        assert "20 unhandled errors, the last: callback 19: KeyError: 'gone'" in status.problems

    in_process(story)


def served(talk: Callable[[ControlServer], Coroutine[Any, Any, None]]) -> None:
    """Let something talk to a control server whose lab never started."""
    world = LiveWorld(1)
    lab = RunningLab(world, builtin("small"))

    async def main() -> None:
        server = ControlServer(world, InProcess(lab), "the-token")
        await server.start()
        await talk(server)
        assert len(lab.journal) == 0, "nothing of the control server is of the lab"
        await server.close()

    world.run(main())


def test_only_the_token_opens_the_door() -> None:
    async def talk(server: ControlServer) -> None:
        for token in ("x", "the-toke", "the-token2", "THE-TOKEN"):
            with pytest.raises(ControlError, match="the token of the lab is required"):
                await HttpCarrier(server.url, token).ask(Status())
        assert (await HttpCarrier(server.url, "the-token").ask(Status())).hosts_up == 0

    served(talk)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:{port}"}, 200),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Host": "lab.example.com:{port}"}, 403),
        ({"Host": "127.0.0.1"}, 403),
        ({"Origin": "http://lab.example.com:{port}"}, 403),
        ({"Origin": "null"}, 403),
        ({"Authorization": "Bearer another"}, 401),
        ({"Authorization": "Basic the-token"}, 401),
        ({"Authorization": "bearer  the-token"}, 200),
    ],
)
def test_a_page_of_another_site_is_refused_though_it_knows_the_token(headers: dict[str, str], status: int) -> None:
    """What a browser sends after a name was rebound to 127.0.0.1: the other site's Host and Origin."""

    async def talk(server: ControlServer) -> None:
        sent = {"Host": "127.0.0.1:{port}", "Authorization": "Bearer the-token", "Content-Length": "20", **headers}
        head = "".join(f"{name}: {value.format(port=server.port)}\r\n" for name, value in sent.items())
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(f'POST /v1/command HTTP/1.1\r\n{head}\r\n{{"command":"status"}}'.encode())
        assert (await reader.readline()).split(b" ")[1] == str(status).encode()
        writer.close()

    served(talk)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /v1/command HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer the-token\r\n\r\n", b"405"),
        (
            b"POST /other HTTP/1.1\r\nHost: localhost:%d\r\nAuthorization: Bearer the-token\r\n"
            b"Content-Length: 0\r\n\r\n",
            b"404",
        ),
        (b"POST /v1/command HTTP/1.1\r\nHost: localhost:%d\r\nContent-Length: 2\r\n\r\n{}", b"401"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
def test_what_the_server_refuses(request_: bytes, status: bytes) -> None:
    async def talk(server: ControlServer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request_ % server.port if b"%d" in request_ else request_)
        assert (await reader.readline()).split(b" ")[1] == status
        writer.close()

    served(talk)


def test_a_lab_that_is_gone_is_reported() -> None:
    async def ask(url: str) -> None:
        await HttpCarrier(url, "the-token", patience=2).ask(Status())

    with pytest.raises(LabGone, match=r"no lab answers at 127\.0\.0\.1:9"):
        asyncio.run(ask("http://127.0.0.1:9/v1/command"))
