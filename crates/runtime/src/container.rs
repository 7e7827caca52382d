//! A container as the engine sees it, and as the edge speaks of it.

use std::collections::BTreeMap;

use skerry_model::Timestamp;

use crate::labels;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// Without the slash that the engine puts before it.
    pub name: String,
    /// The id of its image, `sha256:…`.
    pub image_id: String,
    pub labels: BTreeMap<String, String>,
    pub state: State,
    /// `None` where no health check is declared, or nothing runs.
    pub health: Option<Health>,
    pub started: Option<Timestamp>,
    /// How it ended the last time, even where it runs again.
    pub exit: Option<Exit>,
    /// The engine's words for why it could not start, or what ended it.
    pub reason: Option<String>,
    /// Of its first process, as the machine counts.
    pub pid: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    pub at: Timestamp,
    pub code: i64,
}

/// The engine's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Starting,
    Healthy,
    Unhealthy,
}

/// What the management API and the reported twin say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Running,
    Stopped,
    Failed,
    Dead,
    Unknown,
}

impl State {
    pub fn parse(text: &str) -> Self {
        match text {
            "created" => Self::Created,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "removing" => Self::Removing,
            "exited" => Self::Exited,
            "dead" => Self::Dead,
            _ => Self::Unknown,
        }
    }
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}

impl Container {
    pub fn status(&self) -> Status {
        match self.state {
            State::Running => Status::Running,
            State::Created | State::Paused | State::Restarting => Status::Stopped,
            State::Removing | State::Exited => match self.exit {
                Some(Exit { code: 0, .. }) => Status::Stopped,
                _ => Status::Failed,
            },
            State::Dead => Status::Dead,
            State::Unknown => Status::Unknown,
        }
    }

    /// The image as it was asked for; a container that does not say so is called by its own name.
    pub fn image(&self) -> &str {
        self.labels.get(labels::ORIGINAL_IMAGE).unwrap_or(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_the_engine_become_those_of_the_edge() {
        let exit = |code| Some(Exit { at: Timestamp::NEVER, code });
        for (state, exit, status) in [
            ("created", None, Status::Stopped),
            ("paused", exit(1), Status::Stopped),
            ("restarting", exit(1), Status::Stopped),
            ("removing", exit(0), Status::Stopped),
            ("removing", exit(137), Status::Failed),
            ("exited", exit(0), Status::Stopped),
            ("exited", exit(-1), Status::Failed),
            ("exited", None, Status::Failed),
            ("dead", exit(0), Status::Dead),
            ("running", exit(3), Status::Running),
            ("dreaming", None, Status::Unknown),
        ] {
            let container = Container {
                name: "a".to_owned(),
                image_id: String::new(),
                labels: BTreeMap::new(),
                state: State::parse(state),
                health: None,
                started: None,
                exit,
                reason: None,
                pid: None,
            };
            assert_eq!(container.status(), status, "{state} {exit:?}");
        }
    }
}
