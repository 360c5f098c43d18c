"""IM and Presence: the SOAP sign-in, the single sign-on probe, AXL."""

from __future__ import annotations

import asyncio

import pytest

from edgesim.edge import axl
from edgesim.edge import axl_messages as messages
from edgesim.http import basic_authorization
from edgesim.journal import events
from edgesim.xmpp import soap
from tests.servers.im_presence_lab import ADDRESS, FQDN, SERVICE, Lab, login_request, run


def test_login_configuration_and_one_time_password() -> None:
    async def main(lab: Lab) -> None:
        status, body = await lab.soap(login_request("alice", "alice-secret"))
        assert status == 200
        login = soap.parse_response(body)
        assert isinstance(login, soap.LoggedIn)
        assert len(login.session_key) == 36
        config = soap.parse_response((await lab.soap(soap.get_all_config_request(login.session_key)))[1])
        assert isinstance(config, soap.AllConfig)
        assert config.presence_domain == "example.com"
        answer = soap.parse_response((await lab.soap(soap.get_onetime_password_request(login.session_key)))[1])
        assert isinstance(answer, soap.OnetimePassword)
        assert lab.service.tickets.redeem("alice", answer.password) is None
        assert lab.service.tickets.redeem("alice", answer.password) is not None
        request = lab.entries("http.request")[-1]
        assert f"session:{login.session_key}" in request.keys
        assert "user:alice" in request.keys
        masked = [request.payload[start:end].decode() for start, end in request.secrets]
        assert login.session_key in masked

    run(main)


@pytest.mark.parametrize("version", ["v70", "v80", "v105", "latest"])
def test_every_version_of_the_path_is_served(version: str) -> None:
    async def main(lab: Lab) -> None:
        url = f"https://{FQDN}:8443/EPASSoap/service/{version}"
        assert (await lab.soap(login_request("bob", "bob-secret"), url=url))[0] == 200
        assert (await lab.soap(login_request("bob", "bob-secret"), url=url + "0"))[0] == 404

    run(main)


@pytest.mark.parametrize(
    ("user", "password"), [("alice", "wrong"), ("nobody", "alice-secret"), ("Alice", "alice-secret")]
)
def test_bad_credentials_give_200_without_success(user: str, password: str) -> None:
    async def main(lab: Lab) -> None:
        status, body = await lab.soap(login_request(user, password))
        assert status == 200
        assert b"<failure>" in body
        assert b"success" not in body
        (checked,) = lab.entries("auth")
        assert isinstance(checked.event, events.Authentication)
        assert (checked.event.granted, checked.event.user) == (False, user)

    run(main)


def test_a_user_not_assigned_gets_no_200() -> None:
    async def main(lab: Lab) -> None:
        status, body = await lab.soap(login_request("carol", "carol-secret"))
        assert status != 200
        assert isinstance(soap.parse_response(body), soap.Failure)

    run(main, changes={"users.2.im_presence": False})


def test_a_stale_or_foreign_session_key_is_an_invalid_request() -> None:
    async def main(lab: Lab) -> None:
        login = soap.parse_response((await lab.soap(login_request("alice", "alice-secret")))[1])
        assert isinstance(login, soap.LoggedIn)
        for key in ("", "00000000-0000-4000-8000-000000000000"):
            status, body = await lab.soap(soap.get_all_config_request(key))
            assert status == 200
            assert b"Invalid request" in body
        await asyncio.sleep(lab.deployment.defaults.im.session_key_lifetime_s)
        assert b"Invalid request" in (await lab.soap(soap.get_onetime_password_request(login.session_key)))[1]

    run(main)


def test_a_crash_forgets_session_keys() -> None:
    async def main(lab: Lab) -> None:
        login = soap.parse_response((await lab.soap(login_request("alice", "alice-secret")))[1])
        assert isinstance(login, soap.LoggedIn)
        await lab.world.crash("imp-pub")
        await lab.world.start("imp-pub")
        await asyncio.sleep(1)
        assert b"Invalid request" in (await lab.soap(soap.get_all_config_request(login.session_key)))[1]

    run(main)


def test_a_client_below_the_minimum_version_gets_the_reason() -> None:
    async def main(lab: Lab) -> None:
        lab.service.soap.minimum_versions = {"CUPC": "9.7.0.20000"}
        answer = soap.parse_response((await lab.soap(login_request("alice", "alice-secret")))[1])
        assert answer == soap.Failure(text=soap.CLIENT_VERSION_TOO_OLD, code="-1")
        newer = login_request("alice", "alice-secret", client_version="14.2.0.58008")
        assert isinstance(soap.parse_response((await lab.soap(newer))[1]), soap.LoggedIn)

    run(main)


def test_an_access_token_signs_in_the_user_it_was_made_for() -> None:
    async def main(lab: Lab) -> None:
        lab.service.soap.tokens = {"good": "alice"}.get
        for token, user, good in (("good", "alice", True), ("bad", "alice", False), ("good", "bob", False)):
            _, body = await lab.soap(login_request(user, ""), ("Authorization", f"Bearer {token}"))
            assert isinstance(soap.parse_response(body), soap.LoggedIn) is good

    run(main)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<x/>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        login_request("alice", "x")[:-20],
        login_request("alice", "x").replace(b"login", b"logout"),
        b"x" * 100_000,
    ],
)
def test_an_invalid_request_gets_a_fault_and_affects_no_other(body: bytes) -> None:
    async def main(lab: Lab) -> None:
        status, answer = await lab.soap(body)
        assert status == 400
        assert isinstance(soap.parse_response(answer), soap.Failure)
        assert len(lab.entries("malformed")) == 1
        assert (await lab.soap(login_request("alice", "alice-secret")))[0] == 200

    run(main)


def test_other_methods_and_the_single_sign_on_probe() -> None:
    async def main(lab: Lab) -> None:
        got = await lab.http.request("GET", SERVICE, address=ADDRESS, timeout=30)
        assert (got.status, got.headers.get("Allow")) == (405, "POST")
        probe = await lab.http.request(
            "GET", f"https://{FQDN}:8443/ssosp/ws/public/singleSignOn", address=ADDRESS, timeout=30
        )
        assert probe.status == 200
        assert b'<Status enabled="false"/>' in probe.body

    run(main)


def test_axl_names_the_nodes_to_its_account_only() -> None:
    async def main(lab: Lab) -> None:
        body = axl.write_request(messages.ListProcessNode(), "12.5")
        url = f"https://{FQDN}:8443/axl/"
        assert (await lab.http.request("POST", url, body=body, address=ADDRESS, timeout=30)).status == 401
        headers = [("Authorization", basic_authorization("axl", "axl-password"))]
        good = await lab.http.request("POST", url, headers=headers, body=body, address=ADDRESS, timeout=30)
        nodes = axl.read_response(good.body, messages.ProcessNodes)
        assert [(node.name, node.role) for node in nodes.servers] == [(FQDN, "CUCM IM and Presence")]

    run(main)
