"""SOAP documents: the requests to the octet, and strict reading both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.xmpp import soap
from tests.fuzz import fuzzed

LOGIN = b"""<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope"
 xmlns:SOAP-ENC="http://www.w3.org/2003/05/soap-encoding"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema"
 xmlns:ns1="urn:cisco:epas:soap">
 <SOAP-ENV:Body><ns1:login client-version="9.7.0.18474" client-type="CUPC" force="true"><ns1:username>joe</ns1:username>
 <ns1:password>secret</ns1:password>
 </ns1:login></SOAP-ENV:Body>
</SOAP-ENV:Envelope>
"""
ENVELOPE = (
    '<soapenv:Envelope xmlns:soapenv="http://www.w3.org/2003/05/soap-envelope" '
    'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns:epas="urn:cisco:epas:soap" xmlns="urn:cisco:epas:soap">\n'
    " <soapenv:Header><session-key>K</session-key></soapenv:Header>\n"
    " <soapenv:Body>{}</soapenv:Body>\n"
    "</soapenv:Envelope>\n"
)
CONFIG = (
    '<get-all-config><system-config/><user-config/><federated-domains auth-policy="all"/>'
    "<non-presence-aware-contacts/><contact-info/></get-all-config>"
)


def test_requests_are_those_of_public_clients_to_the_octet() -> None:
    assert soap.login_request("joe", "secret", client_type="CUPC") == LOGIN
    assert soap.get_all_config_request("K") == ENVELOPE.format(CONFIG).encode()
    assert soap.get_onetime_password_request("K") == ENVELOPE.format("<get-onetime-password/>").encode()


def test_requests_are_read() -> None:
    assert soap.parse_request(LOGIN) == soap.Login(username="joe", password="secret", client_type="CUPC")
    assert soap.parse_request(soap.get_all_config_request("K")) == soap.GetAllConfig(session_key="K")
    assert soap.parse_request(soap.get_onetime_password_request("K")) == soap.GetOnetimePassword(session_key="K")


def test_responses_are_read() -> None:
    assert soap.parse_response(soap.login_response("K")) == soap.LoggedIn(session_key="K")
    assert soap.parse_response(soap.password_response("P")) == soap.OnetimePassword(password="P")
    answer = soap.parse_response(soap.config_response({"Presence.Domain": "example.com"}, {"a": "b"}))
    assert answer == soap.AllConfig(system={"Presence.Domain": "example.com"}, user={"a": "b"})
    assert soap.parse_response(soap.failure_response("login", -1, "x & y", element="failure")) == soap.Failure(
        text="x & y", code="-1"
    )
    assert soap.parse_response(soap.fault("why")) == soap.Failure(text="why", code="env:Sender")
    other = soap.failure_response("login", 1, "x", element="other")
    assert soap.parse_response(other) == soap.Failure(text="no success element in the response")


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<x/>",
        b"\xff\xfe",
        LOGIN.replace(b"UTF-8", b"utf-99"),
        LOGIN.replace(b"soap-envelope", b"soap-envelop"),
        LOGIN.replace(b"username", b"user"),
        LOGIN.replace(b"login", b"logon"),
        LOGIN + b" " * 70_000,
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + LOGIN[39:],
        b"<!DOCTYPE a SYSTEM 'http://example.com/x'>" + LOGIN[39:],
        b"<a>" * 5_000,
        b"<a>" * 5_000 + b"</a>" * 5_000,
    ],
)
def test_an_invalid_request_is_refused(document: bytes) -> None:
    with pytest.raises(soap.SoapError):
        soap.parse_request(document)


text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)


@fuzzed
@given(user=text, password=text)
def test_what_is_written_is_read_back(user: str, password: str) -> None:
    written = soap.login_request(user, password, client_type="CUPC")
    assert soap.parse_request(written) == soap.Login(username=user, password=password, client_type="CUPC")


@fuzzed
@given(position=st.integers(0, len(LOGIN)), cut=st.integers(0, 40), inserted=st.binary(max_size=12))
def test_damaged_documents_are_read_or_refused(position: int, cut: int, inserted: bytes) -> None:
    document = LOGIN[:position] + inserted + LOGIN[position + cut :]
    for parse in (soap.parse_request, soap.parse_response):
        try:
            parse(document)
        except soap.SoapError:
            continue
