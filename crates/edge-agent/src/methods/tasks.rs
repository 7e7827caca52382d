//! Works that go on after their method has answered, and how they stand.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use skerry_model::Random;

use super::request::{self, Refusal};
use super::{Context, Reply};

/// The oldest that have ended are forgotten beyond it; while that many are on their way, no more begin.
const TASKS_MAX: usize = 100;
/// Uploads at a time: each reads logs and sends them.
const RUNNING_MAX: usize = 4;

#[derive(Default)]
pub(crate) struct Tasks {
    tasks: Mutex<VecDeque<Task>>,
}

struct Task {
    id: String,
    state: State,
}

enum State {
    Running,
    Completed,
    Failed(String),
}

impl Tasks {
    /// Notes a new one, and gives its id; `None` when too many are on their way.
    pub(super) fn begin(&self, random: &dyn Random) -> Option<String> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let running = tasks.iter().filter(|task| matches!(task.state, State::Running)).count();
        if running >= RUNNING_MAX {
            return None;
        }
        if tasks.len() >= TASKS_MAX {
            let ended = tasks.iter().position(|task| !matches!(task.state, State::Running))?;
            tasks.remove(ended);
        }
        let id = guid(random);
        tasks.push_back(Task { id: id.clone(), state: State::Running });
        Some(id)
    }

    pub(super) fn end(&self, id: &str, result: Result<(), String>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = tasks.iter_mut().find(|task| task.id == id) {
            task.state = result.map_or_else(State::Failed, |()| State::Completed);
        }
    }

    fn shown(&self, id: &str) -> Value {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let found = tasks.iter().find(|task| task.id.eq_ignore_ascii_case(id));
        let (status, message) = match found.map(|task| &task.state) {
            None => ("Unknown", ""),
            Some(State::Running) => ("Running", ""),
            Some(State::Completed) => ("Completed", ""),
            Some(State::Failed(reason)) => ("Failed", reason.as_str()),
        };
        json!({"status": status, "message": message, "correlationId": id})
    }
}

pub(super) fn status(context: &Context, payload: &[u8]) -> Result<Reply, Refusal> {
    let request = request::read(payload)?;
    let id = request::text(&request, "correlationId")?;
    Ok(Reply::new(200, &context.tasks.shown(&id)))
}

/// Begins a work that goes on after the answer.
pub(super) fn begin(
    context: &Context,
    work: impl Future<Output = Result<(), String>> + Send + 'static,
) -> Result<Reply, Refusal> {
    let tasks = std::sync::Arc::clone(&context.tasks);
    let id = tasks.begin(context.random.as_ref());
    let id =
        id.ok_or_else(|| Refusal::failed(format!("{RUNNING_MAX} uploads are on their way, ask later")))?;
    let answer = tasks.shown(&id);
    let work = async move { tasks.end(&id, work.await) };
    Ok(Reply { work: Some(Box::pin(work)), ..Reply::new(200, &answer) })
}

pub(crate) fn guid(random: &dyn Random) -> String {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    // Version 4, and the variant of the standard.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
