"""Sign-ins that the edge must refuse: a wrong password, an unknown user, an unknown domain."""

from __future__ import annotations

from edgesim.deployment.people import User
from edgesim.scenario import (
    Authentication,
    HttpRequest,
    HttpResponse,
    JabberUser,
    Lab,
    Registered,
    Setting,
    WithFault,
    containing,
    scenario,
)
from edgesim.world.faults import Rewrite

REALM = b'realm="Cisco-Edge"'
OTHER_REALM = WithFault(Rewrite(name="another realm", find=REALM, replace=b'realm="Elsewhere"'))


async def _signs_in(lab: Lab, bob: JabberUser) -> None:
    """Sign in another user meanwhile, who is not refused."""
    async with lab.step("bob signs in as ever"):
        await bob.sign_in()
        await lab.expect(Registered(device="CSFBOB"))


@scenario(mutations=[Setting("users.alice.password", "mistyped"), OTHER_REALM])
async def wrong_password(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """A wrong password: Unified CM's 401 inside, the edge's own 401 outside; another user signs in normally."""
    me = alice.machine
    lab.never(Registered(device="CSFALICE"))
    lab.never(HttpResponse(node=me, status=200))

    async def in_vain() -> None:
        async with lab.step("alice mistypes her password"):
            await alice.sign_in("mistyped")
            inside = containing('realm="Cisco Web Services Realm"')
            await lab.expect(HttpResponse(node="expc", peer="ucm-pub", status=401, payload=inside))
            await lab.expect(Authentication(node="expc", user="alice", how="basic", granted=False))
            await lab.expect(HttpResponse(node=me, peer="expe", status=401, payload=containing(REALM)))

    await lab.together(in_vain(), _signs_in(lab, bob))


@scenario(mutations=[OTHER_REALM])
async def unknown_user(lab: Lab, bob: JabberUser) -> None:
    """A user that no cluster knows gets the same 401 as a wrong password, and no server checks the password."""
    mallory = lab.client(User.stranger("mallory", "guess"))
    me = mallory.machine
    lab.never(HttpRequest(node="ucm-pub", target=containing("/user/mallory/devices")))

    async def in_vain() -> None:
        async with lab.step("mallory tries to sign in"):
            await mallory.sign_in()
            await lab.expect(HttpResponse(node="expc", peer="ucm-pub", status=200, payload=containing('found="false"')))
            await lab.expect(HttpResponse(node=me, peer="expe", status=401, payload=containing(REALM)))

    await lab.together(in_vain(), _signs_in(lab, bob))


@scenario(
    changes={
        "dns.extra": [
            {
                "view": "outside",
                "name": "_collab-edge._tls.other.example",
                "type": "SRV",
                "value": "10 10 8443 expe.example.com",
            }
        ]
    },
    breaks="NET-09.domain-on-c",
    mutations=[Setting("domains.enabled", [{"name": "example.com"}, {"name": "other.example"}])],
)
async def unknown_domain(lab: Lab, bob: JabberUser) -> None:
    """A domain that is not enabled on Expressway-C: 403 from Expressway-E itself, without asking C."""
    stranger = lab.client("alice")
    stranger.domain = "other.example"
    stranger.accept_untrusted = True  # E's certificate does not name the domain either
    me = stranger.machine
    lab.never(HttpRequest(node="expc", key="user:alice"))

    async def in_vain() -> None:
        async with lab.step("alice signs in to a domain that this edge does not serve"):
            await stranger.sign_in()
            await lab.symptom("NET-09.domain-on-c")
            refusal = await lab.expect(HttpResponse(node=me, peer="expe", status=403))
            lines = refusal.payload.split(b"\r\n")
            lab.check(lines[0] == b"HTTP/1.1 403 Forbidden", "the status line is that of the trace")
            names = [line.split(b":")[0] for line in lines[1:] if line]
            traced = [b"Date", b"Connection", b"Server", b"Content-Length"]
            lab.check(names == traced, "the headers are those of the trace")
            lab.check(b"Server: CE_E" in lines, "Expressway-E answers by itself")

    await lab.together(in_vain(), _signs_in(lab, bob))
