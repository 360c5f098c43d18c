"""AXL messages: round trips, the forms that public clients know, and hostile bodies."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.edge import axl
from tests.fuzz import fuzzed

REQUESTS: list[axl.Request] = [
    axl.GetCCMVersion(),
    axl.GetCCMVersion(process_node="ucm-pub"),
    axl.ListProcessNode(),
    axl.ExecuteSQLQuery(sql="select paramvalue from processconfig where paramname='ClusterSecurityMode' and 1 < 2"),
    axl.AddExpresswayC(host="expc", description="the & C", subject="expc.inside.example.com"),
    axl.UpdateExpresswayC(host="expc", subject="expc2.inside.example.com"),
    axl.RemoveExpresswayC(host="expc"),
    axl.ListExpresswayC(),
]

ANSWERS: list[tuple[axl.Request, axl.Response]] = [
    (REQUESTS[0], axl.CcmVersion(version="14.0.1.11900-132")),
    (
        REQUESTS[2],
        axl.ProcessNodes(
            nodes=(
                axl.ProcessNode(name=axl.ENTERPRISE_WIDE_DATA, uuid="{0}"),
                axl.ProcessNode(name="ucm-pub.inside.example.com", usage="Publisher", uuid="{1}"),
                axl.ProcessNode(name="imp-pub.inside.example.com", role="CUCM IM and Presence", uuid="{2}"),
            )
        ),
    ),
    (REQUESTS[3], axl.Rows(rows=((("paramvalue", "1"),), (("paramvalue", ""),)))),
    (REQUESTS[4], axl.Stored(uuid="{3B0C}")),
    (REQUESTS[7], axl.ExpresswayCs(entries=(axl.ExpresswayC(host="expc", subject="a,b", uuid="{4}"),))),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_requests_read_back(request_: axl.Request) -> None:
    assert axl.read_request(axl.write_request(request_, "14.0")) == (request_, "14.0")


@pytest.mark.parametrize(("request_", "answer"), ANSWERS)
def test_answers_read_back(request_: axl.Request, answer: axl.Response) -> None:
    assert axl.read_response(axl.write_response(request_, answer, "14.0"), type(answer)) == answer


def test_answer_has_the_form_that_public_clients_parse() -> None:
    answer = axl.Rows(rows=((("count", "2"),),))
    assert axl.write_response(REQUESTS[3], answer, "12.5") == (
        b"<?xml version='1.0' encoding='UTF-8'?>"
        b'<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body>'
        b'<ns:executeSQLQueryResponse xmlns:ns="http://www.cisco.com/AXL/API/12.5"><return><row><count>2</count></row>'
        b"</return></ns:executeSQLQueryResponse></soapenv:Body></soapenv:Envelope>"
    )
    assert axl.soap_action(REQUESTS[3], "12.5") == "CUCM:DB ver=12.5 executeSQLQuery"


def test_only_nodes_count_as_servers() -> None:
    nodes = ANSWERS[1][1]
    assert isinstance(nodes, axl.ProcessNodes)
    assert [node.name for node in nodes.servers] == ["ucm-pub.inside.example.com", "imp-pub.inside.example.com"]
    assert [node.is_call_processing for node in nodes.servers] == [True, False]


def test_a_fault_is_raised_where_the_answer_is_read() -> None:
    body = axl.write_fault(axl.AxlFault(201, "A syntax error has occurred.", "executeSQLQuery"))
    assert b"<faultcode>soapenv:Server</faultcode>" in body
    with pytest.raises(axl.AxlFault, match="syntax error") as caught:
        axl.read_response(body, axl.Rows)
    assert (caught.value.code, caught.value.request) == (201, "executeSQLQuery")
    duplicate = axl.write_fault(axl.AxlFault(-239, "duplicate", "addExpresswayCConfiguration", "Client"))
    with pytest.raises(axl.AxlFault) as caught:
        axl.read_response(duplicate, axl.Stored)
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
        axl.write_request(axl.ExecuteSQLQuery(sql="x"), "14.0").replace(b"<sql>x</sql>", b""),
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
    kinds: tuple[type[axl.Response], ...] = (axl.CcmVersion, axl.ProcessNodes, axl.Rows, axl.Stored, axl.ExpresswayCs)
    for expected in kinds:
        try:
            axl.read_response(body, expected)
        except (axl.AxlError, axl.AxlFault):
            continue
