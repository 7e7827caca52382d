//! Sockets that systemd has opened before the daemon started, so that no client is refused meanwhile.
//!
//! systemd hands them over as file descriptors from 3 on and says in the environment how many there are, for
//! which process, and how they are called. `fd://aziot-edged.mgmt.socket` in the configuration names one;
//! when there is exactly one, it is taken whatever its name.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::net::UnixListener as StdListener;

use tokio::net::UnixListener;

const FIRST: RawFd = 3;
/// No unit of ours has more sockets.
const COUNT_MAX: i32 = 64;

/// What the environment says: `LISTEN_PID`, `LISTEN_FDS`, `LISTEN_FDNAMES`.
#[derive(Clone, Debug, Default)]
pub struct Inherited<'a> {
    pub pid: Option<&'a str>,
    pub count: Option<&'a str>,
    pub names: Option<&'a str>,
}

/// Sockets by name, each to be taken once.
#[derive(Debug, Default)]
pub struct Activated(Vec<(RawFd, String, OwnedFd)>);

/// Takes over what systemd has opened for the process `own`. Call it once, before anything else opens files:
/// the descriptors are closed when what this gives is dropped.
#[allow(unsafe_code, reason = "a file descriptor that is inherited has no owner in the program yet")]
pub fn inherited(environment: &Inherited<'_>, own: u32) -> Activated {
    let found = described(environment, own).into_iter().map(|(descriptor, name)| {
        // SAFETY: systemd opened the descriptor for this very process (`LISTEN_PID`), and by the contract above
        // nothing in it has taken or closed it.
        let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
        (descriptor, name, owned)
    });
    Activated(found.collect())
}

/// Numbers and names; none when they are meant for another process.
fn described(environment: &Inherited<'_>, own: u32) -> Vec<(RawFd, String)> {
    let is_ours = environment.pid.and_then(|pid| pid.parse().ok()) == Some(own);
    let count: i32 = environment.count.and_then(|count| count.parse().ok()).unwrap_or(0);
    if !is_ours || !(1..=COUNT_MAX).contains(&count) {
        return Vec::new();
    }
    let mut names = environment.names.unwrap_or_default().split(':');
    (FIRST..FIRST + count).map(|fd| (fd, names.next().unwrap_or_default().to_owned())).collect()
}

impl Activated {
    /// The socket by its name or number. `is_only`: nothing else is wanted from systemd.
    pub fn take(&mut self, name: &str) -> Result<UnixListener, ActivationError> {
        let number = name.parse::<RawFd>().ok();
        let by_name = self.0.iter().position(|(fd, known, _)| known == name || Some(*fd) == number);
        let at = match by_name {
            Some(at) => at,
            None if self.0.len() == 1 => 0,
            None => {
                let known: Vec<&str> = self.0.iter().map(|(_, name, _)| name.as_str()).collect();
                return Err(ActivationError::Missing { name: name.to_owned(), known: known.join(", ") });
            }
        };
        let (_, name, descriptor) = self.0.remove(at);
        let failed = |source| ActivationError::Unusable { name: name.clone(), source };
        let listener = StdListener::from(descriptor);
        // Fails for what is no unix socket.
        listener.local_addr().map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        UnixListener::from_std(listener).map_err(failed)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ActivationError {
    #[error(
        "systemd has opened no socket {name:?} (there are: {known}): start the daemon by its unit, or write unix:///… in [listen]"
    )]
    Missing { name: String, known: String },
    #[error("the socket {name:?} from systemd cannot be listened on: {source}")]
    Unusable { name: String, source: io::Error },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_counts_for_the_process_that_it_names() {
        let environment =
            |pid, count, names| Inherited { pid: Some(pid), count: Some(count), names: Some(names) };
        let all = described(&environment("7", "2", "a.socket:b.socket"), 7);
        assert_eq!(all, [(3, "a.socket".to_owned()), (4, "b.socket".to_owned())]);
        let unnamed = described(&Inherited { names: None, ..environment("7", "2", "") }, 7);
        assert_eq!(unnamed, [(3, String::new()), (4, String::new())]);
        for (pid, count) in [("8", "2"), ("x", "2"), ("7", "0"), ("7", "-1"), ("7", "65"), ("7", "x")] {
            assert!(described(&environment(pid, count, "a"), 7).is_empty(), "{pid} {count}");
        }
        assert!(described(&Inherited::default(), 7).is_empty());
    }
}
