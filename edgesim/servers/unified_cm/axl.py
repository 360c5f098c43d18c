"""The Cisco AXL Web Service: the web application ``/axl/`` on the publisher, for accounts with *Standard AXL API
Access*.

Source: AXL developer guide and AXL schema (developer.cisco.com).
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping

from edgesim.deployment.defaults import Defaults
from edgesim.deployment.settings import Account
from edgesim.edge import axl
from edgesim.edge import axl_messages as messages
from edgesim.http import Request, Response
from edgesim.journal import Recorder, events
from edgesim.journal.keys import user_key
from edgesim.pki import TrustStore
from edgesim.servers.unified_cm import sql
from edgesim.servers.unified_cm.database import Database
from edgesim.servers.unified_cm.tomcat import Tomcat, page

EARLIEST = (8, 0)
"""The oldest supported schema."""
MAX_EXPRESSWAYS = 500


class Axl:
    """The service of one publisher. ``release`` is the full build, ``schema`` its newest version, e.g. (14, 0).

    ``trusts`` returns the node's trust stores with all uploads, in effect or not: the database has them at once.
    """

    def __init__(
        self,
        database: Database,
        account: Account,
        *,
        release: str,
        schema: tuple[int, int],
        tomcat: Tomcat,
        journal: Recorder,
        defaults: Defaults,
        trusts: Callable[[], Mapping[str, TrustStore]],
    ) -> None:
        self._database = database
        self._defaults = defaults
        self._trusts = trusts
        self._account = account
        self._release = release
        self._schema = schema
        self._tomcat = tomcat
        self._journal = journal

    def handle(self, request: Request) -> Response:
        """Answer a request to ``/axl/``."""
        if not self._is_admitted(request):
            return self._tomcat.unauthorized()
        if request.method != "POST":
            return self._tomcat.error(405, "AXL takes POST.", allow=("POST",))
        try:
            wanted, version = axl.read_request(request.body)
        except axl.UnknownMethod as error:
            return self._fault(axl.AxlFault(-1, f"No handler for {error.method[:80]}", error.method[:80], "Client"))
        except axl.AxlError as error:
            broken = events.Malformed(protocol="axl", reason=str(error), answer="500 with a fault")
            self._journal.received(broken, peer=request.peer)
            return self._fault(axl.AxlFault(-1, str(error), "", "Client"))
        if not self._speaks(version):
            body = page(599, "The specified AXL version is not available.")
            return Response(status=599, reason="", headers=self._tomcat.document(body).headers, body=body)
        try:
            answer = self._answer(wanted)
        except axl.AxlFault as fault:
            return self._fault(fault)
        return self._tomcat.document(axl.write_response(wanted, answer, version), axl.CONTENT_TYPE)

    def _is_admitted(self, request: Request) -> bool:
        given = request.basic()
        if given is None:
            return False
        known = self._account
        granted = hmac.compare_digest(given.user.encode(), known.user.encode()) and hmac.compare_digest(
            given.password.encode(), known.password.encode()
        )
        self._journal.emit(
            events.Authentication(user=given.user[:128], how="basic", granted=granted, detail="AXL"),
            keys=(user_key(given.user),),
        )
        return granted

    def _speaks(self, version: str) -> bool:
        major, dot, minor = version.partition(".")
        if not (dot and major.isascii() and minor.isascii() and major.isdigit() and minor.isdigit()):
            return False
        return len(version) < 8 and EARLIEST <= (int(major), int(minor)) <= self._schema

    def _fault(self, fault: axl.AxlFault) -> Response:
        return self._tomcat.document(axl.write_fault(fault), axl.CONTENT_TYPE, 500)

    def _answer(self, wanted: messages.Request) -> messages.Response:
        match wanted:
            case messages.GetCallManager(name=name):
                found = [each for each in self._call_managers(ports=True) if each.name.lower() == name.lower()]
                if not found:
                    raise axl.AxlFault(5007, "Item not valid: The specified Call Manager was not found", _name(wanted))
                return found[0]
            case messages.ListCallManager(name=like):
                listed = self._call_managers(ports=False)
                return messages.CallManagers(call_managers=tuple(one for one in listed if _is_like(one.name, like)))
            case messages.ListProcessNodeService(node=like):
                services = tuple(each for each in self._services() if _is_like(each.node, like))
                return messages.ProcessNodeServices(services=services)
            case messages.GetCCMVersion(process_node=node):
                names = [each.server_name for each in self._database.cluster.nodes]
                if node is not None and node not in names:
                    raise axl.AxlFault(5007, "Item not valid: The specified process node was not found", _name(wanted))
                return messages.CcmVersion(version=self._release)
            case messages.ListProcessNode(name=like):
                nodes = tuple(node for node in self._nodes() if _is_like(node.name, like))
                return messages.ProcessNodes(nodes=nodes)
            case messages.ExecuteSQLQuery(sql=query):
                try:
                    return messages.Rows(rows=sql.execute(self._database, query, trusts=self._trusts()))
                except sql.SqlError as error:
                    raise axl.AxlFault(201, f"A syntax error has occurred: {error}", _name(wanted)) from None
            case messages.AddExpresswayC():
                return self._add(wanted)
            case messages.UpdateExpresswayC():
                return self._update(wanted)
            case messages.RemoveExpresswayC(host=host):
                if self._database.expressways.pop(host, None) is None:
                    raise axl.AxlFault(5007, _NOT_FOUND, _name(wanted))
                return self._stored(host)
            case messages.ListExpresswayC(host=like):
                entries = (
                    messages.ExpresswayC(host=host, description=about, subject=subject, uuid=self._stored(host).uuid)
                    for host, (about, subject) in self._database.expressways.items()
                    if _is_like(host, like)
                )
                return messages.ExpresswayCs(entries=tuple(entries))

    def _call_managers(self, *, ports: bool) -> list[messages.CallManager]:
        """Return the Cisco CallManager of every node; in a list they have no ports (AXL schema, LCallManager)."""
        numbers, form = self._defaults.ports, self._defaults.edge.call_manager_name
        return [
            messages.CallManager(
                name=form.format(host=node.name),
                node=node.server_name,
                description=node.name,
                phone_port=messages.SKINNY_PORT if ports else None,
                sip_port=numbers.sip if ports else None,
                secure_sip_port=numbers.sip_tls if ports else None,
                uuid=self._uuid("callmanager", node.name),
            )
            for node in self._database.cluster.nodes
        ]

    def _services(self) -> list[messages.ProcessNodeService]:
        """Return the services of all nodes; those with TFTP in the order in which clients should use them."""
        cluster = self._database.cluster
        names = {node.name: node.server_name for node in cluster.nodes}
        found = [(messages.CALL_MANAGER_SERVICE, name) for name in names]
        found += [(messages.TFTP_SERVICE, name) for name in cluster.tftp]
        found += [(messages.AXL_SERVICE, node.name) for node in cluster.nodes if node.axl]
        return [
            messages.ProcessNodeService(
                node=names[name], service=service, uuid=self._uuid("processnodeservice", f"{name}/{service}")
            )
            for service, name in found
        ]

    def _nodes(self) -> list[messages.ProcessNode]:
        database = self._database
        found = [messages.ProcessNode(name=messages.ENTERPRISE_WIDE_DATA, usage="Subscriber")]
        for position, node in enumerate(database.cluster.nodes):
            usage = "Subscriber" if position else "Publisher"
            found.append(self._node(node.server_name, node.name, usage, "CUCM Voice/Video"))
        for chat in database.deployment.im_presence:
            if chat.unified_cm == database.cluster.name:
                for position, each in enumerate(chat.nodes):
                    usage = "Subscriber" if position else "Publisher"
                    found.append(self._node(each.fqdn, each.name, usage, "CUCM IM and Presence"))
        return found

    def _node(self, name: str, label: str, usage: str, role: str) -> messages.ProcessNode:
        key = self._uuid("processnode", label)
        return messages.ProcessNode(name=name, description=label, usage=usage, role=role, uuid=key)

    def _stored(self, host: str) -> messages.Stored:
        return messages.Stored(uuid=self._uuid("expresswaycconfiguration", host))

    def _uuid(self, kind: str, name: str) -> str:
        return f"{{{self._database.pkid(kind, name).upper()}}}"

    def _add(self, wanted: messages.AddExpresswayC) -> messages.Stored:
        entries = self._database.expressways
        if wanted.host in entries:
            message = "Could not insert new row - duplicate value in a UNIQUE INDEX column (Unique Index:)."
            raise axl.AxlFault(-239, message, _name(wanted), "Client")
        if len(entries) >= MAX_EXPRESSWAYS:
            raise axl.AxlFault(-1, "too many entries", _name(wanted))
        entries[wanted.host] = (wanted.description, wanted.subject)
        return self._stored(wanted.host)

    def _update(self, wanted: messages.UpdateExpresswayC) -> messages.Stored:
        entries = self._database.expressways
        if wanted.host not in entries:
            raise axl.AxlFault(5003, _NOT_FOUND, _name(wanted))
        host = wanted.new_host or wanted.host
        if host != wanted.host and host in entries:
            raise axl.AxlFault(-239, "duplicate value in a UNIQUE INDEX column", _name(wanted), "Client")
        description, subject = entries.pop(wanted.host)
        entries[host] = (
            description if wanted.description is None else wanted.description,
            subject if wanted.subject is None else wanted.subject,
        )
        return self._stored(host)


_NOT_FOUND = "Item not valid: The specified Expressway-C was not found"


def _name(wanted: messages.Request) -> str:
    return messages.METHODS[type(wanted)]


def _is_like(value: str, pattern: str) -> bool:
    """Match as SQL's LIKE does, without regard to case; only ``%`` is special, at most four times."""
    parts = [re.escape(part) for part in pattern[:256].split("%")]
    return len(parts) <= 5 and re.fullmatch(".*".join(parts), value, re.IGNORECASE | re.DOTALL) is not None
