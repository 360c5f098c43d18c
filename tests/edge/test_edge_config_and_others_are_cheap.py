"""No input makes a parser of the edge slow or large."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Callable

import pytest

from edgesim.edge import allow_list, cookie, descriptor, edge_config, provision, resource_usage, service
from tests.fuzz import cheap

ROOT = b"<getEdgeConfigResponse><serviceConfig>%b</serviceConfig></getEdgeConfigResponse>"
TYPE = service.content_type("b")
PEM = b"-----BEGIN CERTIFICATE-----\n"
CASES: dict[str, Callable[[], object]] = {
    "a descriptor of a megabyte": lambda: descriptor.split_target("/" + "Z" * 1_000_000),
    "a descriptor of percent signs": lambda: descriptor.split_target("/" + "%41" * 300_000),
    "a name of a megabyte": lambda: descriptor.parse("a." * 500_000),
    "a name of digits": lambda: descriptor.parse("1" * 1_000_000),
    "a URL of a megabyte": lambda: descriptor.descriptor_for("http://" + "a" * 1_000_000, "example.com"),
    "many services": lambda: edge_config.parse(ROOT % (b"<service/>" * 1_900)),
    "deep elements": lambda: edge_config.parse(ROOT % (b"<a>" * 80_000)),
    "many attributes": lambda: edge_config.parse(b"<a " + b" ".join(b"a%d='b'" % n for n in range(6_000)) + b"/>"),
    "entities in entities": lambda: edge_config.parse(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
    "one long text": lambda: edge_config.parse(ROOT % (b"x" * 250_000)),
    "services in a query": lambda: edge_config.requested_services("service_name=x&" * 100_000),
    "a cookie of a megabyte": lambda: cookie.parse_set_cookie("a=b;" * 250_000, now=0),
    "a date of a megabyte": lambda: cookie.parse_date("1:" * 500_000),
    "rules of a megabyte": lambda: allow_list.read_rules("x," * 500_000),
    "many rules": lambda: allow_list.read_rules(",".join(allow_list.RULE_COLUMNS) + "\n" + "http://a/b,,,,\n" * 9_000),
    "a quote without end": lambda: allow_list.read_rules('"' + "\n" * 200_000),
    "a path of slashes": lambda: allow_list.plain_path("/" * 1_000_000),
    "a path of dots": lambda: allow_list.plain_path("/." * 500_000),
    "many boundaries": lambda: service.parse(b"\r\n--b" * 13_000, TYPE),
    "many certificates": lambda: service.parse((PEM + b"A\n") * 2_000, TYPE),
    "many part headers": lambda: service.parse(b"--b\r\n" + b"A: b\r\n" * 9_000 + b"--b\r\n--b\r\n", TYPE),
    "a type of a megabyte": lambda: service.parse(b"", "multipart/mixed; boundary=" * 40_000),
    "a usage of a megabyte": lambda: resource_usage.parse(b"<a>" * 300_000),
    "a link of a megabyte": lambda: provision.parse("ciscojabber://provision?" + "a&" * 500_000),
}
ERRORS = (
    descriptor.DescriptorError,
    edge_config.EdgeConfigError,
    cookie.CookieError,
    allow_list.AllowListError,
    service.ServiceError,
    resource_usage.ResourceUsageError,
    provision.ProvisionError,
)


@pytest.mark.parametrize("name", CASES)
def test_no_input_is_dear(name: str) -> None:
    def run() -> None:
        with contextlib.suppress(*ERRORS):
            CASES[name]()

    cheap(run)
    tracemalloc.start()
    run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * 1024 * 1024
