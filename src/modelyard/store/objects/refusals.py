"""What the client of a bucket says went wrong, as an error of ours: one line, without secrets."""

from __future__ import annotations

import re

from modelyard.core.errors import StoreForbidden, StoreMissing, StoreUnreachable

_STATUS = re.compile(r"status code: (\d{3})(?: ([A-Za-z' -]+))?")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_SAID = re.compile(r'(?:message|error): "([^"]{1,200})"')
_METADATA = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")
_NO_BUCKET = frozenset({"NoSuchBucket", "ContainerNotFound"})
_BAD_TOKEN = frozenset({"ExpiredToken", "InvalidToken", "TokenRefreshRequired"})
_CAUSES = (
    (re.compile(r"\b(?:TimedOut|Timeout)\b"), "it did not answer in time"),
    (re.compile(r"\bIncomplete(?:Message|Body)\b"), "it closed the connection in the middle of an answer"),
    (re.compile(r"\bBadScheme\b"), "the endpoint is not an https:// URL"),
    (re.compile(r"\bInvalidCertificate\b"), "its certificate is not trusted"),
    (re.compile(r"\bInvalidMessage\b"), "it does not speak TLS"),
    (re.compile(r"\bParse\("), "it does not speak HTTP"),
)


def refusal(url: str, text: str, *, denied: bool = False) -> StoreMissing | StoreForbidden | StoreUnreachable:
    """The error of ours for the ``text`` of obstore's: a sentence that may quote the server, then ``Debug source:`` and a dump of many lines.

    ``denied`` when its class says so. URLs are left out, because a query may hold a signature.
    """
    sentence, _, dump = text.partition("Debug source:")
    if any(host in sentence for host in _METADATA):  # where a client looks when nothing is set
        return StoreForbidden(url=url, problem="there are no credentials in the environment")
    status, code = _STATUS.search(sentence), _CODE.search(sentence)
    if code and code[1] in _NO_BUCKET:
        return StoreMissing(url=url)
    if status:
        problem = " ".join(part for part in ("the server answered", status[1], (status[2] or "").strip()) if part)
        if code:
            problem += f" ({code[1]})"
        denied = denied or status[1] in {"401", "403"} or bool(code and code[1] in _BAD_TOKEN)
    else:
        problem = _cause(dump) or _plain(sentence)
    return (StoreForbidden if denied else StoreUnreachable)(url=url, problem=problem)


def past_the_end(text: str) -> bool:
    """Whether the refusal is that a range starts where the object has ended."""
    sentence = text.partition("Debug source:")[0]
    return "status code: 416" in sentence or "Invalid range" in sentence


def _cause(dump: str) -> str | None:
    if said := _SAID.search(dump):
        return said[1]
    return next((sentence for pattern, sentence in _CAUSES if pattern.search(dump)), None)


def _plain(sentence: str) -> str:
    text = " ".join(re.sub(r"\w+://\S+", "…", sentence).split())
    text = re.sub(r" in [0-9.]+\S*?s(?:, after .*? retry_timeout: \S+)? ", " ", text + " ")
    return re.sub(r"^Generic \w+ error: ", "", text).strip()[:200]
