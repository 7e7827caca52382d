//! `cargo xtask bench edge`: what an edge device costs the machine it runs on: memory, processor time
//! while nothing happens, the size of its program, and the time until it answers.
//!
//! The hub, a container engine and ten modules are real, in namespaces of the bench's own. The program
//! is built as it is shipped. Nothing is asserted: the numbers are for people.
//!
//! `xtask` runs this; cargo alone can too: `cargo bench -p skerry --bench edge --profile dist`.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a bench ends at the first thing that is wrong")]
#![allow(clippy::disallowed_methods, reason = "a bench has a clock, and reads its environment")]

#[path = "../../tests/it/containers/device.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod device;
#[path = "../../../runtime/tests/it/containers/engine.rs"]
#[allow(dead_code, reason = "the engine's own tests use the rest")]
mod engine;
mod idle;
mod process;
mod ready;
#[path = "../../tests/it/world.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod world;

use std::path::Path;

use clap::Parser;

/// Measures an edge device: daemon and agent in one process.
#[derive(Parser)]
#[command(name = "edge")]
struct Options {
    /// How long nothing happens while processor time is counted; the goals are for ten minutes.
    #[arg(long, default_value_t = 0.5, value_name = "M")]
    minutes: f64,
    /// Modules that are declared, and run.
    #[arg(long, default_value_t = 10, value_name = "N")]
    modules: usize,
    /// Starts that are timed.
    #[arg(long, default_value_t = 10, value_name = "N")]
    starts: usize,
    /// Cargo says this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options = Options::parse();
    let program = Path::new(env!("CARGO_BIN_EXE_skerry"));
    let megabytes = program.metadata().unwrap().len() as f64 / 1e6;
    println!("{:48} {:>12}   goal", "", "measured");
    line("the program, hub and all", &format!("{megabytes:.1} MB"), "≤ 25 MB");
    let (first, later) = ready::measure(program, options.starts);
    line("ready after the first start (keys are made)", &format!("{first:.0} ms"), "≤ 500 ms");
    line("ready after a later start, median", &format!("{later:.0} ms"), "≤ 500 ms");
    let idle = idle::measure(options.modules, options.minutes);
    let modules = options.modules;
    line(&format!("memory with {modules} modules (PSS)"), &format!("{:.1} MB", idle.pss_mb), "≤ 15 MB");
    line("  of which nobody else has (private)", &format!("{:.1} MB", idle.private_mb), "");
    line("  all of it, for the hub here is the same program", &format!("{:.1} MB", idle.resident_mb), "");
    line(&format!("processor while idle, {} min", options.minutes), &format!("{:.3} %", idle.percent), "");
    line("  the engine beside it, for the same", &format!("{:.3} %", idle.engine_percent), "");
    println!(
        "\nThe goals are those of the whole edge: daemon, agent and hub with ten messages a second. The edge's own\n\
         hub is not in this process here. Percent are of one processor."
    );
}

fn line(what: &str, measured: &str, goal: &str) {
    println!("{what:48} {measured:>12}   {goal}");
}
