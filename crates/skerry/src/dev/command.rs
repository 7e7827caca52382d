//! The command that a hub was started for.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::stop::Stop;
use crate::failure::Failure;

/// How long the command may take to end once it was told to.
const GRACE: Duration = Duration::from_secs(10);
/// What shells add to the number of a signal that ended a program.
const BY_SIGNAL: i32 = 128;

pub struct Running {
    child: Child,
    pid: Pid,
}

impl Running {
    /// Starts it with our own input and output, and with the variables beside our own.
    pub fn start(
        program: &OsStr,
        arguments: &[OsString],
        variables: &[(String, String)],
    ) -> Result<Self, Failure> {
        let mut command = Command::new(program);
        command.args(arguments).envs(variables.iter().map(|(name, value)| (name, value)));
        // What a caller says of another hub is not meant here.
        command.env_remove("SKERRY_LOGIN");
        let child = command.spawn().map_err(|error| {
            Failure::failed(format!("cannot run {}: {error}. Give a program after --", program.display()))
        })?;
        let pid = Pid::from_child(&child);
        Ok(Self { child, pid })
    }

    /// Waits for its end, and passes on what this process is asked.
    pub async fn wait(mut self, stop: &mut Stop) -> Result<ExitCode, Failure> {
        let pid = self.pid;
        // It is only looked at, so that its number stays its own for as long as signals are sent to it.
        let mut ended = spawn_blocking(move || {
            loop {
                match waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                    Err(rustix::io::Errno::INTR) => {}
                    other => return other.map(drop),
                }
            }
        });
        let mut killed_at = None;
        loop {
            tokio::select! {
                ended = &mut ended => {
                    ended.map_err(Failure::failed)?.map_err(Failure::failed)?;
                    break;
                }
                signal = stop.asked() => {
                    // Ctrl-C in a terminal reaches it without us, and what it makes of that is its business.
                    if signal == Signal::INT && io::stdin().is_terminal() {
                        continue;
                    }
                    // Whoever asks twice does not want to wait.
                    let signal = if killed_at.is_some() { Signal::KILL } else { signal };
                    killed_at.get_or_insert_with(|| Instant::now() + GRACE);
                    self.tell(signal);
                }
                () = at(killed_at) => {
                    self.tell(Signal::KILL);
                    killed_at = Some(Instant::now() + GRACE);
                }
            }
        }
        Ok(exit_code(self.child.wait().map_err(Failure::failed)?))
    }

    fn tell(&self, signal: Signal) {
        // It may have ended just now.
        kill_process(self.pid, signal).ok();
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
