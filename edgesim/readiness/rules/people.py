"""Rules about users: ids, home clusters, and whether they can sign in at all.

Sources: "MRA Deployment Guide X15.0, MRA Requirements and Prerequisites"; "Planning Guide for Cisco Jabber 12.6", User
Management (the characters of a user id); RFC 7622 and XEP-0106 for chat addresses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgesim.deployment import Deployment
from edgesim.deployment.people import User
from edgesim.edge.allow_list import plain_path
from edgesim.edge.uds import user_target
from edgesim.journal.keys import user_key
from edgesim.journal.matchers import HttpResponse, containing
from edgesim.readiness import facts, modes
from edgesim.readiness.rule import Book, Finding, Prediction, Severity, Stop
from edgesim.xmpp.jid import Jid, JidError

book = Book()
DOCUMENTED = re.compile(r"[A-Za-z0-9._~#-]+")
UNAUTHORIZED = containing('realm="Cisco-Edge"')


def _address(deployment: Deployment, user_id: str, node: str) -> Jid | None:
    """Return a user's chat address, None if no address can represent the id."""
    try:
        return Jid.of_user(user_id, deployment.im_presence_cluster_of(node).presence_domains[0])
    except JidError:
        return None


@book.rule(
    "UC-04.user-id",
    requires="user ids consist of letters, digits and . - _ ~ #, the characters documented for Jabber",
    severity=Severity.WARNING,
)
def user_id(deployment: Deployment) -> Iterator[Finding]:
    """Other ids work here as far as paths, SIP and chat addresses can represent them; for the products this is not
    documented.
    """
    for index, user in enumerate(deployment.users):
        dots = user.id.strip(".") == ""
        if DOCUMENTED.fullmatch(user.id) and not dots:
            continue
        refused = plain_path(user_target(user.id, "devices")) is None
        prediction = None
        if refused:
            sees = "403 Forbidden for each of the user's resources: Expressway-C's allow list refuses such a path"
            prediction = _forbidden(deployment, user)
        elif user.im_presence_node is not None and _address(deployment, user.id, user.im_presence_node) is None:
            sees = "phone service works, chat does not: no JID (RFC 7622) can contain the id"
        else:
            sees = "nothing in this lab, which escapes the id; products are documented for the other characters only"
        yield Finding(
            at=("users", index, "id"),
            what=f"the user id {user.id!r} "
            + ("consists of dots" if dots else f"contains {facts.listed(_foreign(user.id))}"),
            sees=sees,
            fix="choose an id of letters, digits and . - _ ~ #",
            prediction=prediction,
        )


def _foreign(user: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(repr(each) for each in user if not DOCUMENTED.fullmatch(each)))


def _forbidden(deployment: Deployment, user: User) -> Prediction | None:
    """Predict that the edge refuses queries about a user; None if no client outside makes them."""
    if not facts.jabbers(deployment) or not _signs_in(deployment, user):
        return None
    status = deployment.defaults.edge.allow_list_status
    refusal = HttpResponse(
        node=facts.any_client(deployment), peer=facts.edges(deployment), status=status, key=user_key(user.id)
    )
    return Prediction(awaits=(refusal,))


def _signs_in(deployment: Deployment, user: User) -> bool:
    """Return whether a user has a service to sign in to from a Jabber outside."""
    prefixes = {modes.PREFIX_OF[each.platform] for each in deployment.clients if each.name in facts.jabbers(deployment)}
    return user.im_presence_node is not None or any(name[:3] in prefixes for name in user.devices)


@book.rule("UC-04.one-address", requires="no two users have the same JID")
def one_address(deployment: Deployment) -> Iterator[Finding]:
    """Chat addresses ignore case, ids do not."""
    holders: dict[Jid, str] = {}
    for index, user in enumerate(deployment.users):
        if user.im_presence_node is None:
            continue
        address = _address(deployment, user.id, user.im_presence_node)
        if address is not None and holders.setdefault(address, user.id) != user.id:
            yield Finding(
                at=("users", index, "id"),
                what=f"{user.id} and {holders[address]} have the same JID, {address}",
                sees="one of the two has no chat, or receives the other's messages",
                fix="give one of them an id that differs in more than case",
            )


