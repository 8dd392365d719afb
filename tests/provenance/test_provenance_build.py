"""Each CI system is found by the variables that its documentation names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelyard.provenance.build import SYSTEMS, Build, find_build

JENKINS = {
    "JENKINS_URL": "https://ci.example/",
    "BUILD_NUMBER": "42",
    "BUILD_URL": "https://ci.example/job/fraud/42/",
    "JOB_NAME": "fraud",
    "GIT_BRANCH": "origin/feature/x",
    "GIT_COMMIT": "c0ffee",
}
CIRCLE = {
    "CIRCLECI": "true",
    "CI": "true",
    "CIRCLE_BUILD_NUM": "7",
    "CIRCLE_BUILD_URL": "https://circleci.com/gh/o/r/7",
    "CIRCLE_BRANCH": "main",
    "CIRCLE_SHA1": "c0ffee",
    "CIRCLE_USERNAME": "ann",
    "CIRCLE_JOB": "train",
}
AZURE = {
    "TF_BUILD": "True",
    "BUILD_BUILDNUMBER": "20190809.2",
    "BUILD_BUILDID": "311",
    "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI": "https://dev.azure.com/org/",
    "SYSTEM_TEAMPROJECT": "Risk Models",
    "BUILD_SOURCEBRANCH": "refs/heads/release/1",
    "BUILD_SOURCEVERSION": "c0ffee",
    "BUILD_REQUESTEDFOR": "Ann",
    "BUILD_DEFINITIONNAME": "train",
}
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_RUN_NUMBER": "3",
    "GITHUB_RUN_ID": "1658821493",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_SHA": "c0ffee",
    "GITHUB_ACTOR": "ann",
    "GITHUB_WORKFLOW": "train",
    "GITHUB_JOB": "fit",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PIPELINE_ID": "1000",
    "CI_PIPELINE_URL": "https://gitlab.com/o/r/-/pipelines/1000",
    "CI_COMMIT_BRANCH": "main",
    "CI_COMMIT_SHA": "c0ffee",
    "GITLAB_USER_LOGIN": "ann",
    "CI_JOB_NAME": "train",
}
BUILDKITE = {
    "BUILDKITE": "true",
    "BUILDKITE_BUILD_NUMBER": "9",
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_COMMIT": "c0ffee",
}
TRAVIS = {"TRAVIS": "true", "TRAVIS_BUILD_NUMBER": "11", "TRAVIS_BRANCH": "main", "TRAVIS_COMMIT": "c0ffee"}
BITBUCKET = {"BITBUCKET_BUILD_NUMBER": "5", "BITBUCKET_REPO_FULL_NAME": "o/r", "BITBUCKET_BRANCH": "main"}
TEAMCITY = {"TEAMCITY_VERSION": "2025.1", "BUILD_NUMBER": "8", "BUILD_VCS_NUMBER": "c0ffee"}


@pytest.mark.parametrize(
    ("environ", "build"),
    [
        (JENKINS, Build("jenkins", "42", "https://ci.example/job/fraud/42/", "feature/x", "c0ffee", None, "fraud")),
        (CIRCLE, Build("circleci", "7", "https://circleci.com/gh/o/r/7", "main", "c0ffee", "ann", "train")),
        (
            AZURE,
            Build(
                "azure",
                "20190809.2",
                "https://dev.azure.com/org/Risk%20Models/_build/results?buildId=311",
                "release/1",
                "c0ffee",
                "Ann",
                "train",
            ),
        ),
        (
            GITHUB,
            Build(
                "github", "3", "https://github.com/o/r/actions/runs/1658821493", "main", "c0ffee", "ann", "train/fit"
            ),
        ),
        (GITLAB, Build("gitlab", "1000", "https://gitlab.com/o/r/-/pipelines/1000", "main", "c0ffee", "ann", "train")),
        (BUILDKITE, Build("buildkite", "9", None, "main", "c0ffee")),
        (TRAVIS, Build("travis", "11", None, "main", "c0ffee")),
        (BITBUCKET, Build("bitbucket", "5", "https://bitbucket.org/o/r/pipelines/results/5", "main", job=None)),
        (TEAMCITY, Build("teamcity", "8", None, None, "c0ffee")),
    ],
    ids=lambda value: value.system if isinstance(value, Build) else "",
)
def test_each_system_is_found_by_its_own_variables(environ: dict[str, str], build: Build) -> None:
    assert find_build({**environ, "PATH": "/bin", "HOME": "/root"}) == build
    assert Build.from_json(build.to_json()) == build


def test_every_row_of_the_table_is_tried_above() -> None:
    tried = [JENKINS, CIRCLE, AZURE, GITHUB, GITLAB, BUILDKITE, TRAVIS, BITBUCKET, TEAMCITY]
    assert {row.name for row in SYSTEMS} == {build.system for e in tried if (build := find_build(e))}


@pytest.mark.parametrize(
    ("environ", "branch"),
    [
        ({**GITHUB, "GITHUB_REF": "refs/pull/7/merge", "GITHUB_HEAD_REF": "feature"}, "feature"),
        ({**GITHUB, "GITHUB_REF": "refs/tags/v1", "GITHUB_HEAD_REF": ""}, None),
        ({**AZURE, "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/fix/y"}, "fix/y"),
        ({**AZURE, "BUILD_SOURCEBRANCH": "refs/tags/v1"}, None),
        ({**JENKINS, "CHANGE_BRANCH": "feature", "BRANCH_NAME": "PR-7"}, "feature"),
        ({**JENKINS, "TAG_NAME": "v1", "BRANCH_NAME": "v1"}, None),
        ({**JENKINS, "GIT_BRANCH": "HEAD"}, None),
        ({**GITLAB, "CI_COMMIT_BRANCH": "", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature"}, "feature"),
        ({**GITLAB, "CI_COMMIT_TAG": "v1", "CI_COMMIT_BRANCH": "", "CI_COMMIT_REF_NAME": "v1"}, None),
        ({**TRAVIS, "TRAVIS_BRANCH": "v1", "TRAVIS_TAG": "v1"}, None),
    ],
)
def test_the_branch_is_the_one_whose_code_is_built_and_a_tag_is_no_branch(
    environ: dict[str, str], branch: str | None
) -> None:
    build = find_build(environ)
    assert build is not None
    assert build.branch == branch


def test_ones_own_variables_win_over_the_system() -> None:
    own = {"MODELYARD_BUILD_NUMBER": "1.2", "MODELYARD_BRANCH": "mine", "MODELYARD_COMMIT": "abc"}
    build = find_build({**JENKINS, **own})
    assert build == Build("jenkins", "1.2", JENKINS["BUILD_URL"], "mine", "abc", None, "fraud")
    assert find_build(own) == Build("custom", "1.2", None, "mine", "abc")


def test_credentials_in_a_build_url_are_dropped_and_its_query_is_kept() -> None:
    build = find_build({"MODELYARD_BUILD_URL": "https://me:pw@ci.example/job?id=7"})
    assert build is not None
    assert build.url == "https://ci.example/job?id=7"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://ci.example/job?id=7&token=abc&x=1", "https://ci.example/job?id=7&token=***&x=1"),
        ("https://ci.example/job#access_token=abc", "https://ci.example/job#access_token=***"),
        ("https://ci.example/job?q=ghp_0123456789abcdefgh", "https://ci.example/job?q=***"),
        ("ci.example/job?api_key=abc", "ci.example/job?api_key=***"),
    ],
)
def test_a_secret_in_the_query_of_a_build_url_is_masked(url: str, kept: str) -> None:
    build = find_build({"MODELYARD_BUILD_URL": url})
    assert build is not None
    assert build.url == kept


@pytest.mark.parametrize(
    "environ", [{}, {"CI": "true"}, {"BUILD_NUMBER": "3"}, {"JENKINS_HOME": "/var/j"}, {"TRAVIS": ""}]
)
def test_outside_ci_there_is_no_build(environ: dict[str, str]) -> None:
    assert find_build(environ) is None


NAMES = sorted({name for e in (JENKINS, CIRCLE, AZURE, GITHUB, GITLAB, TRAVIS, BITBUCKET, TEAMCITY) for name in e})


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=12)))
def test_no_combination_of_variables_raises(environ: dict[str, str]) -> None:
    build = find_build(environ)
    assert build is None or Build.from_json(build.to_json()) == build
