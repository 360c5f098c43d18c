"""The web services of a Unified CM node together: single sign-on, configuration files, releases, and any request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgesim.edge import axl_messages as messages
from edgesim.edge import uds
from edgesim.edge.config_files import DeviceConfig, GlobalSettings, JabberConfig, ServiceProfile
from edgesim.edge.uds import cluster_user_target, user_target
from edgesim.http import Headers, HttpClient, HttpError, Request, basic_authorization
from edgesim.pki import TrustStore, client_context
from tests.fuzz import fuzzed
from tests.servers.unified_cm_lab import ADDRESS, ALICE, PUB, Lab, ask, run


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


def test_the_single_sign_on_probe_is_answered() -> None:
    async def main(lab: Lab) -> None:
        answer = await lab.get("/ssosp/ws/public/singleSignOn")
        assert answer.status == 200
        assert (
            b'<SSOResult version="1.0"><Response><SingleSignOn version="14.0.1"><Status enabled="false"/>'
            in answer.body
        )
        assert (await lab.get("/ssosp/ws/public/other")).status == 404

    run(main)


def test_configuration_files_are_served_on_both_ports() -> None:
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
        assert response.status == 200  # it asks, and continues without
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


def test_the_same_seed_gives_the_same_journal() -> None:
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


def test_any_request_gets_an_http_status_that_the_service_has() -> None:
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
