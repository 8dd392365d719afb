"""What must not be written down: credentials in URLs, secret arguments, files that hold keys. Pure rules.

They err on the side of leaving out: what is masked is lost to the record, what is kept is readable by everyone who can
read the yard. They know well-known names and forms; they cannot know a password that looks like a word.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

MASK = "***"

_SECRET_FILES = (
    ".env",
    ".env.*",
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.tfvars",
    "*.tfstate",
    "*.tfstate.*",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    ".netrc",
    "_netrc",
    ".pypirc",
    ".npmrc",
    ".pgpass",
    ".my.cnf",
    ".htpasswd",
    ".git-credentials",
    ".dockercfg",
    ".vault-token",
    "kubeconfig",
    "credentials",
    "credentials.*",
    "*credentials*.json",
    "*service-account*.json",
    "*service_account*.json",
    "client_secret*.json",
    "secret",
    "secret.*",
    "secrets",
    "secrets.*",
    "token",
    "token.*",
    "*.token",
)
_PUBLIC_FILES = (".env.example", ".env.sample", ".env.template", ".env.dist", "*.pub")
_SECRET_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker"})

_SECRET_BYTES = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY"  # PEM, RFC 7468
    rb"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS access key id
    rb"|\bgh[pousr]_[A-Za-z0-9]{36}|\bgithub_pat_[A-Za-z0-9_]{60}"  # GitHub
    rb"|\bglpat-[A-Za-z0-9_-]{20}"  # GitLab
    rb"|\bhf_[A-Za-z0-9]{30}"  # Hugging Face
    rb"|\bxox[abprs]-[A-Za-z0-9-]{20}"  # Slack
    rb"|\bpypi-AgE[A-Za-z0-9_-]{30}"  # PyPI
)

_SECRET_VALUE = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|hf_[A-Za-z0-9]{16,}|xox[abprs]-[\w-]{10,}"
    r"|sk-[\w-]{16,}|pypi-[\w-]{16,}|npm_[A-Za-z0-9]{20,}|dapi[0-9a-f]{32}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[\w-]{30,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
_AUTHORIZATION = re.compile(r"(?i)\b(bearer|basic|token)\s+\S{6,}")
_QUERY_SECRET = re.compile(
    r"(?i)([?&;#](?:[\w-]*(?:token|secret|passw(?:or)?d|pwd|signature|credential)|auth|sig|key|api[_-]?key)=)[^&;#\s]+"
)
_INLINE = re.compile(r"""(?i)((?:passw(?:or)?d|passphrase|secret|token|api[_-]?key)["']?\s*[:=]\s*["']?)[^\s"',;&}]+""")
_USERINFO = re.compile(r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^\s/?#:@]*)(?::[^\s/?#]*)?@(?=[^\s/@]*)")

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SECRET_WORDS = frozenset(
    {
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "pass",
        "secret",
        "token",
        "apikey",
        "authtoken",
        "credential",
        "credentials",
    }
    | {"auth", "authorization", "accesskey", "secretkey", "privatekey", "accountkey", "sas", "dsn"}
)
_KEY_OWNERS = frozenset({"api", "access", "private", "account", "secret", "auth", "encryption", "signing"})


def looks_secret(name: str) -> bool:
    """Whether a file of this name (with ``/``) usually holds keys or passwords.

    >>> [looks_secret(n) for n in (".env", "deploy/id_rsa", ".env.example", "model.py")]
    [True, True, False, False]
    """
    *folders, file = name.lower().split("/")
    if any(fnmatch.fnmatchcase(file, pattern) for pattern in _PUBLIC_FILES):
        return False
    return not _SECRET_FOLDERS.isdisjoint(folders) or any(fnmatch.fnmatchcase(file, p) for p in _SECRET_FILES)


def holds_secret(data: bytes) -> bool:
    """Whether the bytes hold a private key or an access token of a well-known form."""
    return _SECRET_BYTES.search(data) is not None


def without_credentials(url: str, *, keep_query: bool = False) -> str:
    """The address without user information (over ssh the user stays, the password goes), query or fragment.

    With ``keep_query`` those stay, but for the values in them that look like a secret.

    What git takes for an address is understood: URLs, ``user@host:path``, plain paths, ``transport::address``.

    >>> without_credentials("https://me:ghp_x@github.com/a/b.git?token=1")
    'https://github.com/a/b.git'
    >>> without_credentials("git@github.com:a/b.git")
    'git@github.com:a/b.git'
    """
    transport, marker, rest = url.partition("::")
    if marker and re.fullmatch(r"[A-Za-z0-9+.-]+", transport):
        # `ext::` is a command line, not an address; anything may stand in it.
        return f"ext::{MASK}" if transport.lower() == "ext" else f"{transport}::{without_credentials(rest)}"
    scheme, marker, rest = url.partition("://")
    if not marker:
        return _masked_query(url) if keep_query else url
    if scheme.lower() in ("http", "https"):
        rest = rest[_end_of_userinfo(rest) :]
    else:
        info, at, _ = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")
        rest = info.partition(":")[0] + rest[len(info) :] if at else rest
    return f"{scheme}://{_masked_query(rest) if keep_query else re.split('[?#]', rest, maxsplit=1)[0]}"


def _masked_query(text: str) -> str:
    return _SECRET_VALUE.sub(MASK, _QUERY_SECRET.sub(lambda m: m[1] + MASK, text))


def _end_of_userinfo(text: str) -> int:
    """Where the host begins in ``user:password@host/path``; 0 when there is no user information."""
    host, slash, _ = text.partition("/")
    if "@" in host:
        return host.rindex("@") + 1
    # An unescaped "/" in a password ends the host early, and leaves a "port" that is no number.
    odd_port = ":" in host and not host.rpartition(":")[2].isdigit() and not host.startswith("[")
    return text.rindex("@") + 1 if slash and odd_port and "@" in text else 0


def masked(arguments: Iterable[str]) -> tuple[str, ...]:
    """The arguments of a command with every value that looks like a password or a token replaced by ``***``.

    >>> masked(["train.py", "--api-key", "abc", "--epochs", "3", "DB_PASSWORD=x"])
    ('train.py', '--api-key', '***', '--epochs', '3', 'DB_PASSWORD=***')
    """
    result: list[str] = []
    next_is_secret = False
    for argument in arguments:
        if next_is_secret and not argument.startswith("--"):
            result.append(MASK)
            next_is_secret = False
            continue
        key, equals, value = argument.partition("=")
        named = _names_secret(key)
        next_is_secret = named and not equals and argument.startswith("-")
        result.append(f"{key}={MASK}" if named and equals and value else _masked_text(argument))
    return tuple(result)


def _names_secret(key: str) -> bool:
    if not re.fullmatch(r"[-/]{0,2}[A-Za-z_][\w.:-]*", key):
        return False
    words = [word.lower() for word in _WORDS.findall(key)]
    if not words:
        return False
    return words[-1] in _SECRET_WORDS or (words[-1] == "key" and len(words) > 1 and words[-2] in _KEY_OWNERS)


def _masked_text(text: str) -> str:
    text = _USERINFO.sub(lambda m: f"{m['scheme']}{MASK}@", text) if "://" in text else text
    text = _QUERY_SECRET.sub(lambda m: m[1] + MASK, text)
    text = _INLINE.sub(lambda m: m[1] + MASK, text)
    text = _AUTHORIZATION.sub(lambda m: f"{m[1]} {MASK}", text)
    return _SECRET_VALUE.sub(MASK, text)
