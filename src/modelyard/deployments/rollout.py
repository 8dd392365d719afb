"""The lifecycle of a rollout: one table, and the theory of its operation.

A rollout takes one deployment from its *stable* version (where the alias points) to a *candidate*, in steps of growing weight.
Its row in the registry is the truth of what is canary and with which weight; the alias is the truth of what is stable.
Everything that happens to it is an *event*; the table says which state comes next; an event that the table does not have in a
state is refused and changes nothing.

Why it is safe
    - The candidate takes no traffic before every live replica has loaded and verified it (``loading``).
    - Only ``promoting`` moves the alias, through its gates, and only from where the alias was when the rollout began. All other
      ways end in ``aborting``, which takes the weight to 0 and never touches the alias.
    - ``promote`` skips the remaining analyses, never the gates.
    - ``paused`` keeps the weight, so the guard stays on: a candidate that is found bad in a pause is aborted too. ``resume`` goes back
      through ``loading``, because replicas may have come and gone.
    - The alias belongs to people. When it is moved by hand while a rollout is under way, the rollout gives way: it is ``done``
      when the alias went to the candidate (``moved``), and is aborted when it went elsewhere (``overtaken``).
    - Every event is applied by compare-and-set on the row's revision, and deciding is a pure function of the row, the alias and the
      replicas' reports. So a stepper that dies between any two lines is replaced by another that decides the same again; what was
      done already (the alias moved, the weight set) is found to be done.

``done`` and ``aborted`` are final: a deployment has at most one rollout that is not.
"""

from __future__ import annotations

from enum import StrEnum

from modelyard.core.errors import InvalidTransition


class State(StrEnum):
    """Where a rollout stands."""

    PENDING = "pending"
    LOADING = "loading"
    PROGRESSING = "progressing"
    PAUSED = "paused"
    PROMOTING = "promoting"
    DONE = "done"
    ABORTING = "aborting"
    ABORTED = "aborted"


class Event(StrEnum):
    """What can happen to it."""

    START = "start"  # an agent has taken it up
    LOADED = "loaded"  # every live replica has the candidate, verified
    LOAD_FAILED = "load_failed"  # a replica cannot load it
    STEP_PASSED = "step_passed"  # the analysis of a step was successful, and more steps follow
    ALL_STEPS_PASSED = "all_steps_passed"
    ANALYSIS_FAILED = "analysis_failed"  # measured, and bad
    INCONCLUSIVE = "inconclusive"  # not enough could be measured in the time given
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"
    PROMOTE = "promote"
    MOVED = "moved"  # the alias points at the candidate
    GATE_REFUSED = "gate_refused"
    OVERTAKEN = "overtaken"  # the alias was moved elsewhere by hand
    DRAINED = "drained"  # no replica sends traffic to the candidate any more


S, E = State, Event

TABLE: dict[tuple[State, Event], State] = {
    (S.PENDING, E.START): S.LOADING,
    (S.PENDING, E.PAUSE): S.PAUSED,
    (S.PENDING, E.ABORT): S.ABORTING,
    (S.PENDING, E.MOVED): S.DONE,
    (S.PENDING, E.OVERTAKEN): S.ABORTING,
    #
    (S.LOADING, E.LOADED): S.PROGRESSING,
    (S.LOADING, E.LOAD_FAILED): S.ABORTING,
    (S.LOADING, E.PAUSE): S.PAUSED,
    (S.LOADING, E.ABORT): S.ABORTING,
    (S.LOADING, E.MOVED): S.DONE,
    (S.LOADING, E.OVERTAKEN): S.ABORTING,
    #
    (S.PROGRESSING, E.STEP_PASSED): S.PROGRESSING,
    (S.PROGRESSING, E.ALL_STEPS_PASSED): S.PROMOTING,
    (S.PROGRESSING, E.ANALYSIS_FAILED): S.ABORTING,
    (S.PROGRESSING, E.INCONCLUSIVE): S.PAUSED,
    (S.PROGRESSING, E.LOAD_FAILED): S.ABORTING,
    (S.PROGRESSING, E.PAUSE): S.PAUSED,
    (S.PROGRESSING, E.PROMOTE): S.PROMOTING,
    (S.PROGRESSING, E.ABORT): S.ABORTING,
    (S.PROGRESSING, E.MOVED): S.DONE,
    (S.PROGRESSING, E.OVERTAKEN): S.ABORTING,
    #
    (S.PAUSED, E.RESUME): S.LOADING,
    (S.PAUSED, E.ANALYSIS_FAILED): S.ABORTING,
    (S.PAUSED, E.LOAD_FAILED): S.ABORTING,
    (S.PAUSED, E.PROMOTE): S.PROMOTING,
    (S.PAUSED, E.ABORT): S.ABORTING,
    (S.PAUSED, E.MOVED): S.DONE,
    (S.PAUSED, E.OVERTAKEN): S.ABORTING,
    #
    (S.PROMOTING, E.MOVED): S.DONE,
    (S.PROMOTING, E.GATE_REFUSED): S.ABORTING,
    (S.PROMOTING, E.OVERTAKEN): S.ABORTING,
    (S.PROMOTING, E.LOAD_FAILED): S.ABORTING,
    (S.PROMOTING, E.ABORT): S.ABORTING,
    #
    (S.ABORTING, E.DRAINED): S.ABORTED,
}

FINAL = frozenset({State.DONE, State.ABORTED})
ACTIVE = frozenset(State) - FINAL


def next_state(state: State, event: Event) -> State:
    """The state after an event. Raises InvalidTransition with the events that are possible now."""
    try:
        return TABLE[state, event]
    except KeyError:
        told = ", ".join(possible(state)) or "nothing: it has ended"
        raise InvalidTransition(state=str(state), event=str(event), possible=told) from None


def possible(state: State) -> list[str]:
    """The events that the table has for a state, in its order."""
    return [str(event) for found, event in TABLE if found is state]


def weight_after(state: State, step: int, steps: tuple[float, ...], before: float) -> float:
    """The candidate's share of traffic in a state, 0 to 1.

    It grows only by a step; it falls only to 0, by an abort; in between it is kept, so a repeated event changes nothing.
    """
    match state:
        case State.PROGRESSING:
            return steps[step] if step < len(steps) else before
        case State.DONE:
            return 1.0
        case State.ABORTING | State.ABORTED:
            return 0.0
        case _:
            return before


def mermaid() -> str:
    """The table as a Mermaid state diagram; events between the same two states share an arrow."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (before, event), after in TABLE.items():
        arrows.setdefault((before, after), []).append(event)
    lines = ["stateDiagram-v2", "    [*] --> pending"]
    lines += [f"    {before} --> {after}: {', '.join(events)}" for (before, after), events in arrows.items()]
    lines += [f"    {state} --> [*]" for state in State if state in FINAL]
    return "\n".join(lines) + "\n"
