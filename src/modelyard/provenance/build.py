"""The CI build that this process runs in, read from environment variables that CI systems document.

One row a system. Each field of a row lists templates; the first whose variables are all set and not empty gives the value.
The branch is the one whose code is built: the source branch of a pull request; none when a tag is built.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import quote

from modelyard.provenance.secrecy import without_credentials


@dataclass(frozen=True, slots=True)
class Build:
    """One CI build; what the system does not say is None."""

    system: str
    number: str | None = None
    url: str | None = None
    branch: str | None = None
    commit: str | None = None
    actor: str | None = None
    job: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Build:
        return cls(**{key: document[key] for key in cls.__slots__})


@dataclass(frozen=True, slots=True)
class _System:
    name: str
    marks: tuple[str, ...]  # it is this system when one of these templates has a value
    number: tuple[str, ...]
    url: tuple[str, ...]
    branch: tuple[str, ...]
    commit: tuple[str, ...]
    actor: tuple[str, ...]
    job: tuple[str, ...]
    tag: tuple[str, ...]


# Systems that set variables of others for compatibility come first.
SYSTEMS = (
    _System(  # https://docs.github.com/en/actions/reference/workflows-and-actions/variables
        name="github",
        marks=("{GITHUB_ACTIONS}",),
        number=("{GITHUB_RUN_NUMBER}",),
        url=("{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",),
        branch=("{GITHUB_HEAD_REF}", "{GITHUB_REF}"),
        commit=("{GITHUB_SHA}",),
        actor=("{GITHUB_TRIGGERING_ACTOR}", "{GITHUB_ACTOR}"),
        job=("{GITHUB_WORKFLOW}/{GITHUB_JOB}", "{GITHUB_JOB}"),
        tag=(),
    ),
    _System(  # https://docs.gitlab.com/ci/variables/predefined_variables/
        name="gitlab",
        marks=("{GITLAB_CI}",),
        number=("{CI_PIPELINE_ID}",),
        url=("{CI_PIPELINE_URL}", "{CI_PROJECT_URL}/-/pipelines/{CI_PIPELINE_ID}"),
        branch=("{CI_MERGE_REQUEST_SOURCE_BRANCH_NAME}", "{CI_COMMIT_BRANCH}", "{CI_COMMIT_REF_NAME}"),
        commit=("{CI_COMMIT_SHA}",),
        actor=("{GITLAB_USER_LOGIN}",),
        job=("{CI_JOB_NAME}",),
        tag=("{CI_COMMIT_TAG}",),
    ),
    _System(  # https://learn.microsoft.com/en-us/azure/devops/pipelines/build/variables
        name="azure",
        marks=("{TF_BUILD}",),
        number=("{BUILD_BUILDNUMBER}",),
        url=("{SYSTEM_TEAMFOUNDATIONCOLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}",),
        branch=("{SYSTEM_PULLREQUEST_SOURCEBRANCH}", "{BUILD_SOURCEBRANCH}"),
        commit=("{BUILD_SOURCEVERSION}",),
        actor=("{BUILD_REQUESTEDFOR}",),
        job=("{BUILD_DEFINITIONNAME}",),
        tag=(),
    ),
    _System(  # https://circleci.com/docs/reference/variables/
        name="circleci",
        marks=("{CIRCLECI}",),
        number=("{CIRCLE_BUILD_NUM}",),
        url=("{CIRCLE_BUILD_URL}",),
        branch=("{CIRCLE_BRANCH}",),
        commit=("{CIRCLE_SHA1}",),
        actor=("{CIRCLE_USERNAME}",),
        job=("{CIRCLE_JOB}",),
        tag=("{CIRCLE_TAG}",),
    ),
    _System(  # https://buildkite.com/docs/pipelines/configure/environment-variables
        name="buildkite",
        marks=("{BUILDKITE}",),
        number=("{BUILDKITE_BUILD_NUMBER}",),
        url=("{BUILDKITE_BUILD_URL}",),
        branch=("{BUILDKITE_BRANCH}",),
        commit=("{BUILDKITE_COMMIT}",),
        actor=("{BUILDKITE_BUILD_CREATOR}", "{BUILDKITE_BUILD_AUTHOR}"),
        job=("{BUILDKITE_PIPELINE_SLUG}",),
        tag=("{BUILDKITE_TAG}",),
    ),
    _System(  # https://docs.travis-ci.com/user/environment-variables/#default-environment-variables
        name="travis",
        marks=("{TRAVIS}",),
        number=("{TRAVIS_BUILD_NUMBER}",),
        url=("{TRAVIS_BUILD_WEB_URL}",),
        branch=("{TRAVIS_PULL_REQUEST_BRANCH}", "{TRAVIS_BRANCH}"),
        commit=("{TRAVIS_COMMIT}",),
        actor=(),
        job=("{TRAVIS_JOB_NAME}", "{TRAVIS_JOB_NUMBER}"),
        tag=("{TRAVIS_TAG}",),
    ),
    _System(  # https://support.atlassian.com/bitbucket-cloud/docs/variables-and-secrets/
        name="bitbucket",
        marks=("{BITBUCKET_BUILD_NUMBER}",),
        number=("{BITBUCKET_BUILD_NUMBER}",),
        url=("https://bitbucket.org/{BITBUCKET_REPO_FULL_NAME}/pipelines/results/{BITBUCKET_BUILD_NUMBER}",),
        branch=("{BITBUCKET_BRANCH}",),
        commit=("{BITBUCKET_COMMIT}",),
        actor=("{BITBUCKET_STEP_TRIGGERER_UUID}",),
        job=("{BITBUCKET_REPO_SLUG}",),
        tag=("{BITBUCKET_TAG}",),
    ),
    _System(  # https://www.jetbrains.com/help/teamcity/predefined-build-parameters.html
        name="teamcity",
        marks=("{TEAMCITY_VERSION}",),
        number=("{BUILD_NUMBER}",),
        url=("{BUILD_URL}",),
        branch=(),  # given only in a properties file
        commit=("{BUILD_VCS_NUMBER}",),
        actor=(),
        job=("{TEAMCITY_BUILDCONF_NAME}",),
        tag=(),
    ),
    _System(  # https://www.jenkins.io/doc/book/pipeline/jenkinsfile/#using-environment-variables, and its git plugin
        name="jenkins",
        marks=("{JENKINS_URL}{BUILD_NUMBER}", "{JENKINS_HOME}{BUILD_NUMBER}"),
        number=("{BUILD_NUMBER}",),
        url=("{BUILD_URL}",),
        branch=("{CHANGE_BRANCH}", "{BRANCH_NAME}", "{GIT_LOCAL_BRANCH}", "{GIT_BRANCH}"),
        commit=("{GIT_COMMIT}",),
        actor=("{BUILD_USER_ID}", "{CHANGE_AUTHOR}"),
        job=("{JOB_NAME}",),
        tag=("{TAG_NAME}",),
    ),
)

CUSTOM = "custom"  # the system's name when only MODELYARD_… variables speak


def find_build(environ: Mapping[str, str]) -> Build | None:
    """The build that the variables tell of; None outside CI.

    ``MODELYARD_BUILD_NUMBER``, ``MODELYARD_BUILD_URL``, ``MODELYARD_BRANCH`` and ``MODELYARD_COMMIT`` win over every system,
    and alone make a build of the system ``custom``.
    """
    system = next((row for row in SYSTEMS if _first(row.marks, environ)), None)
    own = {field: environ.get(name) or None for field, name in OVERRIDES.items()}
    if system is None:
        return Build(system=CUSTOM, **_cleaned(own)) if any(own.values()) else None
    found = {
        "number": _first(system.number, environ),
        "url": _quoted(_first(system.url, environ)),
        "branch": None if _first(system.tag, environ) else _branch(_first(system.branch, environ)),
        "commit": _first(system.commit, environ),
        "actor": _first(system.actor, environ),
        "job": _first(system.job, environ),
    }
    return Build(system=system.name, **_cleaned(found | {field: value for field, value in own.items() if value}))


OVERRIDES = {
    "number": "MODELYARD_BUILD_NUMBER",
    "url": "MODELYARD_BUILD_URL",
    "branch": "MODELYARD_BRANCH",
    "commit": "MODELYARD_COMMIT",
}


def _first(templates: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    for template in templates:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name]
        if all(environ.get(name) for name in names):
            return template.format_map(environ)
    return None


def _branch(ref: str | None) -> str | None:
    """A branch's plain name; None for a ref that is no branch (``refs/tags/…``, ``refs/pull/…``, a detached ``HEAD``)."""
    if ref is None or ref == "HEAD":
        return None
    name = ref.removeprefix("refs/heads/").removeprefix("origin/")
    return None if name.startswith("refs/") else name


def _quoted(url: str | None) -> str | None:
    """Names of projects may hold spaces; what is quoted already stays as it is."""
    return None if url is None else quote(url, safe="%:/?#[]@!$&'()*+,;=~")


def _cleaned(fields: Mapping[str, str | None]) -> dict[str, str | None]:
    url = fields.get("url")
    return {**fields, "url": without_credentials(url, keep_query=True) if url else None}
