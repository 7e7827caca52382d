//! Whether this machine's clock is right, as far as the hub has told its own: what is signed by a wrong one is refused,
//! and certificates seem to have ended.

use super::Agent;

/// An answer takes a while, and nobody minds less.
const APART_SECONDS: i64 = 60;
const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

impl Agent {
    pub(super) fn look_at_clock(&mut self) {
        let ahead = self.options.provisioning.clock_ahead_seconds();
        let apart = ahead.filter(|ahead| ahead.abs() >= APART_SECONDS);
        let is_same = match (self.clock_apart, apart) {
            (None, None) => true,
            // What runs a little slow is not told of again and again.
            (Some(before), Some(now)) => before.abs_diff(now) < APART_SECONDS.unsigned_abs(),
            _ => false,
        };
        if is_same {
            return;
        }
        self.clock_apart = apart;
        match self.clock_trouble() {
            Some(trouble) => tracing::warn!("{trouble}"),
            None => {
                tracing::info!("This machine's clock is right again.");
                // A hub that refused what a wrong clock had signed is not kept waiting.
                self.link.try_now();
            }
        }
    }

    pub(super) fn clock_trouble(&self) -> Option<String> {
        self.clock_apart.map(told)
    }
}

fn told(ahead: i64) -> String {
    let (apart, way) = (ahead.abs(), if ahead > 0 { "ahead of" } else { "behind" });
    let (count, unit) = match apart {
        ..HOUR => (apart / MINUTE, "minute"),
        HOUR..DAY => (apart / HOUR, "hour"),
        _ => (apart / DAY, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!(
        "this machine's clock is {count} {unit}{plural} {way} the hub's: set it, and see that NTP keeps it right"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_roughly_and_which_way() {
        for (ahead, said) in [
            (61, "1 minute ahead of"),
            (-3599, "59 minutes behind"),
            (2 * HOUR, "2 hours ahead of"),
            (-400 * DAY, "400 days behind"),
        ] {
            assert!(told(ahead).contains(&format!(" {said} the hub's")), "{}", told(ahead));
        }
    }
}
