//! Makes every call of the workload API from inside its container, round after round, and writes what
//! came of each as one line of JSON:
//!
//! ```text
//! {"round":1,"call":"sign","status":200,"good":true,"found":"…"}
//! {"round":1,"calls":31,"bad":0}
//! ```
//!
//! It connects anew for each call, so that a daemon that is away for a while spoils one round only.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

mod calls;
mod certificate;

mod wire;

use calls::Calls;
use wire::Wire;

/// As the shell has it for a wrong call.
const WRONG: u8 = 2;
/// Between rounds.
const PAUSE: Duration = Duration::from_secs(2);

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn variable(name: &'static str) -> Result<String, &'static str> {
    std::env::var(name).map_err(|_| name)
}

fn probe() -> Result<Calls, &'static str> {
    let wire = Wire { uri: variable("IOTEDGE_WORKLOADURI")?, version: variable("IOTEDGE_APIVERSION")? };
    Ok(Calls::new(wire, &variable("IOTEDGE_MODULEID")?, &variable("IOTEDGE_MODULEGENERATIONID")?))
}

async fn rounds(calls: Calls) {
    for round in 1_u64.. {
        let (mut count, mut bad) = (0, 0);
        for found in calls.round().await {
            count += 1;
            bad += u32::from(!found.is_good);
            println!(
                "{}",
                json!({"round": round, "call": found.call, "status": found.status, "good": found.is_good,
                       "found": found.text})
            );
        }
        println!("{}", json!({"round": round, "calls": count, "bad": bad}));
        tokio::time::sleep(PAUSE).await;
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let calls = match probe() {
        Ok(calls) => calls,
        Err(name) => {
            eprintln!(
                "The variable {name} is missing; this program runs as a module of IoT Edge, which sets it."
            );
            return ExitCode::from(WRONG);
        }
    };
    // The first process of a container is not ended by signals that it does not handle.
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return ExitCode::FAILURE };
    tokio::select! {
        () = rounds(calls) => {}
        _ = terminate.recv() => {}
    }
    ExitCode::SUCCESS
}
