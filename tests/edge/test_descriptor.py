"""URL descriptors: the vectors, both directions, and everything that must not decode."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.edge.descriptor import (
    Descriptor,
    DescriptorError,
    EdgeDomain,
    control_url,
    decode,
    decoded_target,
    encode,
    is_domain,
    is_host,
    parse,
    split_target,
    wrap,
)
from tests.each import holds_for_each
from tests.fuzz import fuzzed

VECTORS = {
    "example.com": "ZXhhbXBsZS5jb20",
    "example.com/https/ucm-pub.inside.example.com/8443": (
        "ZXhhbXBsZS5jb20vaHR0cHMvdWNtLXB1Yi5pbnNpZGUuZXhhbXBsZS5jb20vODQ0Mw"
    ),
    "example.com/https/ucm-pub.inside.example.com/6972": (
        "ZXhhbXBsZS5jb20vaHR0cHMvdWNtLXB1Yi5pbnNpZGUuZXhhbXBsZS5jb20vNjk3Mg"
    ),
    "example.com/https/imp-pub.inside.example.com/8443": (
        "ZXhhbXBsZS5jb20vaHR0cHMvaW1wLXB1Yi5pbnNpZGUuZXhhbXBsZS5jb20vODQ0Mw"
    ),
    "example.com/http/10.0.40.11/6970": "ZXhhbXBsZS5jb20vaHR0cC8xMC4wLjQwLjExLzY5NzA",
}


@pytest.mark.parametrize(("text", "element"), VECTORS.items())
def test_vectors_in_both_directions(text: str, element: str) -> None:
    found = parse(text)
    assert found.encode() == element
    assert decode(element) == found
    padded = element + "=" * (-len(element) % 4)
    assert decode(padded) == found
    assert decode(padded.replace("=", "%3D")) == found


def test_a_rooted_name_is_the_same_name() -> None:
    assert parse("example.com.") == EdgeDomain(domain="example.com")
    rooted = parse("example.com./https/ucm-pub.inside.example.com./8443")
    assert rooted == parse("example.com/https/ucm-pub.inside.example.com/8443")


def test_a_url_is_wrapped_and_unwrapped() -> None:
    url = wrap("http://10.0.40.11:6970/jabber-config.xml?a=b/c", domain="example.com", edge="expe.example.com")
    assert url == ("https://expe.example.com:8443/ZXhhbXBsZS5jb20vaHR0cC8xMC4wLjQwLjExLzY5NzA/jabber-config.xml?a=b/c")
    first, rest = split_target(url.removeprefix("https://expe.example.com:8443"))
    assert first == Descriptor(domain="example.com", scheme="http", host="10.0.40.11", port=6970)
    assert rest == "/jabber-config.xml?a=b/c"
    assert decoded_target(url.removeprefix("https://expe.example.com:8443")) == (
        "http://10.0.40.11:6970/jabber-config.xml?a=b/c"
    )
    assert wrap("https://cuc.example.com/vmrest", domain="example.com", edge="e").endswith(
        "/" + encode("example.com/https/cuc.example.com/443") + "/vmrest"
    )


def test_control_resources() -> None:
    url = control_url("get_edge_config/?service_name=_cisco-uds", domain="example.com", edge="expe.example.com")
    assert url == "https://expe.example.com:8443/ZXhhbXBsZS5jb20/get_edge_config/?service_name=_cisco-uds"
    assert split_target("/ZXhhbXBsZS5jb20/get_edge_config?x=/y") == (
        EdgeDomain(domain="example.com"),
        "/get_edge_config?x=/y",
    )
    assert split_target("/ZXhhbXBsZS5jb20") == (EdgeDomain(domain="example.com"), "")
    assert split_target("/ZXhhbXBsZS5jb20?a=/b") == (EdgeDomain(domain="example.com"), "?a=/b")
    assert decoded_target("/ZXhhbXBsZS5jb20/authorize") == "/example.com/authorize"
    assert decoded_target("/favicon.ico") is None


NONSENSE = [
    "",
    "example.com/",
    "/https/a/1",
    "example.com/https",
    "example.com/https/a",
    "example.com/https/a/8443/",
    "example.com/https/a/8443/x",
    "example.com/ftp/a/21",
    "example.com/HTTPS/a/443",
    "example.com/https//443",
    "example.com/https/a/0",
    "example.com/https/a/65536",
    "example.com/https/a/08443",
    "example.com/https/a/+443",
    "example.com/https/a/ 443",
    "example.com/https/a/",
    "example.com/https/a@b/443",
    "example.com/https/a:1/443",
    "example.com/https/a b/443",
    "example.com/https/a..b/443",
    "example.com/https/-a/443",
    "example.com/https/a../443",
    "example.com./https/./443",
    "example.com/https/[::1]/443",
    "example.com/https/010.0.40.11/443",
    "example.com/https/0x7f.0.0.1/443",
    "example.com/https/2130706433/443",
    "example.com/https/127.1/443",
    "example.com/https/10.0.40.256/443",
    "example.com/https/a\r\nb/443",
    "10.0.0.1",
    "exa mple.com",
    "example.com\0",
    "example.com\n",
    "a" * 64 + ".com",
    ".".join(["a" * 60] * 5),
]


def test_nonsense_is_refused() -> None:
    def check(text: str) -> None:
        with pytest.raises(DescriptorError):
            parse(text)
        if text:
            with pytest.raises(DescriptorError):
                decode(encode(text))

    holds_for_each(check, ((text,) for text in NONSENSE))


NOT_BASE64 = [
    "",
    "ZeW50LXBhLmNvbQ",  # a guide's misprint with a stray letter
    "ZXhhbXBsZS5jb21",  # not canonical: the last two bits are set
    "ZXhhbXBsZS5jb20==",
    "ZXhhbXBsZS5jb2",
    "Z",
    "ZXhh bXBsZS5jb20",
    "ZXhh\nbXBsZS5jb20",
    "ZXhhbXBsZS5jb20=x",
    "ZXhhbXBsZS5jb20%253D",
    "favicon.ico",
    "A" * 5000,
    base64.b64encode(b"\xff\xfe\xfd").decode(),
]


def test_invalid_base64_is_refused() -> None:
    def check(element: str) -> None:
        with pytest.raises(DescriptorError):
            decode(element)

    holds_for_each(check, ((element,) for element in NOT_BASE64))


def test_names_and_addresses() -> None:
    assert is_domain("collab_edge.Example.com")
    assert not is_domain("10.0.40.11")
    assert is_host("10.0.40.11")
    assert not is_host("10.0.40")
    assert is_host("ucm-pub")


MIDDLE = st.text(alphabet="abcxyz0189-", max_size=20)
LABEL = st.tuples(st.sampled_from("abcxyz"), MIDDLE, st.sampled_from("abcxyz0189")).map("".join)
DOMAIN = st.lists(LABEL, min_size=1, max_size=4).map(".".join)
ADDRESS = st.ip_addresses(v=4).map(str)


@fuzzed
@given(domain=DOMAIN, scheme=st.sampled_from(["http", "https"]), host=DOMAIN | ADDRESS, port=st.integers(1, 65535))
def test_every_descriptor_comes_back(domain: str, scheme: str, host: str, port: int) -> None:
    made = Descriptor(domain=domain, scheme=scheme, host=host, port=port)
    assert decode(made.encode()) == made
    assert split_target(f"/{made.encode()}/x") == (made, "/x")


@fuzzed
@given(
    target=st.text(max_size=60).map(lambda text: "/" + text)
    | st.binary(max_size=60).map(lambda octets: "/" + base64.b64encode(octets).decode() + "/x")
    | st.text(alphabet="example.com/https8443 \0%", max_size=50).map(
        lambda text: "/" + base64.urlsafe_b64encode(text.encode()).decode() + "/x"
    )
)
def test_any_target_gives_a_descriptor_or_its_error(target: str) -> None:
    try:
        first, rest = split_target(target)
    except DescriptorError:
        return
    assert target.endswith(rest)
    assert is_domain(first.domain)
    assert isinstance(first, EdgeDomain) or (is_host(first.host) and 0 < first.port < 65536)
