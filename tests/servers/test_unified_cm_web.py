"""UDS, AXL, single sign-on and configuration files of a Unified CM node, over TLS in the simulated world."""

from __future__ import annotations

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.deployment import load_text
from edgesim.edge import axl, uds
from edgesim.edge import axl_messages as messages
from edgesim.edge.config_files import DeviceConfig, GlobalSettings, JabberConfig, ServiceProfile
from edgesim.edge.uds import cluster_user_target, user_target
from edgesim.http import Headers, HttpClient, HttpError, Request, basic_authorization
from edgesim.journal import events
from edgesim.pki import TrustStore, client_context
from edgesim.servers.unified_cm.database import Database
from tests.fuzz import fuzzed
from tests.servers.unified_cm_lab import ADDRESS, PUB, Lab, run

ALICE = ("alice", "alice-secret")


def test_the_sequence_of_expressway_c_at_sign_in() -> None:
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


def test_judged_credentials_are_journalled_and_counted() -> None:
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


def test_methods_and_paths_that_do_not_exist() -> None:
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
def test_directory_search(query: str, found: list[str], requested: int) -> None:
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


def test_bad_input_is_answered_and_leaves_other_connections_alone() -> None:
    async def main(lab: Lab) -> None:
        assert (await lab.get("/cucm-uds/version")).status == 200
        bomb = b'<!DOCTYPE z [<!ENTITY a "ha">]><credentials><credential type="pin">&a;</credential></credentials>'
        answer = await lab.get(
            user_target("alice", "credentials"),
            *ALICE,
            method="PUT",
            body=bomb,
            headers=[("Content-Type", "text/xml")],
        )
        assert answer.status == 415
        assert (await lab.get("/cucm-uds/user/%2e%2e/devices", *ALICE)).status == 401
        assert (await lab.get("/cucm-uds/user/%ff%fe", *ALICE)).status == 401
        assert (await lab.get("/cucm-uds/version")).status == 200

    run(main)


# ---- AXL


async def ask(lab: Lab, wanted: messages.Request, version: str = "14.0", user: str = "axl") -> bytes:
    headers = [("Content-Type", axl.CONTENT_TYPE), ("SOAPAction", f'"{axl.soap_action(wanted, version)}"')]
    body = axl.write_request(wanted, version)
    response = await lab.get(axl.TARGET, user, "axl-password", method="POST", body=body, headers=headers)
    if response.status not in (200, 500):
        raise AssertionError(response.status)
    return response.body


def test_axl_tells_release_nodes_and_parameters() -> None:
    async def main(lab: Lab) -> None:
        version = axl.read_response(await ask(lab, messages.GetCCMVersion()), messages.CcmVersion)
        assert version.version == "14.0.1.13900-1"
        nodes = axl.read_response(await ask(lab, messages.ListProcessNode()), messages.ProcessNodes)
        assert [(node.name, node.usage, node.is_call_processing) for node in nodes.servers] == [
            (PUB, "Publisher", True),
            ("ucm-sub.inside.example.com", "Subscriber", True),
            ("imp-pub.inside.example.com", "Publisher", False),
        ]
        like = axl.read_response(await ask(lab, messages.ListProcessNode(name="ucm-s%")), messages.ProcessNodes)
        assert [node.name for node in like.nodes] == ["ucm-sub.inside.example.com"]
        rows = axl.read_response(await ask(lab, messages.ExecuteSQLQuery(sql=messages.PARAMETERS_QUERY)), messages.Rows)
        assert {dict(row)["paramname"]: dict(row)["paramvalue"] for row in rows.rows}[
            messages.CLUSTER_SECURITY_MODE
        ] == "1"
        services = axl.read_response(await ask(lab, messages.ListProcessNodeService()), messages.ProcessNodeServices)
        assert services.nodes_with("Cisco Tftp") == (PUB,)
        assert services.nodes_with("Cisco CallManager") == (PUB, "ucm-sub.inside.example.com")
        one = axl.read_response(await ask(lab, messages.GetCallManager(name="CM_ucm-pub")), messages.CallManager)
        assert (one.node, one.sip_port, one.secure_sip_port) == (PUB, 5060, 5061)
        listed = axl.read_response(await ask(lab, messages.ListCallManager(name="CM_ucm-%")), messages.CallManagers)
        assert [(each.name, each.sip_port) for each in listed.call_managers] == [
            ("CM_ucm-pub", None),
            ("CM_ucm-sub", None),
        ]
        with pytest.raises(axl.AxlFault, match="was not found"):
            axl.read_response(await ask(lab, messages.GetCallManager(name="CM_other")), messages.CallManager)
        traced = "SELECT count(*) from processnode WHERE systemnode='f' and tknodeusage= 0"
        count = axl.read_response(await ask(lab, messages.ExecuteSQLQuery(sql=traced)), messages.Rows)
        assert count.rows == ((("count", "2"),),)

    run(main, changes={"unified_cm.0.mixed_mode": True})


