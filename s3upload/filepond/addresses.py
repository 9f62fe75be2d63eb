"""
Which hosts and addresses a fetch may reach: public ones, and those that the site allows.

What Python's ``ipaddress`` takes for global differs between its versions, and says nothing of addresses that have
another one in them; so the last word is here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from django.core.exceptions import ImproperlyConfigured

from ..conf import conf

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# All of IPv6 that has been given out to be reached:
# https://www.iana.org/assignments/ipv6-address-space/ipv6-address-space.xhtml
GLOBAL_UNICAST = IPv6Network("2000::/3")

# RFC 6052, section 2.1: the last 32 bits are an IPv4 address.
NAT64 = IPv6Network("64:ff9b::/96")

NEVER_PUBLIC: tuple[Network, ...] = (
    # Special purposes, of which not every Python knows: RFC 6890 (Oracle's cloud has its metadata there), RFC 7526,
    # RFC 2928, RFC 9637.
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv6Network("2001::/23"),
    IPv6Network("3fff::/20"),
    # Azure's services for the machine itself: public by its number, and never beyond the machine.
    # https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
    IPv4Network("168.63.129.16/32"),
)

_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,252})")


@dataclass(frozen=True, slots=True)
class Allowed:
    """
    What may be reached though it is not public, as ``S3UPLOAD_FILEPOND_FETCH_ALLOW`` says.

    :param hosts: names, as :func:`ascii_host` returns them.
    :param networks: of addresses.
    """

    hosts: frozenset[str]
    networks: tuple[Network, ...]

    @classmethod
    def from_settings(cls) -> Allowed:
        """
        Return what the setting says.

        :raises ImproperlyConfigured: when something in it is neither the name of a host nor a network.
        """
        hosts, networks = set(), []
        for entry in _entries():
            try:
                networks.append(ip_network(entry, strict=False))
            except ValueError:
                try:
                    hosts.add(ascii_host(entry))
                except ValueError:
                    raise ImproperlyConfigured(
                        f"S3UPLOAD_FILEPOND_FETCH_ALLOW has {entry!r}, which is neither the name of a host nor an "
                        'address or network: write "files.internal", "127.0.0.1" or "10.1.0.0/16", without scheme '
                        "and port."
                    ) from None
        return cls(frozenset(hosts), tuple(networks))

    def __contains__(self, address: Address) -> bool:
        """Return whether an address is in one of the networks; it itself, or all that it stands for."""
        return self._has(address) or all(map(self._has, reached_by(address)))

    def may_reach(self, address: Address) -> bool:
        """Return whether an address is public or allowed."""
        return self._has(address) or all(self._has(one) or _is_global(one) for one in reached_by(address))

    def _has(self, address: Address) -> bool:
        # Python itself answers no where the versions differ.
        return any(address in network for network in self.networks)


def reached_by(address: Address) -> tuple[Address, ...]:
    """
    Return where what is sent to an address can arrive.

    That is the address itself, unless it is an IPv6 address that stands for one of IPv4: mapped (RFC 4291, section
    2.5.5.2), of NAT64 (RFC 6052), of 6to4 (RFC 3056) or of Teredo (RFC 4380), which has two of them.
    """
    if isinstance(address, IPv4Address):
        return (address,)
    if address in NAT64:
        return (IPv4Address(int(address) & 0xFFFF_FFFF),)
    return address.teredo or tuple(filter(None, (address.ipv4_mapped, address.sixtofour))) or (address,)


def ascii_host(host: str) -> str:
    """
    Return the name of a host, or its address, as it is looked up: in ASCII, lower case and without a last dot.

    :raises ValueError: when it can't be one, or has the scope of an address (``%eth0``).
    """
    if ":" in host:
        if "%" in host:
            raise ValueError("an address with a scope is no address for others")
        return str(IPv6Address(host))
    name = host.lower().encode("idna").decode("ascii").removesuffix(".")
    if not _HOST.fullmatch(name):
        raise ValueError("this is not the name of a host")
    return name


def _is_global(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not any(address in network for network in NEVER_PUBLIC)


def _entries() -> Iterable[str]:
    allowed = conf.FILEPOND_FETCH_ALLOW
    if isinstance(allowed, str):
        raise ImproperlyConfigured(
            f"S3UPLOAD_FILEPOND_FETCH_ALLOW is {allowed!r}, and should be a list: write [{allowed!r}]."
        )
    entries: Iterable[str] = allowed
    return entries
