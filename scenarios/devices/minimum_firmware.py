"""Which devices can use MRA at all: the least firmware of each kind, on both sides, and the models left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgesim.deployment.hosts import ClientHost
from edgesim.deployment.people import Device
from edgesim.scenario import ClientState, Lab, Registered, Setting, containing, matching, scenario, seconds

MINIMA: dict[tuple[str, str], str] = {
    ("10.9(1)", "11.0(1)"): "7811 7821 7841 7861 8811 8841 8845 8851 8851NR 8861 8865 8865NR",
    ("12.0(1)", "12.1(1)"): "7832 8832 8832NR",
    ("10.2.4(98)", "10.2.4(99)"): "DX650 DX70 DX80",
    (
        "TC7.0.2",
        "TC7.1",
    ): "SX10 SX20 SX80 EX60 EX90 MX200 MX300 MX200_G2 MX300_G2 MX700 MX800 MX800_Dual C20 C40 C60 C90 "
    "Profile_42_C20 Profile_42_C40 Profile_42_C60 Profile_52_C40 Profile_52_C60 Profile_52_Dual_C60 Profile_65_C60 "
    "Profile_65_Dual_C90",
    ("CE8.1.1", "CE8.2"): "DX70 MX700 MX800 MX800_Dual SX10 SX20 SX80 MX200_G2 MX300_G2",
}
"""A release that is too old, and the least one: the models of which that is so."""
ANY_CE = (
    "DX80 Desk_Pro Board_55 Board_70 Board_85 Room_55 Room_70_G2 Room_55_Dual Room_70_Dual_G2 Room_Panorama "
    "Room_70_Panorama Room_70D_Panorama_Upgrade Room_Kit Room_Kit_Pro Room_Kit_Plus Room_Kit_Mini Codec_Plus"
)
"""Devices that support MRA with any CE release."""
EXCLUDED = "8821 8821-EX 8831"


def models(names: str) -> list[str]:
    return [name.replace("_", " ") for name in names.split()]


LEAST = [(model, least) for (_, least), names in MINIMA.items() for model in models(names)]
LEAST += [(model, "CE8.2" if model == "DX80" else "CE9.0") for model in models(ANY_CE)]
"""Each with its least release, and those that any CE release suits with an early one."""
BELOW = [(model, old) for (old, _), names in MINIMA.items() for model in models(names)]
BELOW += [(model, "14.2(1)") for model in models(EXCLUDED)]
"""Each with one that is too old, and the models left out, which no release helps."""
WHY = matching(r"supports MRA from \S+ on, and runs \S+$|does not support MRA$")
"""The finding about a device that MRA does not support."""


def household(fleet: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return a deployment's people with one device each, of this model and firmware, at home."""
    names = [f"SEP00005E0054{number:02d}" for number, _ in enumerate(fleet)]
    return {
        "users": [
            {"id": f"user{number}", "password": f"secret-{number}", "numbers": [f"20{number:02d}"], "devices": [name]}
            for number, name in enumerate(names)
        ],
        "devices": [
            {"name": name, "type": model, "firmware": firmware}
            for name, (model, firmware) in zip(names, fleet, strict=True)
        ],
        "clients": [
            {"name": f"device-{number}", "address": f"198.51.100.{100 + number}", "device": name}
            for number, name in enumerate(names)
        ],
    }


def other_firmware(fleet: Sequence[tuple[str, str]], now: int) -> list[Setting]:
    """Return mutations under which one device of each group has a release of the other side: ``now`` is 0 or 1."""
    changed = []
    for releases in MINIMA:
        place = next(index for index, (_, firmware) in enumerate(fleet) if firmware == releases[now])
        other = (fleet[place][0], releases[1 - now])
        changed.append(Setting("devices", household([*fleet[:place], other, *fleet[place + 1 :]])["devices"]))
    return changed


async def switch_on(lab: Lab, machine: ClientHost) -> Device:
    """Sign in the device that a machine is."""
    await (lab.phone if machine.platform == "phone" else lab.room)(machine.name).sign_in()
    return lab.deployment.device(machine.device or "")


@scenario(
    shows="EP-04",
    deployment="devices",
    changes=household(LEAST),
    mutations=other_firmware(LEAST, 1),
)
async def least_firmware(lab: Lab) -> None:
    """Every model with the least release that MRA supports, or with an early CE where any suits: all register."""
    for machine in lab.deployment.clients:
        async with lab.step(f"{machine.name} is switched on, and registers"):
            device = await switch_on(lab, machine)
            model = containing(f'+u.sip!model.ccm.cisco.com="{device.model}"')
            await lab.expect(Registered(device=device.name, contact=model))


@scenario(
    shows="EP-04",
    deployment="devices",
    changes=household(BELOW),
    breaks="EP-04.minimum-release",
    mutations=[
        Setting("defaults.client.unfit_device", "tries"),
        *other_firmware(BELOW, 0),
    ],
)
async def firmware_too_old(lab: Lab) -> None:
    """Every model with a release just below, and those left out (8821, 8821-EX, 8831): none ever asks for the edge."""
    lab.never(Registered())
    for machine in lab.deployment.clients:
        async with lab.step(f"{machine.name} is switched on, and knows nothing of MRA"):
            await switch_on(lab, machine)
            await lab.expect(ClientState(node=machine.name, outcome="none", detail=WHY))
    await lab.symptom("EP-04.minimum-release")
    await lab.wait(seconds(20))