def test_axl_keeps_expressway_c_entries_over_a_crash() -> None:
    async def main(lab: Lab) -> None:
        stored = axl.read_response(
            await ask(lab, messages.AddExpresswayC(host="expc", description="C", subject="expc.inside.example.com")),
            messages.Stored,
        )
        assert stored.uuid.startswith("{")
        with pytest.raises(axl.AxlFault) as duplicate:
            axl.read_response(await ask(lab, messages.AddExpresswayC(host="expc")), messages.Stored)
        assert duplicate.value.code == -239
        axl.read_response(await ask(lab, messages.UpdateExpresswayC(host="expc", subject="other")), messages.Stored)
        await lab.world.crash("ucm-pub")
        await lab.world.start("ucm-pub")
        await asyncio.sleep(1)  # the pool learns that its connection was reset
        entries = axl.read_response(await ask(lab, messages.ListExpresswayC()), messages.ExpresswayCs).entries
        assert [(entry.host, entry.description, entry.subject) for entry in entries] == [("expc", "C", "other")]
        axl.read_response(await ask(lab, messages.RemoveExpresswayC(host="expc")), messages.Stored)
        with pytest.raises(axl.AxlFault) as missing:
            axl.read_response(await ask(lab, messages.UpdateExpresswayC(host="expc")), messages.Stored)
        assert missing.value.code == 5003

    run(main)


@pytest.mark.parametrize(
    "query",
    [
        "select * from",
        "delete from enduser",
        "drop table enduser",
        "attach database '/tmp/x' as y",
        "pragma database_list",
        "select userid from enduser; select 1",
        "with recursive c(x) as (select 1 union all select x + 1 from c) select count(*) from c",
        "select load_extension('x')",
        'select 1 as "a b"',
        "select replace(hex(zeroblob(1000000)), '0', 'aaaaaaaaaaaa')",
        "select '\x00'",
        "select printf('%60000d', pkid) as x from device",
        "select group_concat(name) as x from device",
        "select a.name from device a, device b, device c, device d, device e, device f, device g order by 1",
        "update enduser set userid = 'x'",
        "select a.pkid from enduser a, enduser b, enduser c, device d, device e, device f, device g, device h",
    ],
)
def test_sql_that_is_wrong_forbidden_or_endless_is_a_fault(query: str) -> None:
    async def main(lab: Lab) -> None:
        with pytest.raises(axl.AxlFault) as caught:
            axl.read_response(await ask(lab, messages.ExecuteSQLQuery(sql=query)), messages.Rows)
        assert caught.value.code == 201

    run(main)


def test_axl_refuses_strangers_methods_and_versions() -> None:
    async def main(lab: Lab) -> None:
        body = axl.write_request(messages.GetCCMVersion(), "14.0")
        assert (await lab.get(axl.TARGET, method="POST", body=body)).status == 401
        assert (await lab.get(axl.TARGET, *ALICE, method="POST", body=body)).status == 401
        assert (await lab.get(axl.TARGET, "axl", "axl-password")).status == 405
        later = axl.write_request(messages.GetCCMVersion(), "99.0")
        assert (await lab.get(axl.TARGET, "axl", "axl-password", method="POST", body=later)).status == 599
        for wrong in (b"", b"<a/>", body.replace(b"getCCMVersion", b"removeUser")):
            answer = await lab.get(axl.TARGET, "axl", "axl-password", method="POST", body=wrong)
            assert answer.status == 500
            with pytest.raises(axl.AxlFault):
                axl.read_response(answer.body, messages.CcmVersion)

    run(main)


