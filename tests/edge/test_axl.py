"""AXL messages: round trips, the forms that public clients know, and hostile bodies."""

from __future__ import annotations

from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.edge import axl
from edgesim.edge import axl_messages as messages
from tests.fuzz import fuzzed

REQUESTS: list[messages.Request] = [
    messages.GetCCMVersion(),
    messages.GetCCMVersion(process_node="ucm-pub"),
    messages.ListProcessNode(),
    messages.ExecuteSQLQuery(
        sql="select paramvalue from processconfig where paramname='ClusterSecurityMode' and 1 < 2"
    ),
    messages.AddExpresswayC(host="expc", description="the & C", subject="expc.inside.example.com"),
    messages.UpdateExpresswayC(host="expc", subject="expc2.inside.example.com"),
    messages.RemoveExpresswayC(host="expc"),
    messages.ListExpresswayC(),
    messages.GetCallManager(name="CM_ucm-pub"),
    messages.ListCallManager(),
    messages.ListProcessNodeService(),
]

ANSWERS: list[tuple[messages.Request, messages.Response]] = [
    (REQUESTS[0], messages.CcmVersion(version="14.0.1.11900-132")),
    (
        REQUESTS[2],
        messages.ProcessNodes(
            nodes=(
                messages.ProcessNode(name=messages.ENTERPRISE_WIDE_DATA, uuid="{0}"),
                messages.ProcessNode(name="ucm-pub.inside.example.com", usage="Publisher", uuid="{1}"),
                messages.ProcessNode(name="imp-pub.inside.example.com", role="CUCM IM and Presence", uuid="{2}"),
            )
        ),
    ),
    (REQUESTS[3], messages.Rows(rows=((("paramvalue", "1"),), (("paramvalue", ""),)))),
    (REQUESTS[4], messages.Stored(uuid="{3B0C}")),
    (REQUESTS[7], messages.ExpresswayCs(entries=(messages.ExpresswayC(host="expc", subject="a,b", uuid="{4}"),))),
    (
        REQUESTS[8],
        messages.CallManager(name="CM_ucm-pub", node="ucm-pub", phone_port=2000, sip_port=5060, secure_sip_port=5061),
    ),
    (REQUESTS[9], messages.CallManagers(call_managers=(messages.CallManager(name="CM_ucm-pub", node="ucm-pub"),))),
    (
        REQUESTS[10],
        messages.ProcessNodeServices(
            services=(messages.ProcessNodeService(node="ucm-pub", service="Cisco Tftp", active=False, uuid="{5}"),)
        ),
    ),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_requests_read_back(request_: messages.Request) -> None:
    assert axl.read_request(axl.write_request(request_, "14.0")) == (request_, "14.0")


@pytest.mark.parametrize(("request_", "answer"), ANSWERS)
def test_answers_read_back(request_: messages.Request, answer: messages.Response) -> None:
    assert axl.read_response(axl.write_response(request_, answer, "14.0"), type(answer)) == answer


def test_answer_has_the_form_that_public_clients_parse() -> None:
    answer = messages.Rows(rows=((("count", "2"),),))
    assert axl.write_response(REQUESTS[3], answer, "12.5") == (
        b"<?xml version='1.0' encoding='UTF-8'?>"
        b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
        b'<ns:executeSQLQueryResponse xmlns:ns="http://www.cisco.com/AXL/API/12.5"><return><row><count>2</count></row>'
        b"</return></ns:executeSQLQueryResponse></soapenv:Body></soapenv:Envelope>"
    )
    assert axl.soap_action(REQUESTS[3], "12.5") == "CUCM:DB ver=12.5 executeSQLQuery"


def test_only_nodes_count_as_servers() -> None:
    nodes = ANSWERS[1][1]
    assert isinstance(nodes, messages.ProcessNodes)
    assert [node.name for node in nodes.servers] == ["ucm-pub.inside.example.com", "imp-pub.inside.example.com"]
    assert [node.is_call_processing for node in nodes.servers] == [True, False]


def test_a_fault_is_raised_where_the_answer_is_read() -> None:
    body = axl.write_fault(axl.AxlFault(201, "A syntax error has occurred.", "executeSQLQuery"))
    assert b"<faultcode>soapenv:Server</faultcode>" in body
    with pytest.raises(axl.AxlFault, match="syntax error") as caught:
        axl.read_response(body, messages.Rows)
    assert (caught.value.code, caught.value.request) == (201, "executeSQLQuery")
    duplicate = axl.write_fault(axl.AxlFault(-239, "duplicate", "addExpresswayCConfiguration", "Client"))
    with pytest.raises(axl.AxlFault) as caught:
        axl.read_response(duplicate, messages.Stored)
    assert (caught.value.code, caught.value.side) == (-239, "Client")


def test_methods_outside_the_subset_are_named() -> None:
    body = axl.write_request(REQUESTS[0], "14.0").replace(b"getCCMVersion", b"removePhone")
    with pytest.raises(axl.UnknownMethod) as caught:
        axl.read_request(body)
    assert (caught.value.method, caught.value.version) == ("removePhone", "14.0")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<a/>",
        axl.write_request(REQUESTS[0], "14.0").replace(b"AXL/API", b"OTHER/API"),
        axl.write_request(REQUESTS[0], "14.0").replace(b"schemas.xmlsoap.org", b"example.com"),
        axl.write_request(messages.ExecuteSQLQuery(sql="x"), "14.0").replace(b"<sql>x</sql>", b""),
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + axl.write_request(REQUESTS[0], "14.0"),
    ],
)
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(axl.AxlError):
        axl.read_request(body)


SEEDS = [axl.write_request(item, "14.0") for item in REQUESTS] + [
    axl.write_response(request, answer, "14.0") for request, answer in ANSWERS
]


@fuzzed
@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda seed, cut, add: seed[: cut % len(seed)] + add + seed[cut % len(seed) + len(add) :],
            st.sampled_from(SEEDS),
            st.integers(0, 2000),
            st.binary(max_size=6),
        ),
    )
)
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with suppress(axl.AxlError):
        axl.read_request(body)
    for expected in get_args(messages.Response):
        try:
            axl.read_response(body, expected)
        except (axl.AxlError, axl.AxlFault):
            continue
