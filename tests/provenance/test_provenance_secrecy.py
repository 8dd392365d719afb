"""What is masked, stripped and left out, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.provenance.secrecy import holds_secret, looks_secret, masked, without_credentials


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://github.com/a/b.git", "https://github.com/a/b.git"),
        ("https://ghp_token@github.com/a/b.git", "https://github.com/a/b.git"),
        ("https://me:p@ss@example.org:8443/a", "https://example.org:8443/a"),
        ("https://me:pa/ss@example.org/a", "https://example.org/a"),
        ("https://[::1]:8080/a", "https://[::1]:8080/a"),
        ("https://example.org/a?private_token=x#y", "https://example.org/a"),
        ("ssh://git:pw@example.org/a", "ssh://git@example.org/a"),
        ("ssh://git@example.org:22/a", "ssh://git@example.org:22/a"),
        ("git@example.org:a/b.git", "git@example.org:a/b.git"),
        ("/srv/git/a.git", "/srv/git/a.git"),
        ("file:///srv/a@b", "file:///srv/a@b"),
        ("C:\\repos\\a", "C:\\repos\\a"),
        ("codecommit::https://me:pw@example.org/a", "codecommit::https://example.org/a"),
        ("ext::sh -c 'login --password x' %S", "ext::***"),
        ("", ""),
    ],
)
def test_an_address_keeps_its_place_and_loses_its_credentials(url: str, plain: str) -> None:
    assert without_credentials(url) == plain


WORD = st.text("abcXYZ019-_.~%", min_size=1, max_size=12)


@given(user=WORD, password=st.text("abcXYZ019-_.~%:@!$", min_size=8), scheme=st.sampled_from(["http", "https", "ftp"]))
def test_no_password_survives_in_an_address(user: str, password: str, scheme: str) -> None:
    password = "S3CR3T" + password
    assert "S3CR3T" not in without_credentials(f"{scheme}://{user}:{password}@example.org/a/b")


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        ("train.py --epochs 3 --lr=0.1", "train.py --epochs 3 --lr=0.1"),
        ("train.py --password hunter2", "train.py --password ***"),
        ("train.py --password=hunter2", "train.py --password=***"),
        ("train.py --hf-token x --seed 1", "train.py --hf-token *** --seed 1"),
        ("train.py --apiKey x", "train.py --apiKey ***"),
        ("train.py --token --verbose", "train.py --token --verbose"),
        ("train.py db.password=x AWS_SECRET_ACCESS_KEY=y", "train.py db.password=*** AWS_SECRET_ACCESS_KEY=***"),
        ("train.py --tokenizer bert --max-tokens 5", "train.py --tokenizer bert --max-tokens 5"),
        ("train.py --key column --author ann", "train.py --key column --author ann"),
        ("train.py --token-file t.txt", "train.py --token-file t.txt"),
        ("train.py postgresql://me:pw@db/x", "train.py postgresql://***@db/x"),
        ("train.py https://h/x?sig=abc&n=1", "train.py https://h/x?sig=***&n=1"),
        ("train.py ghp_0123456789abcdefghij", "train.py ***"),
        (
            "train.py --commit=2a2bd2a8ad29e204f77cd8302ea605d52bab8c0f",
            "train.py --commit=2a2bd2a8ad29e204f77cd8302ea605d52bab8c0f",
        ),
        ("modelyard show flights-delay@production", "modelyard show flights-delay@production"),
    ],
)
def test_arguments_that_look_like_secrets_are_masked_and_others_are_not(argv: str, shown: str) -> None:
    assert " ".join(masked(argv.split(" "))) == shown


def test_a_header_with_a_token_is_masked() -> None:
    assert masked(["-H", "Authorization: Bearer abcdefgh"]) == ("-H", "Authorization: Bearer ***")
    assert masked(['{"password": "x", "n": 1}']) == ('{"password": "***", "n": 1}',)


@given(st.lists(st.text(max_size=20), max_size=6))
def test_masking_keeps_the_number_of_arguments(argv: list[str]) -> None:
    assert len(masked(argv)) == len(argv)


@pytest.mark.parametrize("name", [".ENV", ".env.production", "a/b/id_ed25519", "x.key", "secrets.toml", ".kube/config"])
def test_names_that_usually_hold_secrets_are_known(name: str) -> None:
    assert looks_secret(name)


@pytest.mark.parametrize(
    "name", ["model.py", "tokenizer.json", ".env.example", "keys.py", "id_rsa.pub", "environment.yml"]
)
def test_ordinary_names_are_not_taken_for_secrets(name: str) -> None:
    assert not looks_secret(name)


def test_keys_and_tokens_are_known_by_their_form() -> None:
    assert holds_secret(b"x\n-----BEGIN RSA PRIVATE KEY-----\n")
    assert holds_secret(b"key = 'AKIAABCDEFGHIJKLMNOP'")
    assert not holds_secret(b"-----BEGIN CERTIFICATE-----\n" + bytes(range(256)))
