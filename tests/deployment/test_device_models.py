"""The table of devices: who can use MRA, from which release on, and what Unified CM calls them."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from edgesim.deployment import DeploymentError, load
from edgesim.deployment.device_models import CURRENT, DEVICE_TYPES, DeviceKind, Software, device_type
from edgesim.deployment.features import gate
from edgesim.deployment.releases import ReleaseError

EXCLUDED = {"8821", "8821-EX", "8831"}
EVERY = [(kind, each) for kind, types in DEVICE_TYPES.items() for each in types]


def test_the_names_of_types_are_those_of_the_table() -> None:
    assert get_args(DeviceKind) == tuple(DEVICE_TYPES)


@pytest.mark.parametrize(
    ("kind", "firmware", "number"),
    [
        ("7821", None, 621),
        ("EX60", "TC7.3.21", 604),
        ("8811", None, 36217),
        ("8845", None, 36224),
        ("8865", None, 36225),
        ("DX70", "CE9.15.3", 36241),
        ("DX70", "10.2.5(207)", 36043),
        ("DX80", "RoomOS10.3", 36239),
        ("DX80", "10.2.4(99)", 36042),
        ("DX650", None, 647),
    ],
)
def test_model_numbers_follow_the_software(kind: str, firmware: str | None, number: int) -> None:
    assert device_type(kind, firmware).model == number


def test_two_numbers_are_those_of_the_next_of_kin() -> None:
    assert {kind for kind, each in EVERY if each.inferred} == {"Codec Plus", "Room 70D Panorama Upgrade"}


def test_only_the_three_models_are_left_out() -> None:
    assert {kind for kind, each in EVERY if each.excluded} == EXCLUDED
    assert all(device_type(kind, None).unfit(None) for kind in ("8821", "8821-EX", "8831"))


def test_every_gate_is_one_of_the_table_of_features_and_current_firmware_passes_it() -> None:
    for kind, each in EVERY:
        if each.gate is not None:
            assert gate(each.gate, each.software.product) is not None, kind
        if kind not in EXCLUDED and each.software is not Software.JABBER:
            assert each.unfit(CURRENT[each.software]) is None, kind


@pytest.mark.parametrize(
    ("kind", "old", "least"),
    [
        ("7861", "10.3(2)", "11.0(1)"),
        ("8865", "10.9(9)SR3", "11.0(1)"),
        ("7832", "12.0(9)", "12.1(1)"),
        ("8832", "11.0(1)", "12.1(1)"),
        ("DX650", "10.2.4(98)", "10.2.4(99)"),
        ("DX80", "10.2.4(98)", "10.2.4(99)"),
        ("C90", "TC7.0.9", "TC7.1"),
        ("SX20", "TC7.0.9", "TC7.1"),
        ("SX20", "CE8.1.9", "CE8.2"),
        ("MX800 Dual", "CE8.1.9", "CE8.2"),
    ],
)
def test_least_releases(kind: Any, old: str, least: str) -> None:
    assert device_type(kind, old).unfit(old)
    assert device_type(kind, least).unfit(least) is None


@pytest.mark.parametrize("kind", ["Desk Pro", "Board 55", "Room Kit Mini", "DX80", "Codec Plus"])
def test_some_devices_any_ce_release_suits(kind: Any) -> None:
    assert device_type(kind, "CE8.0").unfit("CE8.0") is None


@pytest.mark.parametrize(
    ("kind", "firmware"),
    [("8845", "CE9.15.3"), ("EX60", "12.1(1)"), ("EX60", "CE9.0"), ("Room Kit", "TC7.1"), ("7821", "x")],
)
def test_a_device_cannot_run_the_software_of_another(kind: str, firmware: str) -> None:
    with pytest.raises(ReleaseError):
        device_type(kind, firmware)
    with pytest.raises(DeploymentError) as raised:
        load("devices").changed({"devices": [{"name": "SEP00005E005301", "type": kind, "firmware": firmware}]})
    assert any(mistake.path == ("devices", 0, "firmware") for mistake in raised.value.mistakes)


def test_a_machine_is_of_the_platform_of_its_device() -> None:
    platforms = {client.name: client.platform for client in load("devices").clients}
    assert platforms == {
        "jabber-1": "windows",
        "phone-1": "phone",
        "phone-2": "phone",
        "dx-1": "phone",
        "room-1": "room",
        "room-2": "room",
    }
    dx70 = load("devices").changed({"devices.SEP00005E005305.firmware": "10.2.5(207)"})
    assert next(client for client in dx70.clients if client.name == "room-2").platform == "phone"
    assert [each.store for each in dx70.trust_of("room-2")] == ["built-in"]


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"clients.phone-1.device": "SEP000000000000"}, ("clients", 1, "device"), "no such device"),
        ({"clients.phone-1.device": "CSFALICE"}, ("clients", 1, "device"), "a phone or room device"),
        ({"clients.phone-2.device": "SEP00005E005301"}, ("clients", 2, "device"), "already the device of phone-1"),
        ({"clients.phone-1.platform": "room"}, ("clients", 1, "platform"), "expected phone: SEP00005E005301 is a"),
    ],
)
def test_machines_that_cannot_be_the_device_they_name(
    changes: dict[str, Any], field: tuple[str | int, ...], reason: str
) -> None:
    with pytest.raises(DeploymentError) as raised:
        load("devices").changed(changes)
    assert [(mistake.path, reason in mistake.reason) for mistake in raised.value.mistakes] == [(field, True)]
