//! `cargo xtask soak [--minutes N]`: an edge of the released form at 2,000 messages in a second, whose uplink fails
//! once in each minute. It prints the edge's memory each minute, and fails when that grows or a message is lost.
//!
//! It is the test of outages, for longer than CI has.

use crate::failure::Failure;
use crate::shell;
use crate::test::Rights;

const MINUTES: u64 = 30;
const TEST: &str = "outage::what_an_edge_acknowledged_reaches_the_hub_whatever_fails";

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let minutes = match arguments {
        [] => MINUTES,
        [option, minutes] if option == "--minutes" => {
            minutes.parse().map_err(|_| Failure::new(format!("{minutes} is no number of minutes")))?
        }
        other => return Err(Failure::new(format!("{other:?} means nothing here: say --minutes N"))),
    };
    crate::test::make_ready(Rights::find()?)?;
    let mut cargo = shell::cargo();
    cargo.args([
        "test",
        "--release",
        "--package",
        "skerry",
        "--test",
        "it",
        "--",
        "--exact",
        TEST,
        "--nocapture",
    ]);
    cargo.env("SKERRY_TEST_SOAK_MINUTES", minutes.to_string());
    shell::run(&mut cargo)
}
