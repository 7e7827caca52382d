//! The suite on a real engine, with images that come from a registry.

use skerry_runtime::{DockerRuntime, Runtime};

use super::engine::{Engine, OPEN};
use crate::conformance::{Bed, Images, suite};

struct DockerBed {
    runtime: DockerRuntime,
    _engine: Engine,
}

impl Bed for DockerBed {
    fn runtime(&self) -> &dyn Runtime {
        &self.runtime
    }

    fn images(&self) -> Images {
        Images {
            runs: "127.0.0.1:5000/runs:1",
            fails: "127.0.0.1:5000/fails:1",
            talks: "127.0.0.1:5000/talks:1",
            sick: "127.0.0.1:5000/sick:1",
            missing: "127.0.0.1:5000/missing:1",
        }
    }
}

async fn bed() -> DockerBed {
    let mut engine = Engine::start();
    engine.serve();
    for (name, changes) in [
        ("runs", &["CMD [\"/helper\"]"][..]),
        ("fails", &["CMD [\"/helper\", \"exit\", \"3\"]"]),
        ("talks", &["CMD [\"/helper\", \"talk\"]"]),
        (
            "sick",
            &[
                "CMD [\"/helper\"]",
                "HEALTHCHECK --interval=500ms --retries=1 CMD [\"/helper\", \"exit\", \"1\"]",
            ],
        ),
    ] {
        engine.publish(&format!("{OPEN}/{name}:1"), changes);
    }
    DockerBed { runtime: engine.runtime(), _engine: engine }
}

suite!(real);
