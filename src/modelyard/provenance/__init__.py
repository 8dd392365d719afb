"""What made a version: code, environment, build and command. Reads only; never changes a repository, keeps no secret."""

from modelyard.provenance.build import Build, find_build
from modelyard.provenance.environment import Distribution, Environment, environment
from modelyard.provenance.git import GitState, git_state, head_commit
from modelyard.provenance.record import Command, Provenance, collect
from modelyard.provenance.untracked import LeftOut

__all__ = [
    "Build",
    "Command",
    "Distribution",
    "Environment",
    "GitState",
    "LeftOut",
    "Provenance",
    "collect",
    "environment",
    "find_build",
    "git_state",
    "head_commit",
]
