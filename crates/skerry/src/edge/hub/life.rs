//! How long a certificate that is shown may stay: a pure answer, and the loop that asks for it.
//!
//! ```text
//! issued ────────── 2/3 ────── notAfter
//!          stays         replaced, unless its Edge CA ends as early: then the next one would be no better
//! ```
//!
//! The wall clock is looked at every half a minute, for it is set while one sleeps: a machine without a clock of
//! its own starts in the past, and one that was asleep wakes up long after.

use std::time::Duration;

use skerry_keys::Chain;
use skerry_keys::renewal::Validity;
use skerry_model::{Clock, Timestamp};

use crate::failure::Failure;

const LOOK_EVERY: Duration = Duration::from_secs(30);
/// The clock need not agree with the sleep to the last bit.
const WAIT_MIN: Duration = Duration::from_secs(1);

/// Of one certificate.
pub(super) struct Life {
    pub(super) issued: Timestamp,
    pub(super) validity: Validity,
    /// Who issued it.
    pub(super) authority: Authority,
}

/// An Edge CA; a renewed one is another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) certificate: Vec<u8>,
    pub(super) until: Timestamp,
}

impl Authority {
    pub(super) fn of(chain: &Chain) -> Self {
        let certificate = chain.certificates().first().cloned().unwrap_or_default();
        Self { certificate, until: chain.validity.not_after }
    }
}

impl Life {
    fn due(&self) -> Timestamp {
        self.issued.plus(self.validity.not_after.since(self.issued).mul_f64(2.0 / 3.0))
    }

    /// Whether another one is to be issued by `authority`, which is the Edge CA now.
    fn is_over(&self, now: Timestamp, authority: &Authority) -> bool {
        // Made by a clock that was ahead.
        let is_from_future = now < self.validity.not_before;
        // Who asks for the trust bundle from now on may not know the old one.
        let is_of_another = self.authority != *authority;
        let gains = self.validity.not_after < authority.until;
        is_from_future || is_of_another || (self.due() <= now && gains)
    }

    fn wait(&self, now: Timestamp) -> Duration {
        match self.due().since(now) {
            Duration::ZERO => LOOK_EVERY,
            left => left.clamp(WAIT_MIN, LOOK_EVERY),
        }
    }
}

/// Where the next one comes from.
pub(super) trait Source: Sync {
    /// The Edge CA as it is now.
    fn authority(&self) -> Authority;

    /// Shows another one from now on.
    fn replace(&self) -> impl Future<Output = Result<Life, Failure>> + Send;
}

