"""Controller and mirror on real API servers: what holds on the embedded store holds there.

The tests are those of the embedded store, on other stores. Those of them are left out that put invalid objects into a
store, which admission refuses, or that need a store in the test's own hands.
"""

from collections.abc import AsyncIterator

import pytest
from test_admin import (  # noqa: F401 - collected here as well
    test_admin_and_user_cluster_may_be_one_store,
    test_an_object_made_by_hand_beside_the_copies_is_left_alone_and_says_so,
    test_s41_only_an_edit_on_the_user_cluster_is_told_of_and_not_one_of_the_source,
    test_s41_sources_are_copied_edits_overwritten_deletions_undone_and_orphans_deleted,
    test_s69_a_copy_in_use_that_is_deleted_by_hand_is_made_again_and_blocks_stay,
    test_secrets_follow_the_peers_that_name_them,
)
from test_controller import (  # noqa: F401 - the same
    test_a_controller_that_lost_its_lease_ends_with_the_reason,
    test_s01_s03_peers_tell_how_many_sessions_are_planned_and_up,
    test_s05_the_younger_of_two_peers_with_one_address_is_conflicting,
    test_s19_a_selector_without_match_is_a_condition_and_heals_live,
    test_s39_a_replica_that_waits_for_the_lead_is_ready,
    test_s39_s40_a_second_controller_stays_passive_and_takes_over_at_once_when_the_first_ends,
    test_s44_routes_deleted_or_changed_by_hand_are_put_right,
    test_s46_what_belongs_to_no_node_or_peer_is_removed,
    test_s49_a_node_that_joins_gets_a_block_and_a_route_and_s50_loses_the_route_when_it_goes,
    test_s53_flat_ipv4_off_refuses_ipv4_and_says_why,
)
from test_controller_ranges import (  # noqa: F401 - the same
    test_s39_the_blocks_that_another_leader_gave_are_no_other_allocators,
    test_s65_exhaustion_is_said_and_a_new_range_heals_it_without_a_restart,
    test_s66_a_range_over_services_or_nodes_says_so_and_keeps_clear_of_them,
    test_s68_s71_blocks_of_existing_and_of_dying_nodes_are_respected,
    test_s69_a_range_in_use_is_held_by_its_finalizer_and_names_its_nodes_until_they_go,
    test_s71_nothing_is_given_beside_another_allocator_that_is_at_work,
)
from test_controller_sessions import (  # noqa: F401 - the same
    test_reports_are_counted_on_our_own_clock_and_anew_after_each,
    test_s45_a_second_look_at_the_same_state_writes_nothing,
    test_s46_the_session_of_a_former_holder_is_removed_after_the_move,
)

from flatbgp.resources.kinds import ALL
from flatbgp.store.protocol import Store
from flatbgp.store.url import open_store
from support.charted import Clusters
from support.kubernetes import ApiServer


@pytest.fixture
async def store(clusters: Clusters) -> AsyncIterator[Store]:
    """A cluster that has the objects of both."""
    async for opened in _opened(clusters.admin):
        yield opened


@pytest.fixture
async def stores(clusters: Clusters, store: Store) -> AsyncIterator[tuple[Store, Store]]:
    """The admin cluster and the user cluster."""
    clusters.user.create_namespace("flatbgp")  # where these tests have the copies of Secrets
    async for opened in _opened(clusters.user):
        yield store, opened


async def _opened(server: ApiServer) -> AsyncIterator[Store]:
    opened = open_store(server.url())
    yield opened
    await opened.close()
    server.clear([kind for kind in ALL if server.serves(kind)])
