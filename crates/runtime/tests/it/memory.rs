//! The suite on the engine in memory.

use std::sync::Arc;
use std::time::Duration;

use skerry_model::{Clock, Timestamp};
use skerry_runtime::{Behaviour, CreateRules, Health, MemoryRuntime, Runtime, Stream};
use tokio::time::Instant;

use crate::conformance::{Bed, Images, suite};

struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(1_700_000_000).plus(self.0.elapsed())
    }
}

struct MemoryBed {
    runtime: MemoryRuntime,
}

impl Bed for MemoryBed {
    fn runtime(&self) -> &dyn Runtime {
        &self.runtime
    }

    fn images(&self) -> Images {
        Images { runs: "runs:1", fails: "fails:1", talks: "talks:1", sick: "sick:1", missing: "missing:1" }
    }
}

fn bed() -> MemoryBed {
    let runtime = MemoryRuntime::new(Arc::new(PausedClock(Instant::now())), CreateRules::default());
    let machine = runtime.machine();
    machine.publish("runs:1", Behaviour::runs());
    machine.publish("fails:1", Behaviour::exits(Duration::ZERO, 3));
    machine.publish("talks:1", Behaviour::runs().says(Stream::Output, "one").says(Stream::Error, "two"));
    machine.publish("sick:1", Behaviour::runs().health(Health::Unhealthy));
    MemoryBed { runtime }
}

suite!(start_paused);
