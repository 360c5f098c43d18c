"""The answer to get_edge_config, octet for octet, and what a client makes of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.edge.edge_config import (
    DEFAULT_SERVICES,
    EdgeConfig,
    EdgeConfigError,
    EdgeServer,
    Service,
    ServiceServer,
    build,
    parse,
    requested_services,
)
from tests.fuzz import fuzzed

TRACED = (
    b"<?xml version='1.0' encoding='UTF-8'?>\n"
    b'<getEdgeConfigResponse version="1.0"><serviceConfig>'
    b"<service><name>_cisco-phone-tftp</name><error>NameError</error></service>"
    b"<service><name>_cuplogin</name><error>NameError</error></service>"
    b"<service><name>_cisco-uds</name><server><priority>1</priority><weight>1</weight><port>8443</port>"
    b"<address>ucm-pub.inside.example.com</address></server></service>"
    b"<service><name>tftpServer</name><address></address><address></address></service></serviceConfig>"
    b"<edgeConfig><sipEdgeServer><server><address>expe.example.com</address><tlsPort>5061</tlsPort></server>"
    b"</sipEdgeServer><sipRequest><route>&lt;sip:10.0.30.10:5061;transport=tls;zone-id=3;directed;lr&gt;</route>"
    b"</sipRequest><xmppEdgeServer><server><address>expe.example.com</address><tlsPort>5222</tlsPort></server>"
    b"</xmppEdgeServer><httpEdgeServer><server><address>expe.example.com</address><tlsPort>8443</tlsPort></server>"
    b"</httpEdgeServer><turnEdgeServer/> <userUdsServer><server><address></address><tlsPort>8443</tlsPort></server>"
    b"</userUdsServer> </edgeConfig></getEdgeConfigResponse>"
)
E = "expe.example.com"
CONFIG = EdgeConfig(
    services=(
        Service(name="_cisco-phone-tftp", error="NameError"),
        Service(name="_cuplogin", error="NameError"),
        Service(
            name="_cisco-uds",
            servers=(ServiceServer(priority=1, weight=1, port=8443, address="ucm-pub.inside.example.com"),),
        ),
    ),
    tftp=("", ""),
    sip=(EdgeServer(address=E, port=5061),),
    routes=("<sip:10.0.30.10:5061;transport=tls;zone-id=3;directed;lr>",),
    xmpp=(EdgeServer(address=E, port=5222),),
    http=(EdgeServer(address=E, port=8443),),
    user_uds=(EdgeServer(address="", port=8443),),
)


def test_the_trace_is_written_octet_for_octet() -> None:
    assert build(CONFIG) == TRACED


def test_the_trace_is_read() -> None:
    assert parse(TRACED) == CONFIG
    assert parse(TRACED).uds_address is None
    assert parse(TRACED).tftp_addresses == ()


def test_a_cluster_several_routes_and_turn() -> None:
    two = (EdgeServer(address="expe1.example.com", port=5061), EdgeServer(address="expe2.example.com", port=5061))
    config = EdgeConfig(
        sip=two,
        routes=("<sip:10.0.30.10:5061;lr>", "<sip:10.0.30.11:5061;lr>"),
        turn=(EdgeServer(address="expe1.example.com", port=3478),),
        user_uds=(EdgeServer(address="ucm-pub.inside.example.com", port=8443),),
        tftp=("10.0.40.11",),
    )
    body = build(config)
    assert b"<turnEdgeServer><server><address>expe1.example.com</address><udpPort>3478</udpPort></server>" in body
    assert b"</route><route>" in body
    assert parse(body) == config
    assert parse(body).uds_address == "ucm-pub.inside.example.com"


def test_no_tftp_and_no_services() -> None:
    body = build(EdgeConfig(tftp=None))
    assert b"<serviceConfig></serviceConfig>" in body
    assert parse(body).tftp is None


@pytest.mark.parametrize(
    ("query", "services"),
    [
        ("", DEFAULT_SERVICES),
        ("service_name=_cisco-uds&service_name=_cuplogin", ("_cisco-uds", "_cuplogin")),
        ("service_name=_cisco-uds&service_name=_cisco-uds&x=1", ("_cisco-uds",)),
        ("x=1", DEFAULT_SERVICES),
    ],
)
def test_which_services_a_query_asks_for(query: str, services: tuple[str, ...]) -> None:
    assert requested_services(query) == services


def test_too_many_services_are_refused() -> None:
    with pytest.raises(EdgeConfigError):
        requested_services("&".join(f"service_name=_s{n}" for n in range(40)))
    with pytest.raises(EdgeConfigError):
        requested_services("&" * 10_000)


def test_a_client_takes_what_it_can_use() -> None:
    body = b"""<getEdgeConfigResponse><new/><serviceConfig><service><name>_x</name>
      <server><priority>a</priority><weight>1</weight><port>1</port><address>h</address></server>
      <server><priority>1</priority><weight>2</weight><port>3</port><address> h </address></server></service>
      <service/></serviceConfig><edgeConfig><sipEdgeServer><server><address>h</address></server>
      <server><address>h</address><tlsPort>99999</tlsPort></server></sipEdgeServer></edgeConfig></getEdgeConfigResponse>"""
    found = parse(body)
    assert found.services == (Service(name="_x", servers=(ServiceServer(priority=1, weight=2, port=3, address="h"),)),)
    assert found.sip == ()
    assert found.routes == ()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html/>",
        b"not xml",
        TRACED[:-5],
        b'<!DOCTYPE x [<!ENTITY a "b">]><getEdgeConfigResponse/>',
        b"<getEdgeConfigResponse>" + b"<a>" * 100 + b"</a>" * 100 + b"</getEdgeConfigResponse>",
        b"<getEdgeConfigResponse>" + b" " * 300_000 + b"</getEdgeConfigResponse>",
        b"\xff\xfe<",
    ],
)
def test_an_invalid_response_is_refused(body: bytes) -> None:
    with pytest.raises(EdgeConfigError):
        parse(body)


NAME = st.text(alphabet="abcdefgh.-_0123", min_size=1, max_size=20)
SERVERS = st.lists(st.builds(EdgeServer, address=NAME, port=st.integers(0, 65535)), max_size=3).map(tuple)
SERVICES = st.builds(
    Service,
    name=NAME,
    servers=st.lists(
        st.builds(
            ServiceServer,
            priority=st.integers(0, 65535),
            weight=st.integers(0, 65535),
            port=st.integers(0, 65535),
            address=NAME,
        ),
        max_size=2,
    ).map(tuple),
    error=st.none() | NAME,
)


@fuzzed
@given(
    config=st.builds(
        EdgeConfig,
        services=st.lists(SERVICES, max_size=3).map(tuple),
        tftp=st.none() | st.lists(NAME, max_size=3).map(tuple),
        sip=SERVERS,
        routes=st.lists(st.text(alphabet="<sip:&;>\"'=]", min_size=1, max_size=20), max_size=3).map(tuple),
        turn=SERVERS,
        user_uds=SERVERS,
    )
)
def test_every_configuration_comes_back(config: EdgeConfig) -> None:
    assert parse(build(config)) == config


@fuzzed
@given(
    at=st.integers(0, len(TRACED)),
    length=st.integers(0, 40),
    put=st.binary(max_size=30) | st.sampled_from([b"<a>", b"</a>", b"&lt;", b"&x;", b"<![CDATA[", b"<!--"]),
)
def test_any_damage_gives_a_configuration_or_the_error(at: int, length: int, put: bytes) -> None:
    damaged = TRACED[:at] + put + TRACED[at + length :]
    try:
        found = parse(damaged)
    except EdgeConfigError:
        return
    assert isinstance(found, EdgeConfig)
