"""Signatures of webhooks, against a vector that OpenSSL computed."""

import subprocess
import sys

import pytest

import modelyard
from modelyard.core.errors import InvalidWebhookSecret, WebhookNotGenuine
from modelyard.core.webhook_signature import key_of, new_secret, signature, signed_headers, verify_webhook

# printf 'yard_hook_7.1767225600.{"type":"alias.move","name":"fräud"}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:… -binary | base64
KEY = "00112233445566778899aabbccddeeff0123456789abcdef"
SECRET = "whsec_ABEiM0RVZneImaq7zN3u/wEjRWeJq83v"  # noqa: S105 - base64 of the key
IDENTITY, TIME = "yard_hook_7", 1767225600
BODY = '{"type":"alias.move","name":"fräud"}'.encode()
HEADERS = {
    "Webhook-Id": IDENTITY,
    "Webhook-Timestamp": str(TIME),
    "Webhook-Signature": "v1,0ESCEAQE5ZJiCb5TrFnKA3IpTqsD575V6FNUqETh2hw=",
}


def test_the_signature_is_the_one_that_openssl_computes() -> None:
    assert key_of(SECRET) == bytes.fromhex(KEY)
    assert signature(SECRET, IDENTITY, TIME, BODY) == HEADERS["Webhook-Signature"]
    assert {name.title(): value for name, value in signed_headers(SECRET, IDENTITY, TIME, BODY).items()} == HEADERS


def test_a_receiver_gets_the_parsed_body_of_a_genuine_webhook_in_any_case_of_its_headers() -> None:
    lower = {name.lower(): value for name, value in HEADERS.items()}
    for headers in (HEADERS, lower):
        for body in (BODY, BODY.decode()):
            assert verify_webhook(SECRET, headers, body, now=TIME + 299)["name"] == "fräud"


def test_one_of_several_signatures_and_one_of_several_secrets_is_enough() -> None:
    several = {**HEADERS, "Webhook-Signature": f"v1a,zzzz v1,AAAA {HEADERS['Webhook-Signature']}"}
    assert verify_webhook([new_secret(), SECRET], several, BODY, now=TIME)["type"] == "alias.move"


@pytest.mark.parametrize(
    ("changes", "body", "problem"),
    [
        ({}, BODY + b" ", "not that of this secret"),
        ({"Webhook-Id": "yard_hook_8"}, BODY, "not that of this secret"),
        ({"Webhook-Timestamp": str(TIME + 1)}, BODY, "not that of this secret"),
        ({"Webhook-Signature": "v1,"}, BODY, "not that of this secret"),
        ({"Webhook-Signature": "v1,é"}, BODY, "not that of this secret"),
        ({"Webhook-Signature": HEADERS["Webhook-Signature"].removeprefix("v1,")}, BODY, "not that of this secret"),
        ({"Webhook-Signature": ""}, BODY, "no header webhook-signature"),
        ({"Webhook-Timestamp": "tomorrow"}, BODY, "not a number of seconds"),
        ({"Webhook-Timestamp": "²"}, BODY, "not a number of seconds"),
        ({"Webhook-Timestamp": "9" * 5000}, BODY, "not a number of seconds"),
    ],
)
def test_whatever_was_altered_is_refused(changes: dict[str, str], body: bytes, problem: str) -> None:
    with pytest.raises(WebhookNotGenuine, match=problem):
        verify_webhook(SECRET, {**HEADERS, **changes}, body, now=TIME)


def test_another_secret_is_refused() -> None:
    with pytest.raises(WebhookNotGenuine):
        verify_webhook(new_secret(), HEADERS, BODY, now=TIME)
    with pytest.raises(WebhookNotGenuine):
        verify_webhook([], HEADERS, BODY, now=TIME)


@pytest.mark.parametrize(("now", "told"), [(TIME + 301, "301 s ago"), (TIME - 301, "301 s in the future")])
def test_what_was_recorded_and_is_sent_later_is_refused(now: int, told: str) -> None:
    with pytest.raises(WebhookNotGenuine, match=told):
        verify_webhook(SECRET, HEADERS, BODY, now=now)


def test_a_genuine_body_that_is_no_json_is_refused() -> None:
    headers = signed_headers(SECRET, IDENTITY, TIME, b"\xff")
    with pytest.raises(WebhookNotGenuine, match="not JSON"):
        verify_webhook(SECRET, headers, b"\xff", now=TIME)


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_AAAA", "whsec_!!!!", SECRET.removeprefix("whsec_"), "whsec_" + "A" * 88, None]
)
def test_a_secret_that_is_none_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(InvalidWebhookSecret) as raised:
        key_of(secret)
    assert not secret or len(secret) < 10 or secret not in str(raised.value)


def test_secrets_are_all_different_and_strong() -> None:
    made = {new_secret() for _ in range(50)}
    assert len(made) == 50
    assert {len(key_of(each)) for each in made} == {32}


def test_a_receiver_needs_no_database() -> None:
    assert modelyard.verify_webhook is verify_webhook
    code = "import sys; from modelyard import verify_webhook; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
