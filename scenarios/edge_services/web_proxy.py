"""The Web Proxy for Meeting Server on the same Expressway as MRA: one domain cannot serve both."""

from __future__ import annotations

from edgesim.http import HttpClient, Response
from edgesim.pki import client_context
from edgesim.scenario import HttpResponse, JabberUser, Lab, Registered, Setting, containing, scenario

SAME = "example.com"
OTHER = "join.example.com"
OPEN = [
    "allow tcp internet -> outer-dmz:443,8443,5061,5222",
    "allow udp internet -> outer-dmz:36002-59999",
    "allow any any -> internet",
]
CONFIGURED_LATER = {
    "network.firewalls.external.rules": OPEN,
    "certificates": [{"host": "expe", "service": "server", "extra_names": [OTHER]}],
}
"""Firewall and certificate are ready for the Web Proxy, which an administrator configures during the story."""


async def browse(lab: Lab, name: str | None = None, machine: str = "jabber-2") -> Response:
    """Open the guests' page of a meeting from a machine outside; ``name`` is that of a Web Proxy configured by hand."""
    browser = await lab.script(machine)
    node, web_proxy = browser.node, lab.deployment.cms_web_proxy
    if name is None:
        assert web_proxy is not None
        name = web_proxy.guest_account_client_uri
    address = lab.address("expe")

    async def get() -> Response:
        web = HttpClient(node.journal, ssl=client_context(node.trusts["system"], keylog=node.keylog))
        try:
            return await web.request("GET", f"https://{name}/", headers=[("Host", name)], address=address, timeout=10)
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
async def mra_was_first(lab: Lab, alice: JabberUser) -> None:
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
async def the_web_proxy_was_first(lab: Lab, alice: JabberUser) -> None:
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
async def two_names_serve_both(lab: Lab, alice: JabberUser) -> None:
    """With a separate guest account client URI, the Web Proxy and MRA share one Expressway."""
    async with lab.step("a guest opens the page of a meeting"):
        await browse(lab)
        await lab.expect(HttpResponse(node="jabber-2", peer="expe", status=502, target="/"))

    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(HttpResponse(node=alice.machine, status=200, payload=containing("getEdgeConfigResponse")))
        await lab.expect(Registered(device="CSFALICE"))


@scenario(
    shows="NET-08",
    worlds=["sim"],
    changes=CONFIGURED_LATER,
    mutations=[Setting("domains.enabled", [{"name": "elsewhere.example"}])],
)
async def configured_while_mra_runs(lab: Lab, alice: JabberUser) -> None:
    """The Web Proxy is configured for MRA's own domain while users are signed in: the Web Proxy fails."""
    async with lab.step("alice signs in"):
        await alice.sign_in()
        await lab.expect(Registered(device="CSFALICE"))

    async with lab.step("the Web Proxy is configured for the domain that MRA has"):
        lab.check(not await lab.configure_web_proxy("expe", SAME), "it does not get the domain")
        lab.check((await browse(lab, SAME)).status == 403, "guests are refused")

    async with lab.step("with another URI it works"):
        lab.check(await lab.configure_web_proxy("expe", OTHER), "it gets a domain of its own")
    async with lab.step("and after a restart both do"):
        await lab.restart("expe")
        await lab.settle()
        lab.check((await browse(lab, OTHER)).status == 502, "it looks for its server")
        await alice.sign_in()
        await lab.expect(HttpResponse(node=alice.machine, status=200, payload=containing("getEdgeConfigResponse")))


@scenario(
    shows="NET-08",
    worlds=["sim"],
    changes=CONFIGURED_LATER,
    without=["expc"],
    mutations=[Setting("domains.enabled", [{"name": "elsewhere.example"}])],
)
async def configured_before_mra(lab: Lab, alice: JabberUser) -> None:
    """The Web Proxy is configured before Expressway-C enables the domain: MRA fails for it, also after a restart."""
    lab.never(Registered(device="CSFALICE"))
    async with lab.step("the Web Proxy gets the domain"):
        lab.check(await lab.configure_web_proxy("expe", SAME), "nobody had it")

    async with lab.step("Expressway-C starts, and enables the domain for MRA"):
        await lab.start("expc")
        await lab.settle()
        await alice.sign_in()
        refused = HttpResponse(node=alice.machine, peer="expe", status=403)
        await lab.expect(refused)

    async with lab.step("Expressway-E restarts: the order is as it was"):
        await lab.restart("expe")
        await lab.settle()
        await alice.sign_in()
        await lab.expect(refused)
        lab.check((await browse(lab, SAME)).status == 502, "guests get through")
