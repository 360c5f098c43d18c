"""RFC 4475 against the parsers: valid messages are parsed and reproduced, others are refused."""

from __future__ import annotations

import itertools

from edgesim.sip import Framer, Request, Response, SipProtocolError, parse_message
from edgesim.sip.admission import check_uri
from tests.each import holds_for_each
from tests.sip.settings import LIMITS
from tests.sip.torture import MESSAGES, Torture

BY_NAME = {each.name: each for each in MESSAGES}


def read(torture: Torture) -> Request | Response:
    """Read a message as a datagram, with the headers that every message has. Raises `SipProtocolError`."""
    message = parse_message(torture.octets)
    message.check()
    return message


def test_they_are_all_here() -> None:
    assert len(MESSAGES) == 49
    assert len({each.section for each in MESSAGES}) == 49


def refusal(torture: Torture) -> int | None:
    """Return how a user of all parts of a message refuses it: a status, 0 for silence, None if it is valid."""
    try:
        message = read(torture)
        _ = (message.contacts, message.to, message.routes)
        if message.cseq.method == "REGISTER":
            _ = message.to.address
    except SipProtocolError as error:
        return error.status or 0
    return check_uri(message.uri, ("sip", "sips")) if isinstance(message, Request) else None


def as_a_datagram(name: str) -> None:
    """A message is read as it is, or refused with a status that its section allows."""
    torture = BY_NAME[name]
    if torture.name in ("bigcode", "scalarlg"):
        assert refusal(torture) in (0, 400)  # a response is dropped, whatever its fault
    elif torture.answers in ((400,), (505,), (416,)):
        assert refusal(torture) in torture.answers
    else:
        assert refusal(torture) in (None, *torture.answers)
    if refusal(torture) is None:
        message = read(torture)
        assert torture.octets.startswith(bytes(message))
        assert torture.name == "dblreq" or bytes(message) == torture.octets


def on_a_stream(name: str, step: int) -> None:
    """Messages before and after it on a stream are parsed, unless its end cannot be known."""
    torture = BY_NAME[name]
    good = BY_NAME["semiuri"].octets
    stream = good + torture.octets + (b"" if torture.name in ("dblreq", "inv2543") else good)
    framer, whole, faults = Framer(LIMITS), [], 0
    for start in range(0, len(stream), step):
        framer.receive(stream[start : start + step])
        while True:
            try:
                event = framer.next_event()
            except SipProtocolError as error:
                faults += 1
                if not error.framed:
                    break
                continue
            if event is None:
                break
            whole.append(event)
    if torture.framing == "kept":
        assert framer.buffered == 0
        assert bytes(whole[0]) == good
        assert torture.name == "dblreq" or bytes(whole[-1]) == good
    else:
        assert [bytes(one) for one in whole] == [good]
        assert (faults > 0) is (torture.framing == "lost")


def test_each_message_as_a_datagram() -> None:
    holds_for_each(as_a_datagram, ((name,) for name in BY_NAME))


def test_each_message_on_a_stream() -> None:
    holds_for_each(on_a_stream, itertools.product(BY_NAME, (1, 13, 100_000)))


def test_what_their_parts_say() -> None:
    wsinv, intmeth = read(BY_NAME["wsinv"]), read(BY_NAME["intmeth"])
    assert isinstance(wsinv, Request)
    assert (wsinv.cseq.number, wsinv.to.tag, wsinv.from_.tag) == (9, "1918181833n", "98asjd8")
    assert wsinv.from_.display == '"J Rosenberg \\\\\\""'
    assert [value.split()[-1] for value in ("".join(via.split()) for via in wsinv.values("Via"))] == [
        "SIP/2.0/UDP192.0.2.2;branch=390skdjuw",
        "SIP/2.0/TCPspindle.example.com;branch=z9hG4bK9ikj8",
        "SIP/2.0/UDP192.168.255.111;branch=z9hG4bK30239",
    ]
    assert wsinv.contacts[0].parameters.get("newparam") == "newvalue"
    assert isinstance(intmeth, Request)
    assert intmeth.to.display == '"BEL:\\\a NUL:\\\0 DEL:\\\x7f"'
    assert intmeth.from_.tag == "_token~1'+`*%!-."
    assert intmeth.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert intmeth.get("extensionHeader-!.%*+_`'~") == "\ufeff大停電"
    esc02 = read(BY_NAME["esc02"])
    assert [contact.address.user for contact in esc02.contacts] == ["alias1", "alias3"]
    semiuri = read(BY_NAME["semiuri"])
    assert isinstance(semiuri, Request)
    assert read(BY_NAME["unreason"]).reason.startswith("= 2**3 * 5**2 но сто")
    assert read(BY_NAME["noreason"]).reason == ""
    assert read(BY_NAME["mpart01"]).body.count(b"\0") > 0
    one, two = read(BY_NAME["cparam01"]).contacts[0], read(BY_NAME["cparam02"]).contacts[0]
    assert ("unknownparam" in one.parameters, "unknownparam" in two.parameters) == (True, False)
