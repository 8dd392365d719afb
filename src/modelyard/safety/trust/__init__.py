"""Whom the reader trusts, and what that lets him load."""

from modelyard.safety.trust.policy import Keyring, TrustedKey, TrustPolicy, read_policy
from modelyard.safety.trust.rule import Asked, Scanned, require_trusted

__all__ = ["Asked", "Keyring", "Scanned", "TrustPolicy", "TrustedKey", "read_policy", "require_trusted"]
