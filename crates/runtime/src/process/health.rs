//! Asks a module how it is, as long as it runs.

use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::launch::Launch;
use super::state::Shared;
use super::{ProcessCheck, ProcessImage};
use crate::Health;

/// From a start to the end that follows it.
pub(super) async fn watch(
    shared: Arc<Shared>,
    name: String,
    number: u64,
    image: ProcessImage,
    launch: Launch,
) {
    let Some(check) = image.check else { return };
    let pid = shared.look(|state| state.same(&name, number).and_then(|module| module.pid()));
    let mut ended = std::pin::pin!(shared.ended(&name));
    loop {
        let health = tokio::select! {
            () = &mut ended => return,
            is_well = is_well(&launch, &check) => if is_well { Health::Healthy } else { Health::Unhealthy },
        };
        let is_same = shared.change(|state| {
            let module = state.same(&name, number).filter(|module| module.pid() == pid && pid.is_some());
            module.map(|module| module.set_health(health)).is_some()
        });
        if !is_same {
            return;
        }
        tokio::select! {
            () = &mut ended => return,
            () = sleep(check.every) => {}
        }
    }
}

async fn is_well(launch: &Launch, check: &ProcessCheck) -> bool {
    let mut command = Command::new(&launch.program);
    command.args(&check.arguments).env_clear().envs(launch.env.iter().map(|(name, value)| (name, value)));
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.process_group(0).kill_on_drop(true);
    let run = async { command.status().await.is_ok_and(|status| status.success()) };
    timeout(check.every, run).await.unwrap_or(false)
}
