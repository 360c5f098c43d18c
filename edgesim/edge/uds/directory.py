"""The directory search: ``users?...``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from xml.etree.ElementTree import Element

from edgesim.edge.markup import LIMITS, XmlLimits, leaf, tag, text
from edgesim.edge.uds.common import UdsError, encoded, number_of, root_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A hit of the directory search."""

    uri: str
    id: str
    user_name: str
    first_name: str = ""
    last_name: str = ""
    display_name: str = ""
    phone_number: str = ""
    home_number: str = ""
    mobile_number: str = ""
    email: str = ""
    directory_uri: str = ""
    ms_uri: str = ""
    department: str = ""
    manager: str = ""
    title: str = ""

    def item(self) -> str:
        """Return the element ``user``."""
        children = (
            leaf("id", self.id),
            leaf("userName", self.user_name),
            leaf("firstName", self.first_name),
            leaf("lastName", self.last_name),
            leaf("middleName", ""),
            leaf("nickName", ""),
            leaf("displayName", self.display_name),
            leaf("phoneNumber", self.phone_number),
            leaf("homeNumber", self.home_number),
            leaf("mobileNumber", self.mobile_number),
            leaf("email", self.email),
            leaf("directoryUri", self.directory_uri),
            leaf("msUri", self.ms_uri),
            leaf("department", self.department),
            leaf("manager", self.manager),
            leaf("title", self.title),
            leaf("pager", ""),
        )
        return tag("user", *children, attributes=(("uri", self.uri),))

    @classmethod
    def of(cls, root: Element) -> Self:
        """Parse an element ``user``. Raises `UdsError`."""
        name = text(root, "userName")
        if not name:
            raise UdsError("<user> without <userName>")
        return cls(
            uri=root.get("uri", ""),
            id=text(root, "id"),
            user_name=name,
            first_name=text(root, "firstName"),
            last_name=text(root, "lastName"),
            display_name=text(root, "displayName"),
            phone_number=text(root, "phoneNumber"),
            home_number=text(root, "homeNumber"),
            mobile_number=text(root, "mobileNumber"),
            email=text(root, "email"),
            directory_uri=text(root, "directoryUri"),
            ms_uri=text(root, "msUri"),
            department=text(root, "department"),
            manager=text(root, "manager"),
            title=text(root, "title"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Users:
    """Response to ``users?...``: ``requested`` is the request's ``max``, ``total`` counts every match."""

    uri: str
    users: tuple[Person, ...]
    requested: int
    total: int
    start: int = 0
    version: str = "10.5.0"

    def document(self) -> bytes:
        """Return the body."""
        attributes = (
            ("uri", self.uri),
            ("version", self.version),
            ("start", str(self.start)),
            ("requestedCount", str(self.requested)),
            ("returnedCount", str(len(self.users))),
            ("totalCount", str(self.total)),
        )
        return encoded(tag("users", *(person.item() for person in self.users), attributes=attributes))

    @classmethod
    def parse(cls, body: bytes, limits: XmlLimits = LIMITS) -> Self:
        """Parse the body. Raises `UdsError`, also if ``returnedCount`` is not the number of users."""
        root = root_of(body, "users", limits)
        users = tuple(Person.of(item) for item in root.findall("user"))
        if number_of(root, "returnedCount", len(users)) != len(users):
            raise UdsError(f"returnedCount={root.get('returnedCount')} with {len(users)} users")
        return cls(
            uri=root.get("uri", ""),
            users=users,
            requested=number_of(root, "requestedCount", len(users)),
            total=number_of(root, "totalCount", len(users)),
            start=number_of(root, "start", 0),
            version=root.get("version", ""),
        )
