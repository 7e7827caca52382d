//! How long each stage took: CI has a budget, and what is not printed grows.

use std::time::{Duration, Instant};

use crate::failure::Failure;

#[derive(Default)]
pub(crate) struct Stages {
    done: Vec<(&'static str, Duration)>,
}

impl Stages {
    #[allow(clippy::disallowed_methods, reason = "a stopwatch for people; no logic depends on it")]
    pub(crate) fn run<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        eprintln!("== {name}");
        let started = Instant::now();
        let result = work();
        self.done.push((name, started.elapsed()));
        if result.is_err() {
            self.print();
        }
        result
    }

    pub(crate) fn print(&self) {
        for (name, took) in &self.done {
            eprintln!("{:6.2} min  {name}", took.as_secs_f64() / 60.0);
        }
    }
}
