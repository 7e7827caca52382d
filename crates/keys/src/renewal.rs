//! When a certificate is renewed: a pure schedule, time comes in as a parameter.
//!
//! ```text
//! notBefore ──────────── deadline ──── + retry ──── + retry ──── notAfter
//!            wait                try          try          try
//! ```

use std::str::FromStr;
use std::time::Duration;

use skerry_model::Timestamp;

/// Two tries are never closer together.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// Once a certificate has expired nobody is let in any more, so there is nothing to wait for.
const RETRY_EXPIRED_MAX: Duration = Duration::from_secs(60);

/// `80%`, `30min` or `10day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Of the certificate's life, 1 to 99.
    Percent(u8),
    Time(Duration),
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let refused = || SpanError { text: text.chars().take(32).collect() };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| refused())?;
        let seconds = match unit {
            "%" => {
                return match number {
                    1..=99 => Ok(Self::Percent(number as u8)),
                    _ => Err(refused()),
                };
            }
            "min" => 60,
            "day" => 86_400,
            _ => return Err(refused()),
        };
        number.checked_mul(seconds).map(Duration::from_secs).map(Self::Time).ok_or_else(refused)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no time of renewal: write 1% to 99%, or a time such as 30min or 10day")]
pub struct SpanError {
    pub text: String,
}

/// How a certificate is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub rotate_key: bool,
    /// Percent of the life that is over, or time before the end.
    pub threshold: Span,
    pub retry: Span,
}

impl Default for Policy {
    fn default() -> Self {
        Self { rotate_key: true, threshold: Span::Percent(80), retry: Span::Percent(4) }
    }
}

/// From when until when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl Validity {
    fn life(self) -> Duration {
        self.not_after.since(self.not_before)
    }

    pub fn contains(self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.not_after
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    Renew,
    Wait { until: Timestamp },
}

impl Policy {
    /// When the first try is made.
    pub fn deadline(&self, validity: Validity) -> Timestamp {
        match self.threshold {
            Span::Percent(percent) => validity.not_before.plus(part(validity.life(), percent)),
            Span::Time(before) => {
                let age = validity.life().saturating_sub(before);
                validity.not_before.plus(age)
            }
        }
    }

    /// What to do now, after a try that failed at `failed`. A certificate from the future is one that was
    /// made by a clock gone wrong, and is renewed.
    pub fn plan(&self, validity: Validity, failed: Option<Timestamp>, now: Timestamp) -> Plan {
        let from_future = now < validity.not_before;
        let deadline = if from_future { now } else { self.deadline(validity) };
        // A try in the future tells nothing: the clock was set back.
        let next =
            failed.filter(|failed| *failed <= now).map(|failed| failed.plus(self.retry(validity, now)));
        let until = next.map_or(deadline, |next| next.max(deadline));
        if until <= now { Plan::Renew } else { Plan::Wait { until } }
    }

    fn retry(&self, validity: Validity, now: Timestamp) -> Duration {
        let retry = match self.retry {
            Span::Percent(percent) => part(validity.life(), percent),
            Span::Time(time) => time,
        };
        let most = if validity.contains(now) { Duration::MAX } else { RETRY_EXPIRED_MAX };
        retry.clamp(RETRY_MIN, most)
    }
}

fn part(life: Duration, percent: u8) -> Duration {
    life / 100 * u32::from(percent)
}
