//! Processes of ours: this very program once more, with other arguments.

use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::meter::Trouble;

/// Ends what it holds, by its process id, whatever happens.
pub(crate) struct Killed {
    process: Child,
    said: Option<BufReader<ChildStdout>>,
}

impl Killed {
    pub(crate) fn again<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let said = process.stdout.take().map(BufReader::new);
        Ok(Self { process, said })
    }

    /// The next line it prints.
    pub(crate) async fn line(&mut self) -> Result<String, Trouble> {
        let mut said = self.said.take().ok_or("nobody listens to the other process any more")?;
        let (said, line) = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            said.read_line(&mut line).map(|_| (said, line))
        })
        .await??;
        self.said = Some(said);
        match line.trim_end() {
            "" => Err("the other process ended early; its own words are above".into()),
            line => Ok(line.to_owned()),
        }
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