def test_axl_runs_on_the_publisher_only_and_only_where_it_is_activated() -> None:
    async def main(lab: Lab) -> None:
        assert lab.ucm.axl is None
        assert (await lab.get(axl.TARGET, "axl", "axl-password", method="POST")).status == 404

    run(main, changes={"unified_cm.0.publisher.axl": False})


def test_single_sign_on_probe() -> None:
    async def main(lab: Lab) -> None:
        answer = await lab.get("/ssosp/ws/public/singleSignOn")
        assert answer.status == 200
        assert (
            b'<SSOResult version="1.0"><Response><SingleSignOn version="14.0.1"><Status enabled="false"/>'
            in answer.body
        )
        assert (await lab.get("/ssosp/ws/public/other")).status == 404

    run(main)


# ---- configuration files


def test_configuration_files_over_both_ports() -> None:
    async def main(lab: Lab) -> None:
        bodies = {}
        for base in ("http", "https"):
            port = 6970 if base == "http" else 6972
            for name in ("CSFALICE.cnf.xml", "SPDefault.cnf.xml", "global-settings.xml", "jabber-config.xml"):
                response = await lab.client.request("GET", f"{base}://{PUB}:{port}/{name}", address=ADDRESS, timeout=30)
                assert response.status == 200
                bodies[name] = response.body
            for name in ("CSFNOBODY.cnf.xml", "csfalice.cnf.xml", "../etc/passwd", "", "CSFALICE.cnf.xml.sgn"):
                missing = await lab.client.request("GET", f"{base}://{PUB}:{port}/{name}", address=ADDRESS, timeout=30)
                assert missing.status == 404
            posted = await lab.client.request(
                "POST", f"{base}://{PUB}:{port}/CSFALICE.cnf.xml", address=ADDRESS, timeout=30
            )
            assert posted.status == 405
        device = DeviceConfig.parse(bodies["CSFALICE.cnf.xml"])
        assert [manager.name for manager in device.call_managers] == [PUB, "ucm-sub.inside.example.com"]
        assert [(line.name, line.display_name) for line in device.lines] == [("1001", "Alice Adams")]
        assert (device.owner, device.oauth, device.security_mode) == ("alice", False, 1)
        assert ServiceProfile.parse(bodies["SPDefault.cnf.xml"]).presence == ("imp-pub.inside.example.com",)
        assert GlobalSettings.parse(bodies["global-settings.xml"]).cluster_security_mode == 0
        assert JabberConfig.parse(bodies["jabber-config.xml"]).get("Directory", "DirectoryServerType") == "UDS"

    run(main)


@pytest.mark.parametrize("store", ["tomcat-trust", "callmanager-trust"])
def test_secure_files_need_the_caller_trusted_by_both_stores(store: str) -> None:
    def without(name: str, held: TrustStore) -> TrustStore:
        return TrustStore.of(name) if name == store else held

    async def main(lab: Lab) -> None:
        with pytest.raises(HttpError):
            await lab.client.request("GET", f"https://{PUB}:6972/CSFALICE.cnf.xml", address=ADDRESS, timeout=30)
        assert any("unknown ca" in repr(event).lower().replace("_", " ") for event in lab.happened)
        assert (await lab.get("/cucm-uds/version")).status == 200  # 8443 never asks
        nobody = HttpClient(lab.client.recorder, ssl=client_context(lab.trust))
        response = await nobody.request("GET", f"https://{PUB}:6972/CSFALICE.cnf.xml", address=ADDRESS, timeout=30)
        assert response.status == 200  # it asks, and goes on without
        await nobody.close()

    run(main, trusts=without)


