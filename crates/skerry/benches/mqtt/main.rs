//! `cargo xtask bench mqtt`: the hub at its MQTT door, beside brokers, over TLS with one certificate
//! for all.
//!
//! The brokers take turns, so that all see the same minutes of the machine; the ratios are what to
//! look at. Generator and server share the processors, therefore the rate for each second that the
//! server computed stands beside the plain rate. The first row is a server that only counts: what
//! generator, TLS and loopback allow at most.
//!
//! `xtask` runs this; cargo alone can too: `cargo bench -p skerry --bench mqtt -- --only mosquitto`.
#![forbid(unsafe_code)]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a bench ends at the first thing that is wrong")]

mod counting;
#[path = "../peers/mod.rs"]
mod ground;
mod ingest;
mod memory;
#[path = "../meters/mod.rs"]
mod meters;
mod options;
mod peers;
mod run;
mod server;
mod storm;

use clap::Parser as _;

use meters::meter::Trouble;
use meters::{meter, numbers, papers, place, report, surroundings, tree};
use options::Options;

fn main() -> Result<(), Trouble> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(folder) = &options.count_only {
        return runtime.block_on(Box::pin(counting::serve(folder)));
    }
    let folder = place::make(options.directory.as_ref())?;
    let done = runtime.block_on(Box::pin(async {
        tokio::select! {
            done = Box::pin(run::run(&options, folder.path())) => done,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        }
    }));
    drop(runtime);
    folder.close()?;
    done
}
