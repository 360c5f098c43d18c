"""HTTP/1.1 on h11: a strict server and a client that distinguishes failures, on the lab's loop and clock."""

from edgesim.http.client import Connect, HttpClient, Url, direct, parse_url
from edgesim.http.errors import (
    HttpError,
    HttpRefused,
    HttpReset,
    HttpTimedOut,
    HttpTlsFailed,
    HttpTooSlow,
    HttpUnreachable,
    HttpUnresolved,
    MalformedHttp,
)
from edgesim.http.limits import DEFAULT_LIMITS, HttpLimits
from edgesim.http.message import Credentials, Headers, Request, Response, basic_authorization, basic_credentials
from edgesim.http.server import Handler, HttpServer, cause_text, plain_refusal

__all__ = [
    "DEFAULT_LIMITS",
    "Connect",
    "Credentials",
    "Handler",
    "Headers",
    "HttpClient",
    "HttpError",
    "HttpLimits",
    "HttpRefused",
    "HttpReset",
    "HttpServer",
    "HttpTimedOut",
    "HttpTlsFailed",
    "HttpTooSlow",
    "HttpUnreachable",
    "HttpUnresolved",
    "MalformedHttp",
    "Request",
    "Response",
    "Url",
    "basic_authorization",
    "basic_credentials",
    "cause_text",
    "direct",
    "parse_url",
    "plain_refusal",
]