def test_a_subscriber_serves_uds_but_neither_axl_nor_files() -> None:
    async def main(lab: Lab) -> None:
        client = lab.client
        base = "https://ucm-sub.inside.example.com"
        there = "10.0.40.12"
        headers = [("Authorization", basic_authorization(*ALICE))]
        answer = await client.request(
            "GET", f"{base}:8443{user_target('alice')}", headers=headers, address=there, timeout=30
        )
        assert uds.User.parse(answer.body).uri == f"{base}:8443/cucm-uds/user/alice"
        assert (
            await client.request("POST", f"{base}:8443/axl/", headers=headers, address=there, timeout=30)
        ).status == 404
        with pytest.raises(HttpError):
            await client.request("GET", f"{base}:6972/CSFALICE.cnf.xml", address=there, timeout=30)

    run(main, name="ucm-sub")


def test_requests_are_correlated_with_user_and_device() -> None:
    async def main(lab: Lab) -> None:
        await lab.get(cluster_user_target(username="alice"))
        await lab.get(user_target("alice", "devices"), *ALICE)
        await lab.client.request("GET", f"https://{PUB}:6972/CSFALICE.cnf.xml", address=ADDRESS, timeout=30)
        found = [entry.keys for entry in lab.entries("http.request")]
        assert found == [("user:alice",), ("user:alice",), ("device:CSFALICE", "user:alice")]

    run(main)


def test_one_seed_gives_one_journal() -> None:
    async def main(lab: Lab) -> None:
        await lab.get(user_target("alice", "devices"), *ALICE)
        await lab.get("/cucm-uds/users?name=a")
        await ask(lab, messages.ExecuteSQLQuery(sql=messages.PARAMETERS_QUERY))
        written.append([repr(entry) for entry in lab.journal])

    written: list[list[str]] = []
    run(main)
    run(main)
    assert written[0] == written[1]
    assert len(written[0]) > 6


TARGETS = st.one_of(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60),
    st.lists(
        st.sampled_from(["user", "alice", "bob", "device", "devices", "..", "%2f", "%ff", "", "clusterUser", "users"]),
        max_size=6,
    ).map("/".join),
)
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["name", "start", "max", "username", "email", "number", "numberlast", "model", "x"]),
        st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=12),
    ),
    max_size=4,
).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs))


def test_any_request_gets_a_proper_answer() -> None:
    async def main(lab: Lab) -> None:
        ucm = lab.ucm
        authorization = ("Authorization", basic_authorization(*ALICE))

        @fuzzed
        @given(
            st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "FROB"]), TARGETS, QUERIES, st.binary(max_size=40)
        )
        def check(method: str, target: str, query: str, body: bytes) -> None:
            headers = Headers([authorization, ("Content-Type", "text/xml")])
            for path in (f"/cucm-uds/{target}", f"/{target}"):
                request = Request(method=method, target=f"{path}?{query}", headers=headers, body=body)
                answers = [ucm.tftp.handle(request), ucm.single_sign_on.handle(request)]
                if path.startswith("/cucm-uds/"):
                    answers.append(ucm.uds.handle(request))
                assert all(answer.status in (200, 204, 400, 401, 404, 405, 409, 415) for answer in answers)
                assert all(b"\r" not in str(item).encode() for answer in answers for item in answer.headers)
                ucm.uds.keys(request)
                ucm.tftp.keys(request)

        check()

    run(main)


def test_home_cluster_discovery_over_clusters() -> None:
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


@pytest.mark.parametrize(
    ("release", "line", "version"),
    [
        ("14SU3", b"HTTP/1.1 %d \r\n", b'version="14.0.1"'),
        ("15", b"HTTP/1.1 %d \r\n", b'version="15.0.1"'),
        ("12.5(1)SU4", b"HTTP/1.1 %d ", b'version="12.5.1"'),
        ("10.5(2)", b"HTTP/1.1 %d ", b'version="10.5.2"'),
    ],
)
def test_status_lines_and_uds_follow_the_release(release: str, line: bytes, version: bytes) -> None:
    async def main(lab: Lab) -> None:
        for target, status in (("/cucm-uds/servers", 200), ("/cucm-uds/user/alice", 401), ("/nothing", 404)):
            answer = await lab.get(target)
            assert answer.raw.startswith(line % status)
            assert answer.raw.startswith(b"HTTP/1.1 %d \r\n" % status) is line.endswith(b"\r\n")
        assert version in (await lab.get("/cucm-uds/servers")).body

    run(main, changes={"unified_cm.0.release": release})


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
