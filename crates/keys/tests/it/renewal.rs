//! The schedule of renewals: tables and properties, no clock runs.

use std::time::Duration;

use proptest::prelude::*;
use skerry_keys::renewal::{Plan, Policy, Span, Validity};
use skerry_model::Timestamp;

use crate::world::DAY;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(i64::try_from(seconds).unwrap())
}

fn days(from: u64, until: u64) -> Validity {
    Validity { not_before: at(from * 86_400), not_after: at(until * 86_400) }
}

#[test]
fn spans_are_written_as_the_original_wants_them() {
    for (text, span) in [
        ("80%", Some(Span::Percent(80))),
        ("1%", Some(Span::Percent(1))),
        ("30min", Some(Span::Time(Duration::from_secs(1800)))),
        ("10day", Some(Span::Time(10 * DAY))),
        ("0%", None),
        ("100%", None),
        ("10d", None),
        ("10h", None),
        ("10 day", None),
        ("-1day", None),
        ("day", None),
        ("99999999999999999999day", None),
        ("9999999999999999999day", None),
    ] {
        assert_eq!(text.parse::<Span>().ok(), span, "{text}");
    }
}

#[test]
fn quickstart_renews_at_day_72_and_tries_again_every_3_6_days() {
    let (policy, validity) = (Policy::default(), days(100, 190));
    let day = |day: u64| at(day * 86_400);
    assert_eq!(policy.plan(validity, None, day(171)), Plan::Wait { until: day(172) });
    assert_eq!(policy.plan(validity, None, day(172)), Plan::Renew);
    let again = day(172).plus(DAY * 36 / 10);
    assert_eq!(policy.plan(validity, Some(day(172)), day(173)), Plan::Wait { until: again });
    assert_eq!(policy.plan(validity, Some(day(172)), again), Plan::Renew);
}

#[test]
fn times_count_from_the_end() {
    let policy = Policy {
        rotate_key: true,
        threshold: Span::Time(30 * DAY),
        retry: Span::Time(Duration::from_secs(3600)),
    };
    assert_eq!(policy.deadline(days(0, 90)), at(60 * 86_400));
    assert_eq!(policy.deadline(days(0, 10)), at(0), "shorter than the threshold: due at once");
}

#[test]
fn clocks_that_jump_are_survived() {
    let (policy, validity) = (Policy::default(), days(100, 190));
    assert_eq!(policy.plan(validity, None, at(0)), Plan::Renew, "made by a clock gone wrong");
    let future = Some(at(500 * 86_400));
    assert_eq!(policy.plan(validity, future, at(180 * 86_400)), Plan::Renew, "a try in the future is none");
}

proptest! {
    #[test]
    fn a_certificate_is_renewed_before_it_ends_and_never_in_a_busy_loop(
        from in 0u64..10_000_000_000, life in 1u64..1_000_000_000, now in 0u64..12_000_000_000,
        failed in proptest::option::of(0u64..12_000_000_000),
        threshold in 1u8..=99, retry_seconds in proptest::option::of(0u64..1_000_000), retry in 1u8..=99,
    ) {
        let retry = retry_seconds.map_or(Span::Percent(retry), |s| Span::Time(Duration::from_secs(s)));
        let policy = Policy { rotate_key: true, threshold: Span::Percent(threshold), retry };
        let validity = Validity { not_before: at(from), not_after: at(from + life) };
        prop_assert!(policy.deadline(validity) < validity.not_after);
        let failed = failed.map(at);
        match policy.plan(validity, failed, at(now)) {
            Plan::Renew => if let Some(failed) = failed.filter(|failed| *failed <= at(now)) {
                prop_assert!(at(now).since(failed) >= Duration::from_secs(1));
            },
            Plan::Wait { until } => {
                prop_assert!(until > at(now));
                // Waiting ends in a try, unless the clock is wrong now.
                if at(now) >= validity.not_before && failed.is_none_or(|failed| failed <= at(now)) {
                    prop_assert_eq!(policy.plan(validity, failed, until), Plan::Renew);
                }
            }
        }
    }
}
