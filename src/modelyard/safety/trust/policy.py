"""The reader's trust policy: whose models he loads although loading them runs code.

::

    [trust]                                  # in the modelyard.toml of the project, and in ~/.config/modelyard/trust.toml
    authors = ["ana"]                        # by the name that registered a version
    yards = ["4f1c…"]                        # ids of yards whose names count as those given here, when versions came from there
    keys = ["keys/release.pub", "sha256:…"]  # by who signed it: public keys, relative to the file, or their fingerprints
    require_scan = true                      # and then only what a scan calls safe

The two files and ``MODELYARD_TRUSTED_KEYS`` (keys, with ``:`` between them) add up. Nothing that comes with a model is asked.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.core.digests import is_digest
from modelyard.core.errors import InvalidConfig

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

Keyring = Mapping[str, "EllipticCurvePublicKey | None"]

VARIABLE = "MODELYARD_TRUSTED_KEYS"
PROJECT_FILE = "modelyard.toml"
USER_FILE = "trust.toml"

_KEYS = ("authors", "keys", "require_scan", "yards")


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key by its file, or by its fingerprint."""

    path: Path | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """Without anything said, nobody but the reader himself is trusted."""

    authors: frozenset[str] = frozenset()
    keys: tuple[TrustedKey, ...] = ()
    require_scan: bool = False
    yards: frozenset[str] = frozenset()

    def joined(self, other: TrustPolicy) -> TrustPolicy:
        """Who either trusts; a scan where either asks for one."""
        keys = tuple(dict.fromkeys((*self.keys, *other.keys)))
        scan = self.require_scan or other.require_scan
        return TrustPolicy(self.authors | other.authors, keys, scan, self.yards | other.yards)

    def keyring(self) -> Keyring:
        """The trusted keys by fingerprint; None for one of which only that is known. Raises KeyUnusable for a file that is none, ExtraMissing."""
        from modelyard.safety.signing import fingerprint, load_public_key

        ring: dict[str, EllipticCurvePublicKey | None] = {key.fingerprint: None for key in self.keys if key.fingerprint}
        for key in self.keys:
            if key.path is not None:
                public = load_public_key(key.path)
                ring[fingerprint(public)] = public
        return ring


def read_policy(environ: Mapping[str, str], here: Path) -> TrustPolicy:
    """What the user's file, the project around ``here`` and the environment say together. Raises InvalidConfig."""
    configured = environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "~")).expanduser() / ".config"
    policy = _of_file(Path(configured) / "modelyard" / USER_FILE)
    project = next((p for folder in (here, *here.parents) if (p := folder / PROJECT_FILE).is_file()), None)
    if project is not None:
        policy = policy.joined(_of_file(project))
    listed = [text for text in environ.get(VARIABLE, "").split(os.pathsep) if text]
    merged = "sha256" in listed  # the fingerprint's own colon
    names = _rejoined(listed) if merged else listed
    return policy.joined(TrustPolicy(keys=tuple(_key(name, here) for name in names)))


def policy_in(document: Mapping[str, Any], path: Path) -> TrustPolicy:
    """The policy in the table ``[trust]`` of a file. Raises InvalidConfig."""
    table = document.get("trust", {})
    if not isinstance(table, dict):
        raise InvalidConfig(path=path, problem="trust is a table: [trust]")
    for key in table:
        if key not in _KEYS:
            raise InvalidConfig(path=path, problem=f"[trust] has no {key!r}; it has {', '.join(_KEYS)}")
    authors, keys, yards = (_texts(table, name, path) for name in ("authors", "keys", "yards"))
    scan = table.get("require_scan", False)
    if not isinstance(scan, bool):
        raise InvalidConfig(path=path, problem="trust.require_scan is true or false")
    return TrustPolicy(frozenset(authors), tuple(_key(name, path.parent) for name in keys), scan, frozenset(yards))


def _of_file(path: Path) -> TrustPolicy:
    try:
        document = tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        return TrustPolicy()
    except tomllib.TOMLDecodeError as error:
        raise InvalidConfig(path=path, problem=f"it is not TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise InvalidConfig(path=path, problem=f"it is not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise InvalidConfig(path=path, problem=f"it cannot be read: {error.strerror}") from None
    return policy_in(document, path)


def _texts(table: Mapping[str, Any], name: str, path: Path) -> list[str]:
    found = table.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
        raise InvalidConfig(path=path, problem=f'trust.{name} is a list of texts, such as ["…"]')
    return found


def _key(name: str, folder: Path) -> TrustedKey:
    if is_digest(name):
        return TrustedKey(fingerprint=name)
    return TrustedKey(path=folder / Path(name).expanduser())


def _rejoined(parts: list[str]) -> list[str]:
    """Undoes the split of ``sha256:…`` at its own colon."""
    found: list[str] = []
    for part in parts:
        if found and found[-1] == "sha256":
            found[-1] = f"sha256:{part}"
        else:
            found.append(part)
    return found
