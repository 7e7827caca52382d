//! `cargo xtask bench log`: the embedded log, beside a raw sequential write, SQLite and JetStream on
//! the same disk in the same run.
//!
//! A disk has good and bad minutes, a virtual one more of them, so that only numbers taken side by
//! side can be compared: the engines take turns, each raw write repeats the sizes and the syncs of
//! the turn before it, and the ratios are what to look at. Ours and SQLite run in the process of
//! their caller, as in hub and edge; JetStream is spoken to over a socket, as it would be. The
//! producers share the processors with all of them.
//!
//! `xtask` runs this; cargo alone can too: `cargo bench -p skerry --bench log -- --only append`.
#![forbid(unsafe_code)]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a bench ends at the first thing that is wrong")]

mod append;
mod backlog;
mod bench;
mod cap;
mod case;
mod cold;
mod forward;
mod jetstream;
mod journal;
#[path = "../meters/mod.rs"]
mod meters;
mod options;
mod pace;
mod paced;
mod produce;
mod raw;
mod reading;
mod report;
mod run;
mod sqlite;
mod stop;
mod taken;

use clap::Parser as _;

use meters::meter::Trouble;
use meters::{child, disk, meter, numbers, place};
use options::Options;
use stop::Stop;

fn main() -> Result<(), Trouble> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(path) = &options.hold {
        return runtime.block_on(Box::pin(backlog::hold(path, &options)));
    }
    if let Some(path) = &options.writer {
        return runtime.block_on(Box::pin(cold::write_until_killed(path)));
    }
    let folder = place::make(options.directory.as_ref())?;
    let stop = Stop::default();
    let done = runtime.block_on(Box::pin(async {
        tokio::select! {
            done = Box::pin(run::run(&options, folder.path(), &stop)) => done,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        }
    }));
    // What still runs on other threads writes into the folder: it ends first.
    stop.now();
    drop(runtime);
    folder.close()?;
    done
}
