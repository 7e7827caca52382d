//! When to ping, and when to give up.
//!
//! Twice in each keep-alive it is looked whether both sides have spoken since the last look; if not,
//! a ping goes out. So the client is never silent for longer than it promised, and a server that is
//! gone is noticed even by a client that speaks all the time.

use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct KeepAlive {
    /// Between two looks; nothing is looked at when it is zero.
    period: Duration,
    next_look: Duration,
    heard: bool,
    spoke: bool,
    /// Until then something must be heard, for a ping is out.
    awaited: Option<Duration>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    End,
}

impl KeepAlive {
    pub(super) fn begin(keep_alive: Duration, now: Duration) -> Self {
        let period = keep_alive / 2;
        Self { period, next_look: now + period, heard: true, spoke: true, awaited: None }
    }

    pub(super) fn hear(&mut self) {
        (self.heard, self.awaited) = (true, None);
    }

    pub(super) fn speak(&mut self) {
        self.spoke = true;
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        if self.period.is_zero() {
            return None;
        }
        Some(self.awaited.map_or(self.next_look, |awaited| awaited.min(self.next_look)))
    }

    pub(super) fn handle_time(&mut self, now: Duration, ping_timeout: Duration) -> Due {
        if self.period.is_zero() {
            return Due::Nothing;
        }
        if self.awaited.is_some_and(|awaited| awaited <= now) {
            return Due::End;
        }
        if now < self.next_look {
            return Due::Nothing;
        }
        // A ping that is out is not followed by another, unless the promise of speaking asks for it.
        let is_quiet = !self.spoke || !self.heard && self.awaited.is_none();
        (self.heard, self.spoke, self.next_look) = (false, is_quiet, now + self.period);
        if !is_quiet {
            return Due::Nothing;
        }
        self.awaited = Some(self.awaited.unwrap_or(now + ping_timeout));
        Due::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING_TIMEOUT: Duration = Duration::from_secs(30);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_quiet_client_pings_once_in_each_keep_alive() {
        let mut keep_alive = KeepAlive::begin(seconds(60), seconds(0));
        let mut pings = Vec::new();
        for now in 0..300 {
            match keep_alive.handle_time(seconds(now), PING_TIMEOUT) {
                Due::Ping => {
                    pings.push(now);
                    keep_alive.hear();
                }
                Due::Nothing => {}
                Due::End => panic!("it was answered"),
            }
        }
        assert_eq!(pings, [60, 120, 180, 240]);
    }

    #[test]
    fn who_speaks_and_is_spoken_to_needs_no_ping() {
        let mut keep_alive = KeepAlive::begin(seconds(60), seconds(0));
        for now in 0..300 {
            keep_alive.speak();
            keep_alive.hear();
            assert_eq!(keep_alive.handle_time(seconds(now), PING_TIMEOUT), Due::Nothing);
        }
    }

    #[test]
    fn a_server_that_answers_nothing_is_given_up_however_much_is_said_to_it() {
        let mut keep_alive = KeepAlive::begin(seconds(60), seconds(0));
        let mut pings = Vec::new();
        for now in 0.. {
            keep_alive.speak();
            assert!(keep_alive.deadline().is_some_and(|deadline| deadline >= seconds(now)));
            match keep_alive.handle_time(seconds(now), PING_TIMEOUT) {
                Due::Ping => pings.push(now),
                Due::Nothing => {}
                Due::End => {
                    assert_eq!((pings, now), (vec![60], 90));
                    return;
                }
            }
        }
    }

    #[test]
    fn a_long_wait_for_an_answer_does_not_break_the_promise_of_speaking() {
        let mut keep_alive = KeepAlive::begin(seconds(10), seconds(0));
        let pings: Vec<u64> =
            (0..40).filter(|now| keep_alive.handle_time(seconds(*now), seconds(60)) == Due::Ping).collect();
        assert_eq!(pings, [10, 20, 30]);
    }

    #[test]
    fn no_keep_alive_means_no_ping_and_no_end() {
        let mut keep_alive = KeepAlive::begin(seconds(0), seconds(0));
        assert_eq!(keep_alive.deadline(), None);
        assert_eq!(keep_alive.handle_time(seconds(1_000_000), PING_TIMEOUT), Due::Nothing);
    }
}
