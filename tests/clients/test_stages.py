"""The tables of the client: complete, and every stage can be reached."""

from __future__ import annotations

import pytest

from edgesim.clients.common.stages import IllegalStep, next_stage
from edgesim.clients.jabber import TRANSITIONS, Jabber, Result, Stage
from edgesim.clients.jabber.chat_service import CHAT_TRANSITIONS, ChatService, ChatState
from edgesim.clients.jabber.stages import FINAL


def reachable(table: dict, start: object) -> set[object]:
    found, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        for (stage, _), there in table.items():
            if stage is here and there not in found:
                found.add(there)
                waiting.append(there)
    return found


def test_every_stage_can_be_reached() -> None:
    assert reachable(TRANSITIONS, Stage.SIGNED_OUT) == set(Stage)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage not in (*FINAL, Stage.SIGNED_OUT)])
def test_every_stage_has_work_and_knows_what_follows_failure(stage: Stage) -> None:
    assert stage in Jabber._work
    assert (stage, Result.FAILED) in TRANSITIONS
    assert any((stage, result) in TRANSITIONS for result in (Result.OK, Result.INSIDE))


def test_final_stages_lead_nowhere_and_have_no_work() -> None:
    assert not [stage for stage, _ in TRANSITIONS if stage in FINAL]
    assert not [stage for stage in Jabber._work if stage in FINAL]


def test_every_stage_leads_to_an_end() -> None:
    for stage in Stage:
        assert reachable(TRANSITIONS, stage) & {Stage.SIGNED_IN, Stage.FAILED}


def test_what_fails_before_services_are_known_ends_the_sign_in_and_nothing_after_does() -> None:
    fatal = {stage for (stage, result), there in TRANSITIONS.items() if there is Stage.FAILED}
    assert fatal == {
        Stage.DISCOVERY,
        Stage.EDGE_CONFIGURATION,
        Stage.HOME_CLUSTER,
        Stage.UDS_VERSION,
        Stage.UDS_SERVERS,
        Stage.USER,
    }


def test_a_result_that_a_table_does_not_have_is_a_mistake_of_the_client() -> None:
    with pytest.raises(IllegalStep, match="DISCOVERY"):
        next_stage(TRANSITIONS, Stage.DISCOVERY, Result.OK)  # it is either inside or outside
    with pytest.raises(IllegalStep, match="FAILOVER"):
        next_stage(CHAT_TRANSITIONS, ChatState.FAILOVER, False)


def test_chat_states_are_complete() -> None:
    assert reachable(CHAT_TRANSITIONS, ChatState.SIGNED_OUT) == set(ChatState)
    fallible = {state for state in ChatService._work if state is not ChatState.FAILOVER}
    assert all((state, False) in CHAT_TRANSITIONS and (state, True) in CHAT_TRANSITIONS for state in fallible)
    assert (ChatState.XMPPCONNECTED, False) in CHAT_TRANSITIONS


def test_a_lost_chat_session_tries_its_key_before_a_new_login_and_the_primary_before_the_secondary() -> None:
    state, order = ChatState.FAILOVER, []
    state = CHAT_TRANSITIONS[state, True]
    while state is not ChatState.SIGNED_OUT:
        order.append(state)
        state = CHAT_TRANSITIONS[state, False]
    assert order == [
        ChatState.SOAPCONNECT_SESSION_P,
        ChatState.SOAPCONNECT_SESSION_S,
        ChatState.SOAPCONNECT_P,
        ChatState.SOAPCONNECT_S,
    ]
