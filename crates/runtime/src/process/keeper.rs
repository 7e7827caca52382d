//! One process, from its beginning to its end: a thread starts it, waits for it, and says what became of it.
//!
//! The thread lives as long as the process. That is what a program needs that asks the kernel for a signal when
//! its parent dies: to the kernel the parent is the thread.

use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use skerry_model::Clock;
use tokio::sync::oneshot;

use super::launch::Launch;
use super::log::{LINE_BYTES_MAX, LogFiles};
use super::state::Shared;
use crate::{EngineError, Stream};

/// As engines have it for a program that cannot be run.
const CANNOT_RUN: i64 = 127;
/// After the end, what is still to be written down; somebody who left the group may hold the pipes for ever.
const LAST_WORDS: Duration = Duration::from_secs(1);
const STACK_BYTES: usize = 256 << 10;

pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) name: String,
    /// Of the module, so that another one of this name is none of our business.
    pub(super) number: u64,
    pub(super) launch: Launch,
    pub(super) files: Arc<LogFiles>,
}

impl Keeper {
    /// Starts it; the answer is there when it runs, or why it does not. Whoever stops waiting changes nothing.
    pub(super) fn start(self) -> oneshot::Receiver<Result<(), EngineError>> {
        let (answer, answered) = oneshot::channel();
        let thread = thread::Builder::new().name("module".to_owned()).stack_size(STACK_BYTES);
        let (shared, name, number) = (Arc::clone(&self.shared), self.name.clone(), self.number);
        if let Err(error) = thread.spawn(move || self.keep(answer)) {
            // The answer was dropped with the thread that did not come to be.
            shared.change(|state| {
                if let Some(module) = state.same(&name, number) {
                    module.failed(shared.clock.now(), CANNOT_RUN, &format!("no thread for it: {error}"));
                }
            });
        }
        answered
    }

    fn keep(self, answer: oneshot::Sender<Result<(), EngineError>>) {
        let mut child = match self.spawn() {
            Ok(child) => child,
            Err(error) => {
                // Whoever asked may have gone.
                drop(answer.send(Err(self.failed(&error))));
                return;
            }
        };
        let pid = Pid::from_child(&child);
        let (writing, written) = channel();
        self.files.open();
        let pumps = [
            child.stdout.take().map(|from| self.pump(from, Stream::Output, writing.clone())),
            child.stderr.take().map(|from| self.pump(from, Stream::Error, writing)),
        ];
        let lost = pumps.into_iter().flatten().find_map(Result::err);
        if let Some(error) = &lost {
            tracing::error!(%error, module = self.name, "What the module writes is not read.");
        }
        let is_wanted = self.shared.change(|state| {
            let module = state.same(&self.name, self.number);
            module.map(|module| module.begun(pid, self.shared.clock.now())).is_some()
        });
        if !is_wanted {
            // It was removed while it began.
            kill_process_group(pid, Signal::KILL).ok();
        }
        drop(answer.send(Ok(())));
        wait(pid);
        // As in a container, nobody outlives the first process. Its number is its own until it is reaped.
        kill_process_group(pid, Signal::KILL).ok();
        // Late or not, it has ended.
        let _ = written.recv_timeout(LAST_WORDS);
        self.files.close();
        self.over(&mut child);
    }

    fn spawn(&self) -> io::Result<Child> {
        let Launch { program, arguments, env } = &self.launch;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(env.iter().map(|(name, value)| (name, value)));
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A Ctrl-C in our terminal is for us; a group is killed as one.
        command.process_group(0).spawn()
    }

    fn failed(&self, error: &io::Error) -> EngineError {
        let text = format!("{} cannot be run: {error}", self.launch.program.display());
        self.shared.change(|state| {
            if let Some(module) = state.same(&self.name, self.number) {
                module.failed(self.shared.clock.now(), CANNOT_RUN, &text);
            }
        });
        let is_lasting = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied);
        EngineError::Refused { call: "start", status: if is_lasting { 400 } else { 500 }, text }
    }

    /// Writes down what comes; `writing` is dropped at the end.
    fn pump(
        &self,
        from: impl Read + Send + 'static,
        stream: Stream,
        writing: Sender<()>,
    ) -> io::Result<thread::JoinHandle<()>> {
        let (files, clock) = (Arc::clone(&self.files), Arc::clone(&self.shared.clock));
        let thread = thread::Builder::new().name("module-log".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(move || {
            copy(from, stream, &files, &*clock);
            drop(writing);
        })
    }

    fn over(&self, child: &mut Child) {
        self.shared.change(|state| {
            // Under the lock, so that nobody signals a number that is somebody else's by then.
            let status = child.wait();
            let signal = status.as_ref().ok().and_then(ExitStatusExt::signal);
            let code = status.ok().and_then(|status| status.code());
            if let Some(module) = state.same(&self.name, self.number) {
                module.over(self.shared.clock.now(), code, signal);
            }
        });
    }
}

/// Until it has ended; it is only looked at, so that its number stays its own.
fn wait(pid: Pid) {
    // Nothing else can fail: it is our child, and nobody else reaps it.
    while let Err(rustix::io::Errno::INTR) =
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
    {}
}

/// Line by line; one that is too long comes in parts.
fn copy(from: impl Read, stream: Stream, files: &LogFiles, clock: &dyn Clock) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A pipe that fails has ended.
        match from.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => files.write(clock.now(), stream, &line),
        }
    }
}
