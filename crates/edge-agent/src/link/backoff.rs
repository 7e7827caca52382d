//! Pauses between tries: each twice as long as the one before up to a bound, and each by a random part
//! shorter, so that a thousand devices that lost one hub do not come back at once.

use std::time::Duration;

use skerry_model::Random;

#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    last: Duration,
    next: Duration,
}

impl Backoff {
    pub fn new(first: Duration, last: Duration) -> Self {
        Self { first, last, next: first }
    }

    /// Between half of a pause and all of it.
    pub fn pause(&mut self, random: &dyn Random) -> Duration {
        let mut bytes = [0; 4];
        random.fill(&mut bytes);
        let part = f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX);
        let pause = self.next.mul_f64(0.5 + part / 2.0);
        self.next = (self.next * 2).min(self.last);
        pause
    }

    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(u8);

    impl Random for Always {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn pauses_grow_to_their_bound_and_differ() {
        let seconds = |byte| {
            let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(10));
            (0..4).map(|_| backoff.pause(&Always(byte)).as_secs_f64()).collect::<Vec<_>>()
        };
        assert_eq!(seconds(255), [2.0, 4.0, 8.0, 10.0]);
        assert_eq!(seconds(0), [1.0, 2.0, 4.0, 5.0]);
        let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(10));
        backoff.pause(&Always(255));
        backoff.reset();
        assert_eq!(backoff.pause(&Always(255)), Duration::from_secs(2));
    }
}
