//! `cargo xtask bench edge-hub`: the edge's own hub, in the program that edge devices run: a message's
//! hop from module to module beside mosquitto and rumqttd, over AMQP beside RabbitMQ and the independent
//! implementation, what waits while the hub above is away beside SQLite, JetStream and the disk itself, and the line
//! to a hub over MQTT and over AMQP.
//!
//! The edge has its usual ports on an address of the loopback that nobody else uses; no container engine
//! is needed. A hub beside it says who its modules are, and a server of the bench stands where the hub's
//! MQTT would be: it gives the edge its routes, and takes what comes. Where the line is measured it is that hub
//! that the edge speaks to. Generator and servers share the processors, therefore the rate for each second that the
//! server computed is the number to look at.
//!
//! `xtask` runs this; cargo alone can too: `cargo bench -p skerry --bench edge-hub -- --section hop`.
#![forbid(unsafe_code)]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a bench ends at the first thing that is wrong")]

mod above;
mod amqp;
mod arrivals;
mod backlog;
mod bridge;
mod brokers;
mod door;
mod edge;
mod goals;
#[path = "../peers/mod.rs"]
mod ground;
mod handing;
mod hop;
mod keepers;
mod line;
mod links;
#[path = "../meters/mod.rs"]
mod meters;
mod options;
mod pair;
mod peak;
mod reader;
mod run;
mod upward;

/// Peers of the log's bench, with what they lean on.
#[path = "../log/case.rs"]
#[allow(dead_code, reason = "the log's bench takes all of it")]
mod case;
#[path = "../log/jetstream/mod.rs"]
#[allow(dead_code, reason = "the log's bench takes all of it")]
mod jetstream;
#[path = "../log/pace.rs"]
#[allow(dead_code, reason = "the log's bench takes all of it")]
mod pace;
#[path = "../log/sqlite.rs"]
#[allow(dead_code, reason = "the log's bench takes all of it")]
mod sqlite;
#[path = "../log/stop.rs"]
#[allow(dead_code, reason = "the log's bench takes all of it")]
mod stop;
#[path = "../log/taken.rs"]
#[allow(dead_code, reason = "the log's bench takes all of it")]
mod taken;

use clap::Parser as _;

use meters::meter::Trouble;
use meters::{disk, meter, numbers, papers, place, report, surroundings, tree};
use options::Options;

fn main() -> Result<(), Trouble> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(folder) = &options.handing {
        return runtime.block_on(Box::pin(handing::serve(folder)));
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
