//! The contract of `documents`, as functions over any store, and the stores they run on.
//!
//! All of them hold for weak stores too: they read with `at_least` where they need the newest
//! state, and settle unknown outcomes by reading.

mod commits;
mod following;
mod log;
mod scans;

use std::sync::Arc;

use skerry_store::documents::Documents;

use crate::samples::{embedded, strong, weak};

/// Runs each check on the embedded engine, the strong memory and a number of weak ones.
macro_rules! on_every_engine {
    ($($module:ident :: $check:ident),* $(,)?) => {
        mod on_embedded {
            use super::*;
            $(#[tokio::test] async fn $check() {
                let directory = tempfile::tempdir().unwrap();
                let store: Arc<dyn Documents> = Arc::new(embedded(directory.path()));
                $module::$check(store).await;
            })*
        }
        mod on_memory {
            use super::*;
            $(#[tokio::test] async fn $check() { $module::$check(strong()).await; })*
        }
        mod on_weak_memory {
            use super::*;
            $(#[tokio::test] async fn $check() {
                for seed in 0..20 {
                    $module::$check(weak(seed)).await;
                }
            })*
        }
    };
}

on_every_engine! {
    commits::every_piece_comes_back,
    commits::expectations_decide,
    commits::a_commit_is_whole,
    commits::an_update_leaves_the_rest,
    commits::a_touch_changes_only_the_revision,
    commits::a_group_is_deleted_in_all_spaces,
    commits::actions_happen_in_order,
    commits::one_of_many_rivals_wins,
    commits::strange_keys_are_kept_apart,
    commits::misuse_is_refused,
    commits::revisions_grow,
    scans::pages_go_in_key_order,
    scans::survivors_appear_once,
    scans::bounds_are_kept,
    scans::accept_decides,
    scans::narrow_alone_is_exact,
    scans::a_group_alone,
    scans::an_index_changes_no_answer,
    scans::indexes_are_listed_bounded_and_dropped,
    scans::the_future_is_late,
    following::followers_see_everything,
    following::followers_continue_where_they_were,
    following::a_follower_waits,
    following::a_follower_from_the_future_lags,
}
