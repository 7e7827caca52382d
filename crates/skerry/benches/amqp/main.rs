//! `cargo xtask bench amqp`: the hub at its AMQP door, beside RabbitMQ and the independent
//! implementation of AMQP 1.0 in Rust, over TLS with one certificate for all.
//!
//! The servers take turns, so that all see the same minutes of the machine; the ratios are what to
//! look at. Generator and server share the processors, therefore the rate for each second that the
//! server computed stands beside the plain rate. The independent implementation is a library: as a
//! server that takes everything, keeps nothing and makes events up it does less than a hub.
//!
//! `xtask` runs this; cargo alone can too: `cargo bench -p skerry --bench amqp -- --only skerry`.
#![forbid(unsafe_code)]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a bench ends at the first thing that is wrong")]

mod backlog;
mod delivery;
mod fill;
#[path = "../peers/mod.rs"]
mod ground;
mod independent;
mod ingest;
mod memory;
#[path = "../meters/mod.rs"]
mod meters;
mod options;
mod peers;
mod run;
mod server;
mod span;

use clap::Parser as _;

use meters::meter::Trouble;
use meters::{meter, numbers, papers, place, report, surroundings, tree};
use options::Options;

fn main() -> Result<(), Trouble> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(folder) = &options.independent {
        return runtime.block_on(Box::pin(independent::serve(folder)));
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
