"""What an endpoint does with octets that are not SIP, and with messages that are unsound."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from edgesim.journal import events
from tests.sip.endpoint_lab import UCM, Lab, lab_run
from tests.sip.test_framing import phone_register

HOSTILE = [
    (b"\xff\xfe\xfd", None),
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", None),
    (phone_register().replace(b"Content-Length: 1313", b"Content-Length: 1313\r\nl: 1"), 400),
    (phone_register().replace(b"Content-Length: 1313\r\n", b""), 400),
    (phone_register().replace(b"Content-Length: 1313", b"Content-Length: 99999"), 413),
    (phone_register().replace(b"Expires: 3600", b"Expires: " + b"9" * 40_000), 513),
]


FAULTY_START = [
    (b"REGISTER sip:10.0.40.11 SIP/3.0", 505),
    (b"REGISTER sip:10.0.40.11 SIP/2.0 ", 400),
    (b"REGISTER  sip:10.0.40.11 SIP/2.0", 400),
    (b"REGISTER sip:10.0.40.11; lr SIP/2.0", 400),
    (b"REGISTER sip:10.0.40.11 SIP/two", 400),
    (b"SIP/2.0 1000 Beyond", None),
    (b"SIP/7.0 200 OK", None),
]
"""Start lines that are wrong, above header lines that are sound, and how the request is answered."""


@pytest.mark.parametrize(("start", "status"), FAULTY_START)
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_faulty_start_line_costs_its_message_and_not_the_connection(
    start: bytes, status: int | None, transport: Any
) -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060, transport)
        version = start.rpartition(b" ")[2]
        data = phone_register().replace(b"REGISTER sip:10.0.40.11 SIP/2.0", start, 1)
        if version.startswith(b"SIP/3"):
            data = data.replace(b"Via: SIP/2.0", b"Via: SIP/3.0", 1)  # such a client writes it there as well
        connection.send_raw(data)
        if transport == "tcp":
            connection.send_raw(data[:-5])
            await asyncio.sleep(0.1)
            connection.send_raw(data[-5:])
        await asyncio.sleep(1)
        done = [entry.event.answer for entry in lab.entries(events.Malformed) if entry.node == "ucm-pub"]
        assert done == [f"answered {status}" if status else "ignored"] * (2 if transport == "tcp" else 1)
        if transport == "tcp" and b"SIP/3" not in start:
            assert [item.status for item in lab.stray] == [status] * (2 if status else 0)
        assert (await lab.phone.request(lab.ask(transport=transport.upper()), connection)).status == 200
        assert len(lab.seen) == 1

    lab_run(main)


def test_a_quoted_nul_is_read_and_a_bare_one_is_not() -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060)
        good = lab.ask(Subject='"a\\\0b"')
        assert (await lab.phone.request(good, connection)).status == 200
        connection.send_raw(bytes(lab.ask(Subject="a\0b")))
        await connection.wait_closed()
        assert [item.status for item in lab.stray] == [400]

    lab_run(main)


@pytest.mark.parametrize(("data", "status"), HOSTILE)
def test_a_stream_that_is_not_sip_is_closed_and_disturbs_no_other_connection(data: bytes, status: int | None) -> None:
    async def main(lab: Lab) -> None:
        good = await lab.phone.connect(UCM, 5060)
        bad = await lab.phone.connect(UCM, 5060)
        bad.send_raw(data)
        await bad.wait_closed()
        assert [item.status for item in lab.stray] == ([status] if status else [])
        [entry] = lab.entries(events.Malformed)
        assert entry.payload
        assert entry.event.answer.endswith("closed the connection")
        assert (await lab.phone.request(lab.ask(), good)).status == 200

    lab_run(main)


@pytest.mark.parametrize("header", [b"From", b"To", b"Call-ID", b"CSeq", b"Via"])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_invalid_messages_are_answered_and_the_connection_stays(header: bytes, transport: Any) -> None:
    async def main(lab: Lab) -> None:
        connection = await lab.phone.connect(UCM, 5060, transport)
        data = phone_register().replace(b"\r\n" + header + b": ", b"\r\nX-" + header + b": ", 1)
        connection.send_raw(data)
        await asyncio.sleep(1)
        reasons = [entry.event.reason for entry in lab.entries(events.Malformed)]
        assert reasons[0] == f"missing {header.decode()}"
        assert (await lab.phone.request(lab.ask(transport=transport.upper()), connection)).status == 200

    lab_run(main)


def test_garbage_over_udp_is_journalled() -> None:
    async def main(lab: Lab) -> None:
        flow = await lab.phone.connect(UCM, 5060, "udp")
        flow.send_raw(b"\xff\xff")
        flow.send_raw(b"\r\n\r\n")
        flow.send_raw(b"\x00\x01\x00\x00")
        await asyncio.sleep(1)
        assert [entry.event.answer for entry in lab.entries(events.Malformed)] == ["ignored", "ignored"]

    lab_run(main)
