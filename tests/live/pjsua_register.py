"""Registers with pjsua2 and takes it back: ``inside USER LINE NODE SOURCE`` or ``edge USER LINE DNS EXPC CA``.

Run by the Python that has pjsua2 (``test_pjsua.py``); it prints a line for each change of the registration.
"""
# mypy: ignore-errors

import sys
import time

import pjsua2 as pj

way, user, line, *more = sys.argv[1:]
HOME = "ucm-pub.inside.example.com"


class Account(pj.Account):
    state = None

    def onRegState(self, state):
        self.state = "active" if self.getInfo().regIsActive else "gone"
        print("registration", state.code, self.state, flush=True)


endpoint = pj.Endpoint()
endpoint.libCreate()
settings = pj.EpConfig()
settings.uaConfig.threadCnt, settings.uaConfig.mainThreadOnly = 0, True  # callbacks come from libHandleEvents alone
settings.logConfig.level = settings.logConfig.consoleLevel = 0
transport, account = pj.TransportConfig(), pj.AccountConfig()
transport.port = 0
if way == "edge":
    name_server, core, ca = more
    settings.uaConfig.nameserver.append(name_server)
    transport.tlsConfig.CaListFile, transport.tlsConfig.verifyServer = ca, True
    kind = pj.PJSIP_TRANSPORT_TLS
    account.idUri, account.regConfig.registrarUri = f"sip:{line}@{HOME}", f"sip:{HOME}"
    account.sipConfig.proxies.append("sip:expe.example.com:5061;transport=tls;lr")
    account.sipConfig.proxies.append(f"sip:{core}:5061;transport=tls;zone-id=3;directed;lr")
    account.regConfig.proxyUse = 3
else:
    node, transport.boundAddress = more
    kind = pj.PJSIP_TRANSPORT_TCP
    account.idUri, account.regConfig.registrarUri = f"sip:{line}@{node}", f"sip:{node};transport=tcp"
account.regConfig.contactParams = f';+u.sip!devicename.ccm.cisco.com="CSF{user.upper()}"'
account.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, f"{user}-secret"))
endpoint.libInit(settings)
endpoint.audDevManager().setNullDev()
endpoint.transportCreate(kind, transport)
endpoint.libStart()
phone = Account()
phone.create(account)


def until(account, state):
    end = time.monotonic() + 30
    while time.monotonic() < end and account.state != state:
        endpoint.libHandleEvents(50)


until(phone, "active")
phone.setRegistration(False)
until(phone, "gone")
del phone
endpoint.libDestroy()
