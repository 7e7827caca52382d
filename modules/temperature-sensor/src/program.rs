//! The whole program: it asks the machine for what the sensor is made of, and runs it until it is told to end.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use skerry_model::{Clock, Random, Timestamp};
use tokio::signal::unix::{SignalKind, signal};

use crate::settings::Transport;
use crate::{Host, Sensor, SensorOptions, Settings, Workload};

struct MachineClock;

impl Clock for MachineClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
    }
}

struct MachineRandom(SystemRandom);

impl Random for MachineRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes).expect("the machine has randomness; without it nothing is safe");
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// As the shell has it for a wrong call.
const WRONG: u8 = 2;

pub async fn run() -> ExitCode {
    let (settings, host) = match (Settings::read(variable), Host::read(variable)) {
        (Ok(settings), Ok(host)) => (settings, host),
        (settings, host) => {
            settings.err().iter().for_each(|error| eprintln!("<3> {error}"));
            host.err().iter().for_each(|error| eprintln!("<3> {error}"));
            return ExitCode::from(WRONG);
        }
    };
    let port = match settings.transport {
        Transport::Mqtt => settings.mqtt_port,
        Transport::MqttWebSocket => settings.https_port,
    };
    let sensor = Sensor::new(SensorOptions {
        workload: Workload::new(host.clone()),
        host,
        settings,
        clock: Arc::new(MachineClock),
        random: Arc::new(MachineRandom(SystemRandom::new())),
        log: |line: &str| println!("{line}"),
        port,
    });
    // The first process of a container is not ended by signals that it does not handle.
    let (mut terminate, mut interrupt) =
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
            _ => return ExitCode::FAILURE,
        };
    tokio::select! {
        () = sensor.run() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    ExitCode::SUCCESS
}
