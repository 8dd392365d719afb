"""Where a webhook may send: rules over its URL, and over the addresses that its host name turns out to have.

https goes anywhere but to the addresses that are refused always; the certificate must be that of the host. Plain http is for this machine and for private
networks, and only where that was allowed when the webhook was added. Refused always are link-local addresses, where clouds hand out the
credentials of a machine, other well-known places of that kind, and whatever is no address of one host.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from modelyard.core.errors import InvalidWebhookUrl, SecretInWebhookUrl

URL_LIMIT = 2000
PORTS = {"http": 80, "https": 443}
Ip = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "fd00:ec2::254",  # AWS, over IPv6
        "fd20:ce::254",  # Google Cloud, over IPv6
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure's host
        "192.0.0.192",  # Oracle Cloud
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last four bytes
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")


@dataclass(frozen=True)
class Target:
    """A URL taken apart once, so that what was checked is what is connected to."""

    scheme: str
    host: str  # a name in ASCII, or an address without brackets
    port: int
    path: str  # with the query

    @property
    def authority(self) -> str:
        """What the ``Host`` header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """The URL as far as it may be told to anyone: for many services the rest of it is a secret."""
        return f"{self.scheme}://{self.authority}"


def target(url: str, *, insecure: bool) -> Target:
    """The parts of a URL; ``insecure`` allows plain http. Raises InvalidWebhookUrl, SecretInWebhookUrl."""
    if not isinstance(url, str):
        raise InvalidWebhookUrl(url=repr(url)[:60], problem="it is not text")
    if len(url) > URL_LIMIT:
        raise InvalidWebhookUrl(url=_shown(url), problem=f"it has {len(url)} characters, and {URL_LIMIT} are the most")
    if not url.isprintable() or any(c in url for c in ' \\"<>^`{|}'):
        raise InvalidWebhookUrl(url=_shown(url), problem="it holds a character that no URL has")
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        raise InvalidWebhookUrl(url=_shown(url), problem=str(error)) from None
    if parts.scheme not in PORTS:
        raise InvalidWebhookUrl(url=_shown(url), problem="it begins neither with https:// nor with http://")
    if "@" in parts.netloc:
        raise SecretInWebhookUrl(url=_shown(url))
    if port == 0 or parts.netloc.endswith(":"):
        raise InvalidWebhookUrl(url=_shown(url), problem="its port is not a number from 1 to 65535")
    if "#" in url:
        raise InvalidWebhookUrl(url=_shown(url), problem="it has a fragment (#…), which is never sent")
    if parts.scheme == "http" and not insecure:
        problem = "what plain http sends can be read and changed on its way; use https, or allow it with --insecure"
        raise InvalidWebhookUrl(
            url=_shown(url), problem=f"{problem} to an address of this machine or a private network"
        )
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=-._~[]") + (
        f"?{quote(parts.query, safe='/?%:@!$&*+,;=-._~()[]' + chr(39))}" if parts.query else ""
    )
    return Target(parts.scheme, _host(host, url), port or PORTS[parts.scheme], path)


def refusal(address: Ip, scheme: str) -> str | None:
    """Why nothing is sent to an address; None when it may be.

    >>> refusal(ipaddress.ip_address("169.254.169.254"), "https")
    '169.254.169.254 is a link-local address'
    >>> refusal(ipaddress.ip_address("10.0.0.5"), "http") is None
    True
    """
    for each in (address, *_within(address)):
        if each.is_link_local:
            return f"{address} is a link-local address"
        if each in _METADATA:
            return f"{address} is where a cloud tells machines their credentials"
        if each.is_unspecified or each.is_multicast or _never_a_host(each):
            return f"{address} is not the address of one host"
    if scheme == "http" and not all(_near(each) for each in (address, *_within(address))):
        return f"{address} is neither on this machine nor in a private network, and plain http goes nowhere else"
    return None


def _host(host: str, url: str) -> str:
    """The host in the form that is resolved and put into a certificate's check."""
    literal = host.partition("%")[0]
    try:
        address: Ip | None = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is not None:
        if literal != host:
            raise InvalidWebhookUrl(url=_shown(url), problem="its address names an interface of this machine")
        scheme = url.partition(":")[0].lower()
        if why := refusal(address, scheme):
            raise InvalidWebhookUrl(url=_shown(url), problem=why)
        return str(address)
    try:
        name = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        name = ""
    # 127.1, 0x7f.1 and 2130706433 are addresses to some resolvers and names to others.
    numeric = re.fullmatch(r"(0[xX][0-9a-fA-F]*|[0-9]+)", name.rstrip(".").rpartition(".")[2] or "") is not None
    if not _HOST.fullmatch(name) or len(name) > 253 or numeric:
        raise InvalidWebhookUrl(url=_shown(url), problem="it does not name a host")
    return name


def _within(address: Ip) -> list[Ip]:
    """The IPv4 addresses that an IPv6 address stands for, in any of the forms in use."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found: list[Ip | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    if int(address) >> 32 == 0 and int(address) > 1:  # ::a.b.c.d, long out of use
        found.append(ipaddress.IPv4Address(int(address)))
    return [each for each in found if each is not None]


def _never_a_host(address: Ip) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return int(address) >> 24 == 0 or address.is_reserved  # "this network", and 240.0.0.0/4
    return False


def _near(address: Ip) -> bool:
    return address.is_loopback or address.is_private


def _shown(url: str) -> str:
    """As much of a bad URL as can be shown: no user name, no password, no query."""
    scheme, found, rest = url.partition("://")
    bare = re.split(r"[?#]", rest if found else url, maxsplit=1)[0].rpartition("@")[2]
    return repr(f"{scheme}://{bare}" if found else bare)[:100]
