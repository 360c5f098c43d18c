"""The tables of the configuration database that AXL's ``executeSQLQuery`` may read, with SQLite to run the query.

Tables and columns have Unified CM's names; booleans are ``t`` and ``f``. They contain only what the lab configures. A
query may only read, and is aborted when it runs too long.

Sources: Unified CM Data Dictionary (Cisco); for certificates "CUCM Certificate Management and Change Notification"
(Cisco 210541), which has the numbers of `CERTIFICATE_SERVICES`.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping

from cryptography.hazmat.primitives.serialization import Encoding

from edgesim.edge.axl_messages import (
    CALLMANAGER_TRUST,
    CLUSTER_SECURITY_MODE,
    ENTERPRISE_WIDE_DATA,
    OAUTH_REFRESH,
    SIP_OAUTH_MODE,
    TFTP_SERVICE,
    TOMCAT_TRUST,
    Row,
)
from edgesim.pki import TrustStore
from edgesim.servers.unified_cm.database import Database

Trusts = Mapping[str, TrustStore]
Rows = Iterator[tuple[object, ...]]

MAX_LENGTH = 4096
MAX_ROWS = 5_000
MAX_RESULT = 512 * 1024
"""The maximum characters of all rows together."""
MAX_VALUE = 8192
"""The maximum octets of one value."""
MAX_STEPS = 200
"""The time limit, in thousands of instructions of SQLite's virtual machine: some 10 ms."""
CERTIFICATE_SERVICES = {CALLMANAGER_TRUST: 4, TOMCAT_TRUST: 6}
"""The stores that have rows here, by their number in ``typecertificateservice``."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_CALL = re.compile(r"\(.*\)$", re.DOTALL)
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
_FUNCTIONS = ("avg", "count", "length", "like", "lower", "max", "min", "nvl", "substr", "sum", "trim", "upper")


class SqlError(Exception):
    """The query is invalid, forbidden, or too expensive."""


def execute(database: Database, query: str, *, trusts: Trusts) -> tuple[Row, ...]:
    """Run a query and return its rows, all values as text; ``trusts`` are the trust stores. Raises `SqlError`."""
    if len(query) > MAX_LENGTH:
        raise SqlError("the statement is too long")
    connection = sqlite3.connect(":memory:")
    try:
        _fill(connection, query.lower(), database, trusts)
        return _run(connection, query)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        raise SqlError(str(error)) from None
    finally:
        connection.close()


def _run(connection: sqlite3.Connection, query: str) -> tuple[Row, ...]:
    steps = 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps > MAX_STEPS

    connection.set_authorizer(_authorize)
    connection.set_progress_handler(stop, 1000)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE)
    cursor = connection.execute(query)
    # Informix names the column of ``count(*)`` ``count``.
    columns = [_CALL.sub("", str(column[0])).lower() for column in cursor.description or ()]
    if not all(_NAME.fullmatch(column) for column in columns):
        raise SqlError("columns need plain names")
    rows: list[Row] = []
    size = 0
    for values in cursor:
        row = tuple((name, "" if value is None else str(value)) for name, value in zip(columns, values, strict=True))
        rows.append(row)
        size += sum(len(name) + len(value) for name, value in row)
        if len(rows) > MAX_ROWS or size > MAX_RESULT:
            raise SqlError("the result is too large")
    return tuple(rows)


def _authorize(action: int, _: str | None, name: str | None, *__: str | None) -> int:
    """Allow only reads, and functions with small results."""
    allowed = action in _ALLOWED or (action == sqlite3.SQLITE_FUNCTION and name in _FUNCTIONS)
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _fill(connection: sqlite3.Connection, query: str, database: Database, trusts: Trusts) -> None:
    """Make the tables that a query, in lower case, may mean: those whose names are in it."""
    for table, (columns, rows) in TABLES.items():
        if table in query:
            connection.execute(f"create table {table} ({columns})")
            places = ", ".join("?" * (columns.count(",") + 1))
            connection.executemany(f"insert into {table} values ({places})", rows(database, trusts))


# ---- what the tables hold


def _process_nodes(database: Database, _: Trusts) -> Rows:
    cluster, pkid = database.cluster, database.pkid
    yield "00000000-1111-0000-0000-000000000000", ENTERPRISE_WIDE_DATA, "", 1, 1, "t"
    for position, node in enumerate(cluster.nodes):
        yield pkid("processnode", node.name), node.server_name, node.name, 1, min(position, 1), "f"
    for chat in database.deployment.im_presence:
        if chat.unified_cm == cluster.name:
            for position, each in enumerate(chat.nodes):
                yield pkid("processnode", each.name), each.fqdn, each.name, 2, min(position, 1), "f"


def _process_node_services(database: Database, _: Trusts) -> Rows:
    for position, name in enumerate(database.cluster.tftp):
        yield f"{position:02d}", database.pkid("processnode", name), TFTP_SERVICE, "t"


def _process_config(database: Database, _: Trusts) -> Rows:
    cluster = database.cluster
    yield CLUSTER_SECURITY_MODE, str(int(cluster.mixed_mode))
    yield SIP_OAUTH_MODE, str(int(cluster.sip_oauth))
    yield OAUTH_REFRESH, str(int(cluster.oauth_refresh))


def _end_users(database: Database, _: Trusts) -> Rows:
    for user in database.users.values():
        key, homed = database.pkid("enduser", user.id), "t" if database.is_homed_here(user) else "f"
        number = user.numbers[0] if user.numbers else ""
        yield key, user.id, user.first_name, user.last_name, user.mail, number, "t", homed


def _devices(database: Database, _: Trusts) -> Rows:
    for device in database.devices.values():
        owner = database.pkid("enduser", device.owner) if device.owner else None
        yield database.pkid("device", device.name), device.name, device.description, device.model, owner


def _lines(database: Database, _: Trusts) -> Rows:
    for line in dict.fromkeys(device.line for device in database.devices.values() if device.line):
        yield database.pkid("numplan", line), line


def _device_lines(database: Database, _: Trusts) -> Rows:
    for device in database.devices.values():
        if device.line:
            yield database.pkid("device", device.name), database.pkid("numplan", device.line), 1


def _device_owners(database: Database, _: Trusts) -> Rows:
    for device in database.devices.values():
        if device.owner:
            yield database.pkid("enduser", device.owner), database.pkid("device", device.name)


def _certificates(database: Database, trusts: Trusts) -> Rows:
    """Give each certificate once, however many stores hold it."""
    held = {one.public_bytes(Encoding.PEM).decode(): one for store in CERTIFICATE_SERVICES for one in trusts[store]}
    for pem, one in held.items():
        subject, issuer = one.subject.rfc4514_string(), one.issuer.rfc4514_string()
        yield database.pkid("certificate", pem), "", subject, issuer, f"{one.serial_number:x}", pem


def _certificate_stores(database: Database, trusts: Trusts) -> Rows:
    for store, number in CERTIFICATE_SERVICES.items():
        for one in trusts[store]:
            key = database.pkid("certificate", one.public_bytes(Encoding.PEM).decode())
            yield database.pkid("certificateservicecertificatemap", f"{number}/{key}"), key, number


def _stores(_: Database, __: Trusts) -> Rows:
    for store, number in CERTIFICATE_SERVICES.items():
        yield number, store


def _expressways(database: Database, _: Trusts) -> Rows:
    for host, rest in database.expressways.items():
        yield host, *rest


TABLES: dict[str, tuple[str, Callable[[Database, Trusts], Rows]]] = {
    "processnode": ("pkid, name, description, tkprocessnoderole, tknodeusage, systemnode", _process_nodes),
    "processnodeservice": ("pkid, fkprocessnode, servername, enable", _process_node_services),
    "processconfig": ("paramname, paramvalue", _process_config),
    "enduser": (
        "pkid, userid, firstname, lastname, mailid, telephonenumber, islocaluser, ishomecluster",
        _end_users,
    ),
    "device": ("pkid, name, description, tkmodel, fkenduser", _devices),
    "numplan": ("pkid, dnorpattern", _lines),
    "devicenumplanmap": ("fkdevice, fknumplan, numplanindex", _device_lines),
    "enduserdevicemap": ("fkenduser, fkdevice", _device_owners),
    "certificate": ("pkid, servername, subjectname, issuername, serialnumber, certificate", _certificates),
    "certificateservicecertificatemap": ("pkid, fkcertificate, tkcertificateservice", _certificate_stores),
    "typecertificateservice": ("enum, name", _stores),
    "expresswaycconfiguration": (
        "hostnameorip, description, x509subjectnameorsubjectalternatename",
        _expressways,
    ),
}
"""Each table's columns and what fills it."""
