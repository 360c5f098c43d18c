"""Settings that keep a desk phone from MRA: a TFTP server that its network names, and a checkbox of Unified CM."""

from __future__ import annotations

from edgesim.scenario import ClientState, Lab, Registered, Setting, TcpOpened, scenario, seconds

OPTION = {"clients.phone-1.dhcp_tftp_option": 150}
UNCHECKED = {"devices.SEP00005E005302.activation_code_via_mra": False}


@scenario(
    shows="EP-04",
    deployment="devices",
    changes={**OPTION, **UNCHECKED},
    breaks="EP-04.mra-mode",
    mutations=[
        Setting("clients.phone-1.dhcp_tftp_option", None),
        Setting("devices.SEP00005E005302.activation_code_via_mra", True),
        Setting("defaults.client.phone_mra_mode", "TFTP timeout"),
    ],
)
async def phones_that_stay_inside(lab: Lab) -> None:
    """One phone is behind a router with DHCP option 150, Allow Activation Code via MRA of another is not checked."""
    lab.never(Registered())
    lab.never(TcpOpened(node="phone-1"))
    reasons = {
        "phone-1": "DHCP option 150 names a TFTP server",
        "phone-2": "Allow Activation Code via MRA is not checked",
    }
    for name, why in reasons.items():
        async with lab.step(f"{name} is switched on, and does not turn to MRA"):
            await lab.phone(name).sign_in()
            await lab.expect(ClientState(node=name, outcome="none", detail=why))
    await lab.symptom("EP-04.mra-mode")
    await lab.wait(seconds(20))
