//! The edge alone, for devices that are no hub: the same commands as the whole program has for them, in less room.
#![forbid(unsafe_code)]
#![allow(unreachable_pub, reason = "in a program, pub means public to its modules")]
#![allow(dead_code, unused_imports, reason = "the whole program uses the rest")]

mod edge;
mod failure;
mod iotedge;
mod local_time;
mod logging;
mod output;
mod status;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    if iotedge::is_meant() {
        return iotedge::main();
    }
    edge::alone::main()
}
