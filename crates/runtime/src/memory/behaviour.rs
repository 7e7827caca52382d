//! How a container of an image lives.

use std::time::Duration;

use crate::{Health, Stream};

#[derive(Clone, Debug)]
pub struct Behaviour {
    /// How long it runs, and the code that it ends with; for ever without it.
    pub(crate) exits: Option<(Duration, i64)>,
    pub(crate) output: Vec<(Stream, String)>,
    pub(crate) health: Option<Health>,
    /// What the engine says instead of starting it.
    pub(crate) start_error: Option<String>,
}

impl Behaviour {
    /// Runs until it is stopped.
    pub fn runs() -> Self {
        Self { exits: None, output: Vec::new(), health: None, start_error: None }
    }

    pub fn exits(after: Duration, code: i64) -> Self {
        Self { exits: Some((after, code)), ..Self::runs() }
    }

    /// The engine cannot start it, and says so.
    pub fn cannot_start(text: &str) -> Self {
        Self { start_error: Some(text.to_owned()), ..Self::runs() }
    }

    /// Writes a line each time that it starts.
    #[must_use]
    pub fn says(mut self, stream: Stream, line: &str) -> Self {
        self.output.push((stream, format!("{line}\n")));
        self
    }

    /// Declares a health check that finds this from the start.
    #[must_use]
    pub fn health(mut self, health: Health) -> Self {
        self.health = Some(health);
        self
    }
}
