"""From the URL of a store to the objects there."""

from __future__ import annotations

import os
import re
import threading
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from modelyard.core.errors import SecretInUrl, UnsupportedStoreUrl
from modelyard.core.extras import needing
from modelyard.store.objects.cloud import CloudObjects
from modelyard.store.objects.folder import FolderObjects
from modelyard.store.objects.keys import is_key
from modelyard.store.objects.objects import Objects
from modelyard.store.objects.patience import PATIENT, Patience
from modelyard.store.objects.refusals import refusal
from modelyard.store.objects.retrying import Retrying

if TYPE_CHECKING:
    from obstore.store import ClientConfig, MemoryStore, RetryConfig

    from modelyard.store.objects.cloud import Bucket

SUPPORTED = "a folder, file:///folder, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or memory://name"

VARIABLES = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""What the environment must say for a bucket, where the machine itself has no identity in the cloud."""

_ENDPOINTS = (
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AZURE_ENDPOINT",
    "AZURE_STORAGE_ENDPOINT",
    "GOOGLE_BASE_URL",
)

_memories: dict[str, MemoryStore] = {}
_memories_lock = threading.Lock()


def open_objects(url: str | Path, patience: Patience = PATIENT) -> Objects:
    """The objects at a place. Nothing is read or written; a place that is missing or closed to us shows at the first use.

    =============================================  =================================================================================
    a path, ``file:///folder``                     files; ``~`` is the home of the user
    ``s3://bucket/prefix``                         S3 and what speaks it: ``AWS_…`` in the environment, such as ``AWS_ENDPOINT_URL``
    ``gs://bucket/prefix``                         Google Cloud Storage: ``GOOGLE_…``
    ``az://container/prefix``                      Azure Blob Storage: ``AZURE_…``, such as ``AZURE_STORAGE_ACCOUNT_NAME``
    ``memory://name/prefix``, ``memory:``          in this process, gone with it; one of the name for everyone, or a new one
    =============================================  =================================================================================

    The prefix may be missing. What is in a cloud is asked again as ``patience`` says. Plain HTTP is spoken only to an endpoint that the
    environment gives as ``http://``. Raises UnsupportedStoreUrl, SecretInUrl, ExtraMissing, and StoreForbidden for credentials that cannot be read.
    """
    if isinstance(url, Path):
        return FolderObjects(url.expanduser())
    scheme, found, _ = url.partition(":")
    if not found or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]+", scheme) or not _is_url(url, scheme):
        if not url:
            raise UnsupportedStoreUrl(url=url, problem="it is empty", supported=SUPPORTED)
        return FolderObjects(Path(url).expanduser())
    scheme = scheme.lower()
    _refuse_secrets(url, scheme)
    if scheme == "file":
        return FolderObjects(_folder(url))
    if scheme not in {*VARIABLES, "memory"}:
        raise UnsupportedStoreUrl(url=url, problem=f"{scheme}:// is not known", supported=SUPPORTED)
    name, prefix = _bucket_and_prefix(url)
    with needing(f"a store at {url}", "cloud"):
        if scheme == "memory":
            return CloudObjects(_memory(name), url, prefix)
        return Retrying(CloudObjects(_bucket(scheme, name, url, patience), url, prefix), patience)


def _is_url(text: str, scheme: str) -> bool:
    return text.startswith(scheme + "://") or scheme.lower() == "memory"


def _refuse_secrets(url: str, scheme: str) -> None:
    without = url.partition("?")[0]
    if "@" in without or without != url:
        shown = re.sub(r"//.*@", "//…@", without)
        variables = VARIABLES.get(scheme, "the variables of your cloud")
        raise SecretInUrl(url=shown, variables=variables)


def _folder(url: str) -> Path:
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.netloc not in {"", "localhost"} or not path.is_absolute() or parts.fragment:
        raise UnsupportedStoreUrl(url=url, problem="it is not file:// and an absolute path", supported=SUPPORTED)
    return path


def _bucket_and_prefix(url: str) -> tuple[str, str]:
    """The name of the bucket, and the prefix: empty, or with a stroke at its end."""
    _, slashes, rest = url.partition("://")
    name, _, prefix = rest.partition("/")
    prefix = prefix.removesuffix("/")
    if url.lower() in {"memory:", "memory://"}:
        return "", ""
    if not slashes or not is_key(name):
        raise UnsupportedStoreUrl(url=url, problem=f"{name!r} is not the name of a bucket", supported=SUPPORTED)
    if prefix and not is_key(f"_/{prefix}"):
        problem = f"the prefix {prefix!r} has a part that is not of letters, digits, '.', '_' and '-'"
        raise UnsupportedStoreUrl(url=url, problem=problem, supported=SUPPORTED)
    return name, prefix and prefix + "/"


def _memory(name: str) -> MemoryStore:
    from obstore.store import MemoryStore

    if not name:
        return MemoryStore()
    with _memories_lock:
        return _memories.setdefault(name, MemoryStore())


def _bucket(scheme: str, name: str, url: str, patience: Patience) -> Bucket:
    from obstore.exceptions import BaseError
    from obstore.store import AzureStore, GCSStore, S3Store

    client, retry = _client(patience), _retry(patience)
    try:
        if scheme == "s3":
            return S3Store(name, client_options=client, retry_config=retry)
        if scheme == "gs":
            return GCSStore(name, client_options=client, retry_config=retry)
        return AzureStore(name, client_options=client, retry_config=retry)
    except BaseError as error:  # such as a key that is not base64, or no account
        raise refusal(url, str(error), denied=True) from None


def _client(patience: Patience) -> ClientConfig:
    options: ClientConfig = {
        "connect_timeout": timedelta(seconds=patience.connect),
        "read_timeout": timedelta(seconds=patience.silence),
        "timeout": timedelta(days=1),  # of a whole request: a large object on a slow line takes what it takes
    }
    if any(os.environ.get(variable, "").lower().startswith("http://") for variable in _ENDPOINTS):
        options["allow_http"] = True
    return options


def _retry(patience: Patience) -> RetryConfig:
    """For single requests, such as one piece of an object; :class:`Retrying` repeats whole operations."""
    return {
        "max_retries": 2,
        "retry_timeout": timedelta(seconds=patience.total / 2),
        "backoff": {
            "init_backoff": timedelta(seconds=patience.first),
            "max_backoff": timedelta(seconds=patience.longest),
            "base": 2,
        },
    }
