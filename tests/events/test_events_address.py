"""Where a webhook may send."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.core.errors import InvalidInput, InvalidWebhookUrl, SecretInUrl, SecretInWebhookUrl
from modelyard.events.address import refusal, target


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "path", "origin"),
    [
        ("https://hooks.example.com", "https", "hooks.example.com", 443, "/", "https://hooks.example.com"),
        ("HTTPS://Hooks.Example.COM:8443/a?b=c", "https", "hooks.example.com", 8443, "/a?b=c", "https://hooks.example.com:8443"),
        ("https://bücher.example/straße?q=ä", "https", "xn--bcher-kva.example", 443, "/stra%C3%9Fe?q=%C3%A4", "https://xn--bcher-kva.example"),
        ("https://[2001:db8::1]:444/x%20y", "https", "2001:db8::1", 444, "/x%20y", "https://[2001:db8::1]:444"),
        ("https://10.0.0.5/", "https", "10.0.0.5", 443, "/", "https://10.0.0.5"),
        ("http://127.0.0.1:8000/hook", "http", "127.0.0.1", 8000, "/hook", "http://127.0.0.1:8000"),
        ("http://my_receiver.internal.", "http", "my_receiver.internal.", 80, "/", "http://my_receiver.internal."),
    ],
)  # fmt: skip
def test_a_url_is_taken_apart_once(url: str, scheme: str, host: str, port: int, path: str, origin: str) -> None:
    found = target(url, insecure=True)
    assert (found.scheme, found.host, found.port, found.path, found.origin) == (scheme, host, port, path, origin)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("", "begins neither"),
        ("hooks.example.com/x", "begins neither"),
        ("ftp://hooks.example.com", "begins neither"),
        ("file:///etc/passwd", "begins neither"),
        ("https://", "does not name a host"),
        ("https:///path", "does not name a host"),
        ("https://a b.example", "a character that no URL has"),
        ("https://a.example/\r\nHost: b.example", "a character that no URL has"),
        ("https://a.example\\@b.example", "a character that no URL has"),
        ("https://a.example/\x00", "a character that no URL has"),
        ("https://a.example:0", "port"),
        ("https://a.example:", "port"),
        ("https://a.example:99999", "[Pp]ort"),
        ("https://a.example:http", "[Pp]ort"),
        ("https://a.example/#top", "fragment"),
        ("https://a.example/" + "x" * 2000, "characters"),
        ("https://-a.example", "does not name a host"),
        ("https://a..example", "does not name a host"),
        ("https://" + "a" * 300 + ".example", "does not name a host"),
        ("https://2130706433/", "does not name a host"),
        ("https://127.1/", "does not name a host"),
        ("https://0x7f.0.0.1/", "does not name a host"),
        ("https://0x7f000001/", "does not name a host"),
        ("https://1.2.3.4.5/", "does not name a host"),
        ("https://[::1", "Invalid IPv6"),
        ("https://[fe80::1%25eth0]/", "interface|link-local|does not name|IPv6"),
        ("https://169.254.169.254/latest/meta-data", "link-local"),
        ("https://[fd00:ec2::254]/", "credentials"),
        ("https://[::ffff:169.254.169.254]/", "link-local"),
        ("https://0.0.0.0/", "not the address of one host"),
        ("https://255.255.255.255/", "not the address of one host"),
        ("https://224.0.0.1/", "not the address of one host"),
        ("http://8.8.8.8/", "plain http goes nowhere else"),
        (None, "not text"),
    ],
)
def test_a_url_that_cannot_be_is_one_clear_error(url: str, problem: str) -> None:
    with pytest.raises(InvalidWebhookUrl, match=problem) as raised:
        target(url, insecure=True)
    assert len(str(raised.value)) < 400


def test_plain_http_is_refused_unless_allowed() -> None:
    with pytest.raises(InvalidWebhookUrl, match="use https, or allow it with --insecure"):
        target("http://127.0.0.1:8000/", insecure=False)


@pytest.mark.parametrize(
    "url", ["https://ana:hunter2@a.example/", "https://hunter2@a.example/?key=hunter2", "https://:hunter2@a.example"]
)
def test_credentials_in_a_url_are_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SecretInWebhookUrl, match=r"a\.example") as raised:
        target(url, insecure=True)
    assert isinstance(raised.value, SecretInUrl)
    assert "hunter2" not in str(raised.value)


def test_what_follows_the_host_of_a_bad_url_is_not_shown_beyond_its_path() -> None:
    with pytest.raises(InvalidWebhookUrl) as raised:
        target("http://a.example/services?token=hunter2", insecure=False)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.0.1", "169.254.169.254", "169.254.170.2", "fe80::1", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16",
        "192.0.0.192", "0.0.0.0", "0.1.2.3", "::",  # noqa: S104 - nothing is bound
        "224.0.0.251", "ff02::1", "240.0.0.1", "255.255.255.255",
        "::ffff:169.254.169.254", "::ffff:0.0.0.0", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::a9fe:a9fe",
    ],
)  # fmt: skip
def test_nothing_is_ever_sent_to(address: str) -> None:
    for scheme in ("http", "https"):
        assert refusal(ipaddress.ip_address(address), scheme) is not None


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "fd12::1", "::ffff:10.0.0.1"]
)
def test_plain_http_goes_to_this_machine_and_private_networks(address: str) -> None:
    assert refusal(ipaddress.ip_address(address), "http") is None
    assert refusal(ipaddress.ip_address(address), "https") is None


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "172.32.0.1"])
def test_only_https_goes_to_the_world(address: str) -> None:
    assert refusal(ipaddress.ip_address(address), "https") is None
    assert refusal(ipaddress.ip_address(address), "http") is not None


@given(st.text(max_size=60) | st.text(max_size=60).map(lambda text: "https://" + text))
def test_any_text_is_a_target_or_invalid_input(url: str) -> None:
    try:
        found = target(url, insecure=True)
    except InvalidInput:
        pass
    else:
        assert found.path.isascii()
        assert found.host.isascii()
        assert " " not in found.path
        assert target(found.origin + found.path, insecure=True) == found
