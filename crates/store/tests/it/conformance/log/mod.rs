//! The contract of `log`, as functions over any log, and the logs they run on.
//!
//! All of them hold for weak logs too: they send again under the same name what has an unknown
//! outcome, and read until what they wait for is there.

mod appends;
mod bounds;
mod caps;
mod cursors;
mod following;
mod leasing;
mod names;
mod order;
mod queues;
mod reading;
mod reopening;
mod trimming;
mod world;

use world::{Embedded, Memory};

/// Runs each check on the embedded engine, on the strong memory and on a number of weak ones.
macro_rules! on_every_engine {
    ($($module:ident :: $check:ident),* $(,)?) => {
        mod on_embedded {
            use super::*;
            $(#[tokio::test] async fn $check() { $module::$check(&Embedded::new()).await; })*
        }
        mod on_embedded_without_memory {
            use super::*;
            $(#[tokio::test] async fn $check() { $module::$check(&Embedded::without_memory()).await; })*
        }
        mod on_memory {
            use super::*;
            $(#[tokio::test] async fn $check() { $module::$check(&Memory::strong()).await; })*
        }
        mod on_weak_memory {
            use super::*;
            $(#[tokio::test] async fn $check() {
                for seed in 0..20 {
                    $module::$check(&Memory::weak(seed)).await;
                }
            })*
        }
    };
}

on_every_engine! {
    appends::what_was_placed_comes_back,
    appends::every_durability_is_taken,
    appends::each_record_has_an_outcome_of_its_own,
    appends::an_empty_batch_has_no_outcomes,
    appends::sequences_grow_in_each_partition_alone,
    appends::times_do_not_run_backwards,
    appends::figures_count_what_happened,
    names::a_named_record_is_there_once,
    names::a_name_in_one_batch_twice_is_one_record,
    names::rivals_with_one_name_place_one_record,
    names::numbers_come_in_any_order,
    names::what_is_too_old_is_forgotten_and_never_placed_again,
    names::producers_do_not_share_numbers,
    names::records_without_names_are_never_repetitions,
    names::the_latest_of_many_producers_are_remembered,
    order::a_batch_lies_in_its_order,
    order::batches_lie_in_the_order_of_the_calls,
    order::after_a_failure_later_ones_fail_until_resumed,
    order::nothing_overtakes_what_is_sent_again,
    order::a_failure_stays_in_its_own_order,
    order::without_an_order_each_stands_alone,
    reading::pages_follow_one_another,
    reading::one_record_always_fits_a_page,
    reading::the_bounds_of_the_engine_hold_too,
    reading::reading_begins_where_it_is_asked_to,
    reading::nothing_is_read_from_the_future,
    reading::an_empty_partition_is_empty,
    reading::the_extent_holds_what_is_there,
    trimming::what_was_trimmed_is_not_read_again,
    trimming::a_hole_is_told,
    trimming::trimming_too_far_leaves_the_partition_usable,
    trimming::a_follower_is_told_of_the_hole,
    following::a_follower_sees_everything_in_order,
    following::a_follower_waits,
    following::following_the_newest_begins_with_the_call,
    following::followers_of_a_time_begin_with_it,
    following::followers_keep_to_their_partition_and_page,
    following::a_dropped_follower_costs_nothing,
    following::a_wait_that_is_given_up_loses_nothing,
    cursors::a_cursor_begins_where_it_is_asked_to_and_stays,
    cursors::positions_move_forward_only,
    cursors::settled_records_are_kept_until_the_position_passes,
    cursors::too_many_settled_beyond_the_position_are_refused,
    cursors::a_dropped_cursor_is_gone_for_good,
    cursors::synced_progress_is_there_for_whoever_opens_it_next,
    cursors::every_cursor_is_listed,
    cursors::a_cursor_that_nobody_made_is_unknown,
    queues::a_queue_reads_what_names_it,
    queues::a_follower_of_a_queue_skips_the_rest,
    queues::a_queue_counts_what_waits,
    queues::a_queue_is_told_what_was_trimmed,
    queues::a_record_for_nobody_in_particular_is_refused,
    queues::a_cursor_of_another_partition_or_kind_is_not_named,
    queues::a_log_of_retention_has_no_queues,
    caps::where_retention_wins_the_oldest_go,
    caps::where_cursors_win_new_records_are_refused,
    caps::a_retry_at_the_cap_is_still_known,
    caps::what_is_settled_makes_room,
    caps::a_slow_queue_pins_only_its_own,
    caps::a_cursor_of_every_record_pins_them_all,
    caps::a_dropped_cursor_makes_room,
    caps::trimming_makes_room,
    caps::the_aged_go,
    caps::what_is_wanted_does_not_age,
    leasing::records_are_leased_in_order_and_settled_once,
    leasing::what_is_given_back_comes_before_anything_newer,
    leasing::only_so_many_are_in_flight,
    leasing::a_queue_that_is_quiet_holds_nothing_of_the_others,
    leasing::a_queue_that_nobody_leases_from_passes_up_to_what_it_wants,
    leasing::a_queue_holds_a_page_however_long_the_backlog_is,
    reopening::a_queue_opened_again_goes_on_where_it_was_saved,
    reopening::nothing_is_skipped_whatever_happens,
    leasing::a_queue_tells_the_log_its_counts,
    leasing::with_too_much_settled_ahead_leasing_waits_for_the_oldest,
    leasing::what_is_settled_is_saved_before_it_is_too_much,
    leasing::a_queue_of_every_record_passes_what_was_lost,
    leasing::what_was_given_back_and_is_gone_is_passed,
    bounds::records_and_batches_are_bounded,
    bounds::partitions_are_bounded,
    bounds::cursors_are_bounded,
    bounds::the_cursors_of_a_record_are_bounded,
}
