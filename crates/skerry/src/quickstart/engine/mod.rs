//! Where modules run: in containers where an engine is, else as processes of this machine. The edge does not know
//! the difference: both are a [`Runtime`].
//!
//! An engine that runs the modules of another edge device is left alone: our agent would take them for its own, or
//! two of them would fight for a name.

mod containers;
mod image;
mod processes;
mod program;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use skerry_runtime::{DockerRuntime, ProcessRuntime, Runtime};

use super::options::Wanted;
use crate::failure::Failure;
use crate::world::variable;

/// After modules were asked to end.
const GRACE: Duration = Duration::from_secs(5);
/// Where engines listen.
const SOCKET: &str = "/var/run/docker.sock";

pub use containers::NETWORK;

pub enum Engine {
    Processes {
        runtime: Arc<ProcessRuntime>,
        /// Why there is no engine.
        reason: String,
    },
    Containers {
        runtime: DockerRuntime,
        socket: PathBuf,
        /// Where containers find this machine.
        gateway: std::net::IpAddr,
    },
}

impl Engine {
    /// `root` is the directory of the quickstart, and tells its containers from others.
    pub async fn choose(wanted: &Wanted, root: &Path) -> Result<Self, Failure> {
        let (socket, is_asked) = match wanted {
            Wanted::Processes => return Self::processes(root, "as was asked for".to_owned()).await,
            Wanted::Socket(socket) => (socket.clone(), true),
            Wanted::Auto => match usual_socket() {
                Ok(socket) => (socket, false),
                Err(reason) => return Self::processes(root, reason).await,
            },
        };
        match containers::open(&socket, root).await {
            Ok((runtime, gateway)) => Ok(Self::Containers { runtime, socket, gateway }),
            Err(reason) if is_asked => Err(Failure::failed(format!(
                "the container engine at {} cannot be used: {reason}. With --engine none modules run as processes",
                socket.display()
            ))),
            Err(reason) => Self::processes(root, reason).await,
        }
    }

    async fn processes(root: &Path, reason: String) -> Result<Self, Failure> {
        Ok(Self::Processes { runtime: Arc::new(processes::open(root).await?), reason })
    }

    pub fn runtime(&self) -> Arc<dyn Runtime> {
        match self {
            Self::Processes { runtime, .. } => Arc::clone(runtime) as _,
            Self::Containers { runtime, .. } => Arc::new(runtime.clone()),
        }
    }

    /// Ends every module of this device, and leaves none behind.
    pub async fn close(&self) {
        match self {
            Self::Processes { runtime, .. } => runtime.close(GRACE).await,
            Self::Containers { runtime, .. } => containers::end_all(runtime, GRACE).await,
        }
    }
}

/// That of `DOCKER_HOST`, or where engines listen; `Err` says why there is none.
fn usual_socket() -> Result<PathBuf, String> {
    let named = variable("DOCKER_HOST");
    let socket = match &named {
        None => PathBuf::from(SOCKET),
        Some(host) => match host.strip_prefix("unix://") {
            Some(path) => PathBuf::from(path),
            None => return Err(format!("DOCKER_HOST is {host}, which is not on this machine")),
        },
    };
    if socket.exists() { Ok(socket) } else { Err(format!("no container engine at {}", socket.display())) }
}
