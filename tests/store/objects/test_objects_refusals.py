"""What obstore says becomes one line that a person can act on, and that holds no secret."""

import pytest

from modelyard.core.errors import StoreForbidden, StoreMissing, StoreUnreachable
from modelyard.store.objects.refusals import past_the_end, refusal

GET = "Generic S3 error: Error performing GET https://s3.amazonaws.com/b/k?X-Amz-Signature=SECRET in 2.1ms, after 2 retries, max_retries: 2, retry_timeout: 3s "
SERVER = GET + " - Server returned non-2xx status code: "
DUMP = '\n\nDebug source:\nGeneric {\n    store: "S3",\n    uri: Some(https://b?sig=SECRET),\n'


@pytest.mark.parametrize(
    ("text", "kind", "problem"),
    [
        (SERVER + "500 Internal Server Error: <html>x</html>" + DUMP, StoreUnreachable, "the server answered 500 Internal Server Error"),
        (SERVER + "503 Slow Down: <Error><Code>SlowDown</Code></Error>" + DUMP, StoreUnreachable, "the server answered 503 Slow Down (SlowDown)"),
        (SERVER + "403 Forbidden: <Code>AccessDenied</Code>" + DUMP, StoreForbidden, "the server answered 403 Forbidden (AccessDenied)"),
        (SERVER + "401 Unauthorized: " + DUMP, StoreForbidden, "the server answered 401 Unauthorized"),
        (SERVER + "400 Bad Request: <Code>ExpiredToken</Code>" + DUMP, StoreForbidden, "the server answered 400 Bad Request (ExpiredToken)"),
        (GET + " - HTTP error: error sending request" + DUMP + 'Os {\n code: 111,\n message: "Connection refused",\n', StoreUnreachable, "Connection refused"),
        (GET + " - HTTP error: error sending request" + DUMP + "kind: Timeout,\n source: TimedOut,", StoreUnreachable, "it did not answer in time"),
        (GET + " - HTTP error: error sending request" + DUMP + 'error: "failed to lookup address information: Name or service not known",', StoreUnreachable, "failed to lookup address information: Name or service not known"),
        (GET + " - HTTP error: error sending request" + DUMP + "error: InvalidCertificate(\n UnknownIssuer),", StoreUnreachable, "its certificate is not trusted"),
        (GET + " - HTTP error: builder error" + DUMP + "source: BadScheme,", StoreUnreachable, "the endpoint is not an https:// URL"),
        (GET + " - HTTP error: something new" + DUMP, StoreUnreachable, "Error performing GET … - HTTP error: something new"),
        ("Generic S3 error: Error performing PUT http://169.254.169.254/latest/api/token in 1ms - Server returned non-2xx status code: 403 Forbidden: no" + DUMP, StoreForbidden, "there are no credentials in the environment"),
        ("Generic GCS error: Error performing token request: GET http://metadata.google.internal/computeMetadata" + DUMP, StoreForbidden, "there are no credentials in the environment"),
    ],
)  # fmt: skip
def test_the_error_says_what_happened(text: str, kind: type[Exception], problem: str) -> None:
    error = refusal("s3://b", text)
    assert type(error) is kind
    assert error.problem == problem
    assert "SECRET" not in str(error)


@pytest.mark.parametrize("code", ["NoSuchBucket", "ContainerNotFound"])
def test_a_missing_bucket_is_not_a_missing_object(code: str) -> None:
    error = refusal("s3://b", SERVER + f"404 Not Found: <?xml?>\n<Error><Code>{code}</Code></Error>" + DUMP)
    assert isinstance(error, StoreMissing)


def test_a_range_past_the_end_is_known_by_its_status_or_its_sentence() -> None:
    assert past_the_end(SERVER + "416 Range Not Satisfiable: <Code>InvalidRange</Code>" + DUMP)
    assert past_the_end("Generic InMemory error: Invalid range: Wanted range starting at 30" + DUMP)
    assert not past_the_end(SERVER + "404 Not Found: " + DUMP + "status code: 416")
