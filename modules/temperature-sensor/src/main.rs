//! The program: one thread, and the machine's environment.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    skerry_temperature_sensor::run().await
}
