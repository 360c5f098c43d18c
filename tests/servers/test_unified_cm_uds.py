"""UDS of a Unified CM node: users, devices, servers, and who may read them."""

from __future__ import annotations

import re

import pytest

from edgesim.deployment import load_text
from edgesim.edge import uds
from edgesim.edge.uds import cluster_user_target, user_target
from edgesim.journal import events
from edgesim.servers.unified_cm.database import Database
from tests.servers.unified_cm_lab import ALICE, PUB, Lab, run


def test_uds_answers_what_expressway_c_asks_at_sign_in() -> None:
    async def main(lab: Lab) -> None:
        found = uds.ClusterUser.parse((await lab.get(cluster_user_target(username="alice"))).body)
        assert found.home is not None
        assert found.home.host == PUB
        assert found.home.servers_uri == f"https://{PUB}:8443/cucm-uds/servers"
        assert found.uri == f"https://{PUB}:8443/cucm-uds/clusterUser?username=alice"
        devices = uds.Devices.parse((await lab.get(user_target("alice", "devices"), *ALICE)).body)
        assert [device.name for device in devices.devices] == ["CSFALICE", "TCTALICE", "BOTALICE"]
        servers = uds.Servers.parse((await lab.get("/cucm-uds/servers")).body)
        assert servers.servers == (PUB, "ucm-sub.inside.example.com")
        user = uds.User.parse((await lab.get(user_target("alice"), *ALICE)).body)
        assert (user.home_cluster, user.im_and_presence) == (True, "imp-pub.inside.example.com")
        assert user.service_profile == f"http://{PUB}:6970/SPDefault.cnf.xml"
        device = uds.Device.parse((await lab.get(devices.devices[0].uri.partition(":8443")[2], *ALICE)).body)
        assert device.provision == f"https://{PUB}:6972/CSFALICE.cnf.xml"
        version = uds.Version.parse((await lab.get("/cucm-uds/version")).body)
        assert (version.product, version.users_resource_auth_enabled) == ("14.0.1", False)

    run(main)


def test_an_unknown_user_is_not_found_with_status_200() -> None:
    async def main(lab: Lab) -> None:
        response = await lab.get(cluster_user_target(username="nobody"))
        assert response.status == 200
        assert uds.ClusterUser.parse(response.body).home is None
        for target in ("/cucm-uds/clusterUser", "/cucm-uds/clusterUser?username=a&email=b"):
            assert (await lab.get(target)).status == 415
        by_mail = uds.ClusterUser.parse((await lab.get(cluster_user_target(email="Alice@example.com"))).body)
        assert by_mail.home is not None

    run(main)


def test_headers_of_a_success_and_of_a_401_come_in_captured_order() -> None:
    async def main(lab: Lab) -> None:
        good = await lab.get("/cucm-uds/version")
        names = ["Cache-Control", "Expires", "X-Frame-Options", "Content-Type", "Content-Length", "Date", "Server"]
        assert [name for name, _ in good.headers] == names
        assert good.headers.get("Server") == ""
        assert good.headers.get("Content-Type") == "application/xml"
        assert b"\r\nServer:\r\n" in good.raw
        bad = await lab.get(user_target("alice", "devices"), "alice", "wrong")
        assert bad.status == 401
        names = ["Expires", "Server", "Cache-Control", "Date", "Content-Type", "WWW-Authenticate", "Content-Length"]
        assert [name for name, _ in bad.headers] == names
        assert bad.headers.get("WWW-Authenticate") == 'Basic realm="Cisco Web Services Realm"'
        assert bad.headers.get("Content-Type") == "text/html;charset=utf-8"

    run(main)


@pytest.mark.parametrize(
    ("target", "user", "password", "status", "challenged"),
    [
        ("alice/devices", None, "", 401, True),
        ("alice/devices", "alice", "wrong", 401, True),
        ("alice/devices", "nobody", "alice-secret", 401, True),
        ("Alice/devices", "Alice", "alice-secret", 401, True),
        ("bob/devices", "alice", "alice-secret", 401, False),
        ("alice", "alice", "alice-secret", 200, False),
        ("alice/nothing", "alice", "alice-secret", 404, False),
        ("alice/device/00000000-0000-0000-0000-000000000000", "alice", "alice-secret", 404, False),
    ],
)
def test_a_user_may_read_only_himself(
    target: str, user: str | None, password: str, status: int, challenged: bool
) -> None:
    async def main(lab: Lab) -> None:
        response = await lab.get(f"/cucm-uds/user/{target}", user, password)
        assert response.status == status
        assert ("WWW-Authenticate" in response.headers) is challenged

    run(main)


def test_checked_credentials_are_journalled_and_counted() -> None:
    async def main(lab: Lab) -> None:
        await lab.get(user_target("alice"), "alice", "wrong")
        await lab.get(user_target("alice"), "alice", "wrong")
        login = uds.LoginDetails.parse((await lab.get(user_target("alice", "credentials"), *ALICE)).body)
        assert (login.failures, login.last_login_address) == (0, "10.0.30.10")
        assert login.last_login.endswith("Z")
        checked = [entry.event for entry in lab.entries("auth")]
        assert [event.granted for event in checked if isinstance(event, events.Authentication)] == [False, False, True]
        secrets = [entry for entry in lab.entries("http.request") if b"Authorization" in entry.payload]
        assert all(entry.secrets for entry in secrets)

    run(main)


