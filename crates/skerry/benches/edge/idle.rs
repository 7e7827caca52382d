//! A device whose modules run and have nothing to say.

use std::time::Duration;

use crate::device::Bed;
use crate::process::{memory_kib, processor_time};

pub(crate) struct Idle {
    pub(crate) pss_mb: f64,
    pub(crate) private_mb: f64,
    /// All of it, as if nobody else ran the same program.
    pub(crate) resident_mb: f64,
    /// Of one processor.
    pub(crate) percent: f64,
    pub(crate) engine_percent: f64,
}

pub(crate) fn measure(modules: usize, minutes: f64) -> Idle {
    let mut bed = Bed::new();
    bed.configure();
    bed.start_edge();
    let image = bed.publish("still:1", "\"/helper\"");
    let names: Vec<String> = (1..=modules).map(|number| format!("still{number}")).collect();
    let wanted: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), image.as_str())).collect();
    bed.deploy(&wanted);
    let reported = bed.settled();
    assert_eq!(reported["lastDesiredStatus"]["code"], 200, "{reported:#}");
    let (edge, engine) = (bed.edge_process(), bed.engine.process());
    let before = [edge, engine].map(processor_time);
    let span = Duration::from_secs_f64(minutes * 60.0);
    std::thread::sleep(span);
    let percent = |at: usize, pid| {
        let computed = processor_time(pid).saturating_sub(before[at]);
        computed.as_secs_f64() / span.as_secs_f64() * 100.0
    };
    let megabytes = |name| memory_kib(edge, name) as f64 * 1024.0 / 1e6;
    let idle = Idle {
        pss_mb: megabytes("Pss:"),
        private_mb: megabytes("Private_Clean:") + megabytes("Private_Dirty:"),
        resident_mb: megabytes("Rss:"),
        percent: percent(0, edge),
        engine_percent: percent(1, engine),
    };
    bed.stop_edge();
    bed.stop_hub();
    idle
}
