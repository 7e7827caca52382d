//! What an operator may choose about commands and their feedback.

use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLimits {
    /// Commands that wait for one identity; one more is refused.
    pub depth_max: usize,
    /// How long a command waits whose sender does not say.
    pub ttl: Duration,
    /// Deliveries that may be given up before a command counts as undeliverable.
    pub deliveries_max: u32,
    /// How long a receiver without a connection holds a command.
    pub lock: Duration,
    /// How long feedback waits to be read.
    pub feedback_ttl: Duration,
    /// How long a reader of feedback holds a batch.
    pub feedback_lock: Duration,
    /// Times that a reader may give a batch back before it is dropped.
    pub feedback_deliveries_max: u32,
    /// Feedback that waits altogether; one more is not kept, and counted.
    pub feedback_max: usize,
}

impl Default for CommandLimits {
    fn default() -> Self {
        Self {
            depth_max: 50,
            ttl: Duration::from_secs(3600),
            deliveries_max: 10,
            lock: Duration::from_secs(60),
            feedback_ttl: Duration::from_secs(3600),
            feedback_lock: Duration::from_secs(60),
            feedback_deliveries_max: 10,
            feedback_max: 65_536,
        }
    }
}
