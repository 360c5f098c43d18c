"""Which certificate is shown on which port."""

from __future__ import annotations

from edgesim.scenario import Inside, JabberUser, Lab, Setting, TlsUp, other_than, scenario

SERVICES = ("ucm-pub/tomcat", "ucm-pub/callmanager", "imp-pub/tomcat", "imp-pub/cup-xmpp", "expc/server", "expe/server")


def marked(**instead: str) -> list[dict[str, str]]:
    """Return certificates whose common names say which one is seen, or ``instead`` that of another service.

    No other host verifies them.
    """
    return [
        {"host": host, "service": service, "common_name": f"{instead.get(service, service)} of {host}"}
        for host, service in (each.split("/") for each in SERVICES)
    ]


SHOWN = (
    # seen by, shown by, port, service
    ("jabber-1", "expe", 8443, "server"),
    ("jabber-1", "expe", 5061, "server"),
    ("jabber-1", "expe", 5222, "server"),
    ("expc", "expe", 7001, "server"),
    ("expc", "expe", 7400, "server"),
    ("expe", "expc", 7001, "server"),
    ("expe", "expc", 7400, "server"),
    ("ucm-pub", "expc", 6972, "server"),
    ("ucm-pub", "expc", 5061, "server"),
    ("imp-pub", "expc", 7400, "server"),
    ("expc", "ucm-pub", 8443, "tomcat"),
    ("expc", "ucm-pub", 6972, "callmanager"),
    ("expc", "ucm-pub", 5061, "callmanager"),
    ("expc", "imp-pub", 8443, "tomcat"),
    ("expc", "imp-pub", 7400, "cup-xmpp"),
    ("inside-1", "ucm-pub", 8443, "tomcat"),
    ("inside-1", "ucm-pub", 6972, "callmanager"),
    ("inside-1", "imp-pub", 8443, "tomcat"),
    ("inside-1", "imp-pub", 5222, "cup-xmpp"),
)


@scenario(
    shows="CERT-16",
    changes={"certificates": marked(), "unified_cm.0.mixed_mode": True, "unified_cm.0.subscribers": []},
    clients={"bob": Inside},
    mutations=[
        Setting("certificates", marked(tomcat="callmanager", callmanager="tomcat")),
        Setting("certificates", marked(**{"cup-xmpp": "tomcat"})),
        Setting("unified_cm.0.mixed_mode", False),
    ],
)
async def certificate_on_each_port(lab: Lab, alice: JabberUser, bob: JabberUser) -> None:
    """CallManager and Tomcat, cup-xmpp and Tomcat, and each Expressway its own: port by port."""
    lab.never(
        TlsUp(port=8443, role="server", peer_subject=other_than(None))
    )  # no client certificate is requested there
    async with lab.step("alice signs in outside, bob inside"):
        await lab.together(alice.sign_in(), bob.sign_in())
    for seen_by, shown_by, port, service in SHOWN:
        subject = f"{service} of {shown_by}"
        await lab.expect(TlsUp(node=seen_by, peer=shown_by, port=port, peer_subject=subject))
