"""The tables of the configuration database that AXL's ``executeSQLQuery`` may read, with SQLite to run the query.

Tables and columns have Unified CM's names; booleans are ``t`` and ``f``. Only what the lab configures is there. A query
may read and nothing else, and is cut off when it works too long.

Sources: Unified CM Data Dictionary (Cisco); for certificates "CUCM Certificate Management and Change Notification"
(Cisco 210541), which has the numbers of `CERTIFICATE_SERVICES`.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping

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

MAX_LENGTH = 4096
MAX_ROWS = 5_000
MAX_RESULT = 512 * 1024
"""Characters of all rows together."""
MAX_VALUE = 8192
"""Octets of one value."""
MAX_STEPS = 200
"""Times a thousand instructions of SQLite's machine: some 10 ms."""

SCHEMA = """
create table processnode (pkid, name, description, tkprocessnoderole, tknodeusage, systemnode);
create table processnodeservice (pkid, fkprocessnode, servername, enable);
create table processconfig (paramname, paramvalue);
create table enduser (pkid, userid, firstname, lastname, mailid, telephonenumber, islocaluser, ishomecluster);
create table device (pkid, name, description, tkmodel, fkenduser);
create table numplan (pkid, dnorpattern);
create table devicenumplanmap (fkdevice, fknumplan, numplanindex);
create table enduserdevicemap (fkenduser, fkdevice);
create table certificate (pkid, servername, subjectname, issuername, serialnumber, certificate);
create table certificateservicecertificatemap (pkid, fkcertificate, tkcertificateservice);
create table typecertificateservice (enum, name);
create table expresswaycconfiguration (hostnameorip, description, x509subjectnameorsubjectalternatename);
"""
CERTIFICATE_SERVICES = {CALLMANAGER_TRUST: 4, TOMCAT_TRUST: 6}
"""The stores that have rows here, by their number in ``typecertificateservice``."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_CALL = re.compile(r"\(.*\)$", re.DOTALL)
_ALLOWED = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
_FUNCTIONS = ("avg", "count", "length", "like", "lower", "max", "min", "nvl", "substr", "sum", "trim", "upper")


class SqlError(Exception):
    """The query is wrong, forbidden, or too much work."""


def execute(database: Database, query: str, *, trusts: Mapping[str, TrustStore]) -> tuple[Row, ...]:
    """Run a query and return its rows, all values as text; ``trusts`` are the trust stores. Raises `SqlError`."""
    if len(query) > MAX_LENGTH:
        raise SqlError("the statement is too long")
    connection = sqlite3.connect(":memory:")
    try:
        _fill(connection, database)
        _fill_trusts(connection, database, trusts)
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
    # Informix calls the column of ``count(*)`` ``count``.
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
    """Let a query read, and use functions whose results are small."""
    allowed = action in _ALLOWED or (action == sqlite3.SQLITE_FUNCTION and name in _FUNCTIONS)
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _fill(connection: sqlite3.Connection, database: Database) -> None:
    connection.executescript(SCHEMA)

    def insert(table: str, *rows: tuple[object, ...]) -> None:
        for row in rows:
            connection.execute(f"insert into {table} values ({', '.join('?' * len(row))})", row)

    cluster, pkid = database.cluster, database.pkid
    insert("processnode", ("00000000-1111-0000-0000-000000000000", ENTERPRISE_WIDE_DATA, "", 1, 1, "t"))
    for position, node in enumerate(cluster.nodes):
        insert("processnode", (pkid("processnode", node.name), node.server_name, node.name, 1, min(position, 1), "f"))
    for chat in database.deployment.im_presence:
        if chat.unified_cm == cluster.name:
            for position, each in enumerate(chat.nodes):
                key = pkid("processnode", each.name)
                insert("processnode", (key, each.fqdn, each.name, 2, min(position, 1), "f"))
    for position, name in enumerate(cluster.tftp):
        insert("processnodeservice", (f"{position:02d}", pkid("processnode", name), TFTP_SERVICE, "t"))
    insert(
        "processconfig",
        (CLUSTER_SECURITY_MODE, str(int(cluster.mixed_mode))),
        (SIP_OAUTH_MODE, str(int(cluster.sip_oauth))),
        (OAUTH_REFRESH, str(int(cluster.oauth_refresh))),
    )
    for user in database.users.values():
        homed = "t" if database.is_homed_here(user) else "f"
        number = user.numbers[0] if user.numbers else ""
        key = pkid("enduser", user.id)
        insert("enduser", (key, user.id, user.first_name, user.last_name, user.mail, number, "t", homed))
    lines: dict[str, None] = {}
    for device in database.devices.values():
        key = pkid("device", device.name)
        owner = pkid("enduser", device.owner) if device.owner else None
        insert("device", (key, device.name, device.description, device.model, owner))
        if device.line:
            lines[device.line] = None
            insert("devicenumplanmap", (key, pkid("numplan", device.line), 1))
        if owner:
            insert("enduserdevicemap", (owner, key))
    insert("numplan", *((pkid("numplan", line), line) for line in lines))
    insert("expresswaycconfiguration", *((host, *rest) for host, rest in database.expressways.items()))


def _fill_trusts(connection: sqlite3.Connection, database: Database, trusts: Mapping[str, TrustStore]) -> None:
    """Fill the tables of certificates: one row a certificate, and one for each store that holds it."""
    rows: dict[str, tuple[str, ...]] = {}
    held: list[tuple[str, str, int]] = []
    for store, number in CERTIFICATE_SERVICES.items():
        for one in trusts[store]:
            pem = one.public_bytes(Encoding.PEM).decode()
            key = database.pkid("certificate", pem)
            subject, issuer = one.subject.rfc4514_string(), one.issuer.rfc4514_string()
            rows[key] = (key, "", subject, issuer, f"{one.serial_number:x}", pem)
            held.append((database.pkid("certificateservicecertificatemap", f"{number}/{key}"), key, number))
    connection.executemany("insert into certificate values (?, ?, ?, ?, ?, ?)", rows.values())
    connection.executemany("insert into certificateservicecertificatemap values (?, ?, ?)", held)
    connection.executemany(
        "insert into typecertificateservice values (?, ?)",
        [(number, store) for store, number in CERTIFICATE_SERVICES.items()],
    )
