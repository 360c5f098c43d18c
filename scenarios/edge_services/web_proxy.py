"""The Web Proxy for Meeting Server on the same Expressway as MRA: one domain cannot serve both."""

from __future__ import annotations

from edgesim.clients.jabber import Jabber
from edgesim.http import HttpClient, Response
from edgesim.pki import client_context
from edgesim.scenario import HttpResponse, Lab, Registered, Setting, containing, scenario

SAME = "example.com"
OTHER = "join.example.com"


async def browse(lab: Lab, machine: str = "jabber-2") -> Response:
    """Open the guests' page of a meeting from a machine outside."""
    browser = await lab.script(machine)
    node, web_proxy = browser.node, lab.deployment.cms_web_proxy
    assert web_proxy is not None
    name = web_proxy.guest_account_client_uri

    async def get() -> Response:
        web = HttpClient(node.journal, ssl=client_context(node.trusts["system"], keylog=node.keylog))
        try:
            return await web.request("GET", f"https://{name}/", headers=[("Host", name)], timeout=10)
        finally:
            await web.close()

    return await browser.run(get())


def web_proxy(name: str, configured: str) -> dict[str, str]:
    """A Web Proxy with this guest account client URI."""
    return {"guest_account_client_uri": name, "configured": configured}


@scenario(
    shows="NET-08",
    worlds=["sim"],  # it takes TCP 443, which not every machine gives away
    changes={"cms_web_proxy": web_proxy(SAME, "after MRA")},
    breaks="NET-08.guest-account-client-uri",
    mutations=[
        Setting("cms_web_proxy", web_proxy(OTHER, "after MRA")),
        Setting("cms_web_proxy", web_proxy(SAME, "before MRA")),
        Setting("domains.enabled", [{"name": "elsewhere.example"}]),
    ],
)
async def mra_was_first(lab: Lab, alice: Jabber) -> None:
    """MRA had the domain first: sign-ins work, and the Web Proxy refuses guests of the same name."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"))

    async with lab.step("a guest opens the page of a meeting"):
        await browse(lab)
        await lab.symptom("NET-08.guest-account-client-uri")


@scenario(
    shows="NET-08",
    worlds=["sim"],
    changes={"cms_web_proxy": web_proxy(SAME, "before MRA")},
    breaks="NET-08.guest-account-client-uri",
    mutations=[
        Setting("cms_web_proxy", web_proxy(OTHER, "before MRA")),
        Setting("cms_web_proxy", web_proxy(SAME, "after MRA")),
    ],
)
async def the_web_proxy_was_first(lab: Lab, alice: Jabber) -> None:
    """The Web Proxy had the domain first: guests get through, and Expressway-E refuses every sign-in of that domain."""
    lab.never(Registered(device="CSFALICE"))

    async with lab.step(
        "a guest opens the page of a meeting: the Web Proxy takes the request, and looks for its server"
    ):
        await browse(lab)
        await lab.expect(HttpResponse(node="jabber-2", peer="expe", status=502, target="/"))

    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.symptom("NET-08.guest-account-client-uri")


@scenario(
    shows="NET-08",
    worlds=["sim"],
    changes={"cms_web_proxy": web_proxy(OTHER, "before MRA")},
    mutations=[
        Setting("cms_web_proxy", web_proxy(SAME, "before MRA")),
        Setting("cms_web_proxy", web_proxy(SAME, "after MRA")),
    ],
)
async def two_names_serve_both(lab: Lab, alice: Jabber) -> None:
    """With a guest account client URI of its own the Web Proxy and MRA share one Expressway."""
    async with lab.step("a guest opens the page of a meeting"):
        await browse(lab)
        await lab.expect(HttpResponse(node="jabber-2", peer="expe", status=502, target="/"))

    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(HttpResponse(node=alice.node.name, status=200, payload=containing("getEdgeConfigResponse")))
        await lab.expect(Registered(device="CSFALICE"))
