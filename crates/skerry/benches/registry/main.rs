//! `cargo xtask bench registry`: a million twins at the store's handle and by REST, beside
//! PostgreSQL on the same machine in the same run.
//!
//! The sets are larger than the engines' caches, which are equal; what the operating system caches
//! beside them is equal too. Every commit is durable on both sides. The engines take turns, so
//! that what else the machine does spreads over both, and the ratios are what to look at. The
//! clients share the processors with the engines: ours runs in the process of its caller, as in
//! the hub; the peer is spoken to over a socket, as it would be.
//!
//! `xtask` runs this; cargo alone can too: `cargo bench -p skerry --bench registry -- --devices 50000`.
#![forbid(unsafe_code)]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a bench ends at the first thing that is wrong")]

mod cold;
mod fleet;
#[path = "../meters/mod.rs"]
mod meters;
mod options;
mod postgres;
mod report;
mod rest;
mod run;
mod store;

use clap::Parser as _;

use meters::meter::Trouble;
use meters::{child, disk, meter, numbers, place, signal};
use options::Options;

fn main() -> Result<(), Trouble> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(Box::pin(async {
        match &options.writer {
            Some(path) => cold::write_until_killed(path, options.devices).await,
            // Interrupted, it still stops what it started and removes its data.
            None => tokio::select! {
                done = Box::pin(run::run(&options)) => done,
                _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
            },
        }
    }))
}