def test_a_new_password_survives_a_crash_of_the_node() -> None:
    async def main(lab: Lab) -> None:
        body = uds.NewCredentials(password="new-secret").document()
        target = user_target("alice", "credentials")
        xml = [("Content-Type", "application/xml")]
        done = await lab.get(target, *ALICE, method="PUT", body=body, headers=xml)
        assert (done.status, done.body) == (204, b"")
        assert (await lab.get(user_target("alice"), *ALICE)).status == 401
        await lab.world.crash("ucm-pub")
        await lab.world.start("ucm-pub")
        assert (await lab.get(user_target("alice"), "alice", "new-secret")).status == 200
        for wrong, headers in ((b"<credentials/>", xml), (body, [("Content-Type", "application/json")])):
            response = await lab.get(target, "alice", "new-secret", method="PUT", body=wrong, headers=headers)
            assert response.status == 415

    run(main)


def test_unknown_paths_and_methods_are_refused() -> None:
    async def main(lab: Lab) -> None:
        wrong = await lab.get("/cucm-uds/version", method="DELETE")
        assert (wrong.status, wrong.headers.get("Allow")) == (405, "GET, HEAD")
        assert uds.Failure.parse(wrong.body).code == 405
        for target in ("/cucm-uds", "/cucm-uds/", "/cucm-uds/nothing", "/cucm-uds//version", "/cucm-udsx/version", "/"):
            assert (await lab.get(target)).status == 404
        assert (await lab.get("/cucm-uds/private/users", method="POST", body=b"<users/>")).status == 400
        lab.ucm.uds.available = False
        assert (await lab.get("/cucm-uds/version")).status == 503

    run(main)


@pytest.mark.parametrize(
    ("query", "found", "requested"),
    [
        ("name=a", ["alice"], 64),
        ("name=Ali", ["alice"], 64),
        ("name=alice+a", ["alice"], 64),
        ("name=adams%20alice", ["alice"], 64),
        ("name=alice+x", [], 64),
        ("name=c", ["carol"], 64),
        ("first=b&last=b", ["bob"], 64),
        ("number=100", ["alice", "bob", "carol"], 64),
        ("numberlast=003", ["carol"], 64),
        ("numberlast=3", [], 64),
        ("username=bo", ["bob"], 64),
        ("email=carol@", ["carol"], 64),
        ("displayname=bob%20b", ["bob"], 64),
        ("max=10&start=1&name=", ["bob", "carol"], 10),
        ("max=1&number=100", ["alice"], 1),
        ("max=9999", ["alice", "bob", "carol"], 500),
    ],
)
def test_the_directory_is_searched_by_name_number_and_mail(query: str, found: list[str], requested: int) -> None:
    async def main(lab: Lab) -> None:
        answer = uds.Users.parse((await lab.get(f"/cucm-uds/users?{query}")).body)
        assert [person.user_name for person in answer.users] == found
        assert answer.requested == requested
        assert (await lab.get("/cucm-uds/users?max=many")).status == 415

    run(main)


def test_search_needs_credentials_where_the_cluster_says_so() -> None:
    async def main(lab: Lab) -> None:
        assert (await lab.get("/cucm-uds/users?name=a")).status == 401
        assert (await lab.get("/cucm-uds/users?name=a", *ALICE)).status == 200
        version = uds.Version.parse((await lab.get("/cucm-uds/version")).body)
        assert version.users_resource_auth_enabled

    run(main, changes={"unified_cm.0.contact_search_authentication": True})


def test_good_credentials_bring_the_session_cookie_once() -> None:
    async def main(lab: Lab) -> None:
        target = "/cucm-uds/user/alice/devices"
        first = (await lab.get(target, *ALICE)).headers
        name, _, rest = (first.get("Set-Cookie") or "").partition("=")
        assert name == "JSESSIONIDSSO"
        assert re.fullmatch(r"[0-9A-F]{32}; Path=/; Secure; HttpOnly", rest)
        assert (await lab.get(target, "alice", "wrong")).headers.get("Set-Cookie") is None
        assert (await lab.get("/cucm-uds/version")).headers.get("Set-Cookie") is None

    run(main)


def test_a_user_is_found_on_the_home_cluster() -> None:
    def database(cluster: str) -> Database:
        return Database(TWO, TWO.cluster(cluster), {})

    east, west = database("east"), database("west")
    for here in (east, west):
        for name, home in (("alice", "east"), ("bob", "west")):
            user = here.find(username=name)
            assert user is not None
            found = here.home_of(user)
            assert found is not None
            assert found.name == home
    assert east.accepts("alice", "a-secret") is not None
    assert east.accepts("bob", "b-secret") is None
    nowhere = east.find(username="carol")
    assert nowhere is not None
    assert east.home_of(nowhere) is None


TWO = load_text("""
name: two
dns:
  inside: {name: dns-inside, address: 10.0.40.53}
  outside: {name: dns-outside, address: 203.0.113.53, zone: internet}
expressway_e: [{name: expe, outer: 203.0.113.10, inner: 10.0.20.10}]
expressway_c: [{name: expc, address: 10.0.30.10}]
unified_cm:
  - {name: east, publisher: {name: ucm-east, address: 10.0.40.11}}
  - {name: west, publisher: {name: ucm-west, address: 10.0.40.31}}
users:
  - {id: alice, password: a-secret, home_cluster: east}
  - {id: bob, password: b-secret, home_cluster: west}
  - {id: carol, password: c-secret, homed: false}
""")
