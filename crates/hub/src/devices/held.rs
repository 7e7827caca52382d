//! Messages that wait before they are kept, because a test wants a slow hub. Whatever waits, a connection's
//! messages stay in their order: who comes when the time is over stands behind those who still wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// An identity whose messages wait.
pub(super) struct Held {
    by: Duration,
    until: Instant,
    /// In which its messages go on.
    turn: Arc<Mutex<()>>,
}

/// By device and module.
#[derive(Default)]
pub(super) struct AllHeld(HashMap<(String, String), Held>);

/// How long a batch of messages waits, and behind whom.
pub(super) struct Wait {
    until: Instant,
    turn: Arc<Mutex<()>>,
}

impl AllHeld {
    /// From now on. Who waits already keeps its place.
    pub(super) fn hold(&mut self, key: (String, String), by: Duration, lasts: Duration) {
        let until = Instant::now() + lasts;
        let turn = self.0.get(&key).map(|held| Arc::clone(&held.turn)).unwrap_or_default();
        self.0.insert(key, Held { by, until, turn });
    }

    /// What it is for messages that come now.
    pub(super) fn wait(&self, key: &(String, String)) -> Option<Wait> {
        let held = self.0.get(key)?;
        let now = Instant::now();
        let until = if now < held.until { now + held.by } else { now };
        Some(Wait { until, turn: Arc::clone(&held.turn) })
    }

    /// How many there are. Those whose time is over are forgotten when nobody waits any more.
    pub(super) fn count(&mut self) -> usize {
        let now = Instant::now();
        self.0.retain(|_, held| held.until > now || Arc::strong_count(&held.turn) > 1);
        self.0.len()
    }
}

impl Wait {
    pub(super) async fn done(self) {
        let _turn = self.turn.lock().await;
        sleep_until(self.until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_overtakes_who_waits_and_what_is_over_is_forgotten() {
        let key = || ("d".to_owned(), String::new());
        let mut all = AllHeld::default();
        all.hold(key(), Duration::from_secs(10), Duration::from_secs(30));
        assert!(all.wait(&("e".to_owned(), String::new())).is_none());
        let start = Instant::now();
        let order = std::sync::Mutex::new(Vec::new());
        let pass = async |wait: Wait, name| {
            wait.done().await;
            order.lock().unwrap().push((name, start.elapsed().as_secs()));
        };
        let first = all.wait(&key()).unwrap();
        let second = all.wait(&key()).unwrap();
        let scenario = async {
            tokio::time::sleep(Duration::from_secs(29)).await;
            let last_held = all.wait(&key()).unwrap();
            let later = async {
                tokio::time::sleep(Duration::from_secs(2)).await;
                // It is over, but somebody waits still.
                assert_eq!(all.count(), 1);
                pass(all.wait(&key()).unwrap(), "behind").await;
            };
            tokio::join!(pass(last_held, "held"), later);
        };
        tokio::join!(pass(first, "first"), pass(second, "second"), scenario);
        assert_eq!(*order.lock().unwrap(), [("first", 10), ("second", 10), ("held", 39), ("behind", 39)]);
        assert_eq!(all.count(), 0);
    }
}