/// Has it replaced whenever it is over, for as long as this is awaited.
pub(super) async fn keep_good(mut life: Life, clock: &dyn Clock, source: &impl Source) {
    loop {
        tokio::time::sleep(life.wait(clock.now())).await;
        if !life.is_over(clock.now(), &source.authority()) {
            continue;
        }
        match source.replace().await {
            Ok(replaced) => life = replaced,
            Err(failure) => tracing::warn!("The edge hub's certificate is not renewed yet: {failure}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::{Instant, sleep};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(86_400);
    const LONG: Duration = Duration::from_secs(3650 * 86_400);

    fn start() -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000)
    }

    /// A wall clock that is set, an Edge CA, and when certificates were issued.
    struct Simulated {
        life: Duration,
        authority: Mutex<Authority>,
        clock: Mutex<(Timestamp, Instant)>,
        began: Instant,
        /// Seconds of the time that nobody sets.
        issued: Mutex<Vec<u64>>,
        refusals: Mutex<u32>,
    }

    impl Clock for Simulated {
        fn now(&self) -> Timestamp {
            let (set, at) = *self.clock.lock().unwrap();
            set.plus(at.elapsed())
        }
    }

    impl Source for Simulated {
        fn authority(&self) -> Authority {
            self.authority.lock().unwrap().clone()
        }

        /// As the Edge CA does: from an hour ago on, and no longer than it is good itself.
        async fn replace(&self) -> Result<Life, Failure> {
            let mut refusals = self.refusals.lock().unwrap();
            if *refusals > 0 {
                *refusals -= 1;
                return Err(Failure::failed("the disk is full"));
            }
            self.issued.lock().unwrap().push(self.began.elapsed().as_secs());
            let (issued, authority) = (self.now(), self.authority());
            let not_before = Timestamp::from_unix_seconds(issued.unix_seconds() - 3600);
            let not_after = issued.plus(self.life).min(authority.until);
            Ok(Life { issued, validity: Validity { not_before, not_after }, authority })
        }
    }

    impl Simulated {
        fn new(life: Duration, authority: Duration) -> Self {
            let authority = Authority { certificate: vec![1], until: start().plus(authority) };
            let began = Instant::now();
            Self {
                life,
                authority: Mutex::new(authority),
                clock: Mutex::new((start(), began)),
                began,
                issued: Mutex::default(),
                refusals: Mutex::new(0),
            }
        }

        fn set_clock(&self, to: Timestamp) {
            *self.clock.lock().unwrap() = (to, Instant::now());
        }

        fn renew_authority(&self, until: Timestamp) {
            *self.authority.lock().unwrap() = Authority { certificate: vec![2], until };
        }

        /// Keeps one good while `story` goes on; when each was issued.
        async fn during(&self, story: impl Future<Output = ()>) -> Vec<u64> {
            let first = self.replace().await.unwrap();
            let kept = keep_good(first, self, self);
            tokio::select! {
                () = kept => unreachable!("it is kept for as long as this is awaited"),
                () = story => {}
            }
            self.issued.lock().unwrap().clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_replaced_when_a_third_of_its_life_is_left() {
        for (life, expected) in [
            (Duration::from_secs(30), [0, 20, 40, 60]),
            (90 * MINUTE, [0, 3600, 7200, 10_800]),
            (30 * DAY, [0, 20 * 86_400, 40 * 86_400, 60 * 86_400]),
        ] {
            let simulated = Simulated::new(life, LONG);
            let issued = simulated.during(sleep(life * 2 + Duration::from_secs(5))).await;
            let is_near = |(found, expected): (&u64, u64)| (expected..expected + 3).contains(found);
            assert!(issued.len() == 4 && issued.iter().zip(expected).all(is_near), "{life:?}: {issued:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_is_noticed_within_half_a_minute() {
        let simulated = Simulated::new(30 * DAY, LONG);
        let issued = simulated.during(async {
            sleep(10 * MINUTE + Duration::from_secs(7)).await;
            // A long sleep, or a first word from a server of time.
            simulated.set_clock(start().plus(400 * DAY));
            sleep(10 * MINUTE).await;
            // What was made then is not good yet.
            simulated.set_clock(start());
            sleep(10 * MINUTE).await;
        });
        assert_eq!(issued.await, [0, 630, 1230]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_edge_ca_that_ends_is_waited_for_and_its_successor_taken() {
        let simulated = Simulated::new(30 * DAY, 10 * MINUTE);
        let issued = simulated.during(async {
            sleep(9 * MINUTE + Duration::from_secs(50)).await;
            simulated.renew_authority(start().plus(LONG));
            sleep(10 * MINUTE).await;
            // The operator's: nothing of the old one is over.
            let until = start().plus(LONG);
            *simulated.authority.lock().unwrap() = Authority { certificate: vec![3], until };
            sleep(10 * MINUTE).await;
        });
        assert_eq!(issued.await, [0, 610, 1210]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_replaced_is_tried_again() {
        let simulated = Simulated::new(90 * MINUTE, LONG);
        let issued = simulated.during(async {
            *simulated.refusals.lock().unwrap() = 3;
            sleep(90 * MINUTE).await;
        });
        assert_eq!(issued.await, [0, 3690]);
    }
}
