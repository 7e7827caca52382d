//! A device whose modules run and have nothing to say, and one whose modules send a message a second each.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::device::{Bed, module};
use crate::process::{memory_kib, processor_time};

pub(crate) struct Used {
    pub(crate) pss_mb: f64,
    pub(crate) private_mb: f64,
    /// Of it, the heap, the stacks and all else that is in no file.
    pub(crate) anonymous_mb: f64,
    pub(crate) resident_mb: f64,
    /// Of one processor.
    pub(crate) percent: f64,
    pub(crate) engine_percent: f64,
}

pub(crate) fn measure(modules: usize, minutes: f64) -> (Used, Used) {
    let mut bed = Bed::new();
    bed.use_edge_alone();
    bed.set_variables(&variables());
    bed.configure();
    bed.start_edge();
    let span = Duration::from_secs_f64(minutes * 60.0);
    let still = module(&bed.publish("still:1", "\"/helper\""));
    deploy(&bed, "still", modules, &still);
    let idle = used(&bed, span);
    let mut sensor = module(&bed.publish_own("temperature-sensor"));
    sensor["env"] = json!({"MessageDelay": {"value": "00:00:01"}, "MessageCount": {"value": "-1"}});
    deploy(&bed, "sensor", modules, &sensor);
    let sending = used(&bed, span.min(Duration::from_secs(120)));
    bed.stop_edge();
    bed.stop_hub();
    (idle, sending)
}

/// What the package's unit gives it.
fn variables() -> Vec<(&'static str, PathBuf)> {
    const UNIT: &str = include_str!("../../../../packaging/edge/systemd/aziot-edged.service");
    let lines = UNIT.lines().filter_map(|line| line.strip_prefix("Environment="));
    lines.map(|line| line.split_once('=').map(|(name, value)| (name, value.into())).unwrap()).collect()
}

/// So many of one, instead of those before.
fn deploy(bed: &Bed, name: &str, count: usize, module: &Value) {
    let names: Vec<String> = (1..=count).map(|number| format!("{name}{number}")).collect();
    let wanted: Vec<(&str, Value)> = names.iter().map(|name| (name.as_str(), module.clone())).collect();
    bed.deploy_modules(&wanted);
    let reported = bed.settled();
    assert_eq!(reported["lastDesiredStatus"]["code"], 200, "{reported:#}");
}

fn used(bed: &Bed, span: Duration) -> Used {
    let (edge, engine) = (bed.edge_process(), bed.engine.process());
    let before = [edge, engine].map(processor_time);
    std::thread::sleep(span);
    let percent = |at: usize, pid| {
        let computed = processor_time(pid).saturating_sub(before[at]);
        computed.as_secs_f64() / span.as_secs_f64() * 100.0
    };
    let megabytes = |name| memory_kib(edge, name) as f64 * 1024.0 / 1e6;
    Used {
        pss_mb: megabytes("Pss:"),
        private_mb: megabytes("Private_Clean:") + megabytes("Private_Dirty:"),
        anonymous_mb: megabytes("Anonymous:"),
        resident_mb: megabytes("Rss:"),
        percent: percent(0, edge),
        engine_percent: percent(1, engine),
    }
}
