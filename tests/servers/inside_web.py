"""A web server of the company's own behind the Expressways, which the administrator allowed by a rule."""

from __future__ import annotations

from edgesim.http import Request, Response
from tests.servers.expressway_lab import PUB, EdgeLab, Stub, plain

VERSION = f"https://{PUB}:8443/cucm-uds/version"
OWN = "http://photos.inside.example.com:8080/"
PHOTO = {"mra.allow_list": ({"url": OWN, "methods": ("GET", "POST", "HEAD")},)}


def echo(_: Request) -> Response:
    return plain(b"hello", 200, ("X-Kept", "a , b"), ("Connection", "X-Hop, close"), ("X-Hop", "1"))


def photos(lab: EdgeLab) -> Stub:
    """The stub that runs as ucm-sub, under the name of the photo server."""
    service = lab.service("ucm-sub")
    assert isinstance(service, Stub)
    return service


def with_photos(**changes: object) -> dict[str, object]:
    """A rule of the administrator's own, for a host whose name is ucm-sub's address."""
    record = {"view": "inside", "name": "photos.inside.example.com", "type": "A", "value": "10.0.40.12"}
    return {**PHOTO, "dns.extra": (record,), **changes}