@book.rule("UC-04.homed", requires="every user has exactly one home cluster")
def homed(deployment: Deployment) -> Iterator[Finding]:
    """Home Cluster in End User Configuration: ticked nowhere, a user is refused; ticked twice, sometimes."""
    known = deployment.mra.unified_cm_clusters
    for index, user in enumerate(deployment.users):
        homes = ((user.home_cluster,) if user.homed else ()) + user.also_homed_at
        if len(homes) == 1:
            continue
        edges, key = facts.edges(deployment), user_key(user.id)
        refused = HttpResponse(node=facts.any_client(deployment), peer=edges, status=401, payload=UNAUTHORIZED, key=key)
        here = bool(facts.jabbers(deployment)) and _signs_in(deployment, user) and known
        yield Finding(
            at=("users", index, "also_homed_at" if homes else "homed"),
            what=f"{user.id} "
            + (f"is homed on {facts.listed(tuple(map(str, homes)))}" if homes else "has no home cluster"),
            sees="the edge may use either cluster" if homes else "401 from the edge, even with the right password",
            fix=f"tick Home Cluster for {user.id} on exactly one cluster",
            prediction=Prediction(awaits=(refused,)) if not homes and here else None,
        )


@book.rule("UC-03.added", requires="the Unified CM clusters of all users are added to Expressway-C")
def added(deployment: Deployment) -> Iterator[Finding]:
    """Clusters that were not added are not discovered, so no user is found there."""
    known = deployment.mra.unified_cm_clusters
    for cluster in deployment.unified_cm:
        users = tuple(each for each in deployment.users if each.home_cluster == cluster.name and each.homed)
        if cluster.name in known or not users:
            continue
        coming = tuple(each for each in users if _signs_in(deployment, each)) if facts.jabbers(deployment) else ()
        refused = tuple(
            HttpResponse(
                node=facts.any_client(deployment),
                peer=facts.edges(deployment),
                status=401,
                payload=UNAUTHORIZED,
                key=user_key(user.id),
            )
            for user in coming[:1]
        )
        yield Finding(
            at=("mra", "unified_cm_clusters"),
            what=f"{cluster.name}, where {facts.listed(tuple(each.id for each in users))} "
            f"{facts.verb([each.id for each in users], 'is', 'are')} homed, has not been added to Expressway-C",
            sees="its users get 401 from the edge, even with the right password",
            fix=f"add {cluster.publisher.server_name} to the Unified CM servers of Expressway-C",
            prediction=Prediction(awaits=refused, stops=None if known else Stop.REFUSED) if refused else None,
        )


@book.rule(
    "UC-03.chat-added",
    requires="the IM and Presence clusters of all users are added to Expressway-C",
    severity=Severity.WARNING,
)
def chat_added(deployment: Deployment) -> Iterator[Finding]:
    """Some leave out chat over MRA on purpose; users with IM and Presence still lack it."""
    known = deployment.mra.im_presence_clusters
    for cluster in deployment.im_presence:
        nodes = {node.name for node in cluster.nodes}
        users = tuple(each.id for each in deployment.users if each.im_presence_node in nodes)
        if cluster.name in known or not users:
            continue
        asked = not known and facts.jabbers(deployment) and deployment.mra.unified_cm_clusters
        yield Finding(
            at=("mra", "im_presence_clusters"),
            what=f"{cluster.name}, where {facts.listed(users)} {facts.verb(users, 'has', 'have')} chat, has not "
            "been added to Expressway-C",
            sees="phone service works, chat does not: the edge refuses the login with 403",
            fix=f"add {cluster.publisher.fqdn} to the IM and Presence Service nodes of Expressway-C",
            prediction=Prediction(awaits=(facts.login_refused(deployment, facts.any_client(deployment)),))
            if asked
            else None,
        )


@book.rule("UC-08.no-way", requires="MRA access control and Unified CM agree on at least one way to sign in")
def no_way(deployment: Deployment) -> Iterator[Finding]:
    """Passwords, OAuth with refresh (on Unified CM too), or the older single sign-on."""
    for index, cluster in modes.served(deployment):
        if set(modes.SIGN_IN).intersection(modes.of(deployment, cluster)):
            continue
        access = deployment.mra.access
        half = access.oauth_refresh and not cluster.oauth_refresh
        clients, edges = facts.any_client(deployment), facts.edges(deployment)
        refused = HttpResponse(node=clients, peer=edges, status=401, payload=UNAUTHORIZED)
        at = ("mra", "access", "user_credential" if "UCM/LDAP" in access.authentication_path else "authentication_path")
        yield Finding(
            at=at,
            what=f"with the authentication path {access.authentication_path}, {cluster.name} has no way to sign in "
            "enabled" + (": OAuth with refresh is enabled only on Expressway-C" if half else ""),
            sees="no user can sign in: the edge answers 401, even to the right password",
            fix="set Authorize by user credential on Expressway-C; or Authorize by OAuth token with refresh there and "
            f"OAuth with Refresh Login Flow on {cluster.name} ({deployment.unified_cm[index].publisher.name})",
            prediction=Prediction(
                awaits=(refused,), stops=Stop.REFUSED if len(deployment.mra.unified_cm_clusters) == 1 else None
            )
            if facts.jabbers(deployment)
            else None,
        )
