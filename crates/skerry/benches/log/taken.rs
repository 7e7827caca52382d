//! What one turn of an engine came to.

use std::time::Duration;

use crate::meter::Measure;
use crate::numbers::milliseconds;

#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) records: u64,
    /// Bytes of their payloads.
    pub(crate) payload: u64,
    /// How long each call waited for its answer, and what the machine did meanwhile.
    pub(crate) waits: Measure,
    /// What the engine says it wrote, in how many writes.
    pub(crate) wrote: Option<Wrote>,
    /// What a server beside this process computed meanwhile.
    pub(crate) served: Option<Duration>,
    /// What lies on the disk afterwards.
    pub(crate) on_disk: Option<u64>,
    /// The way it was done, where an engine has several.
    pub(crate) way: Option<&'static str>,
}

/// Writes to the disk: what the raw peer repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wrote {
    pub(crate) bytes: u64,
    pub(crate) writes: u64,
    pub(crate) syncs: u64,
}

impl Taken {
    pub(crate) fn rate(&self) -> f64 {
        self.records as f64 / self.waits.elapsed.as_secs_f64().max(1e-9)
    }

    pub(crate) fn note(&self) -> String {
        let mut words: Vec<String> = self.way.map(str::to_owned).into_iter().collect();
        if self.waits.count() > 0 {
            let [p50, p99] = [50.0, 99.0].map(|percent| milliseconds(self.waits.percentile(percent)));
            words.push(format!("p50 {p50:.2} ms, p99 {p99:.2} ms"));
        }
        let records = self.records.max(1) as f64;
        let each = |used: Duration| milliseconds(used) * 1000.0 / records;
        match (self.waits.processor, self.served) {
            (Some(client), Some(server)) => {
                let (client, server) = (each(client), each(server));
                words.push(format!("{server:.1} µs of processor each, and {client:.1} of its client"));
            }
            (Some(used), None) => words.push(format!("{:.2} µs of processor each", each(used))),
            _ => {}
        }
        let payload = self.payload.max(1) as f64;
        if let Some(wrote) = self.wrote {
            let (writes, syncs) = (wrote.writes.max(1), wrote.syncs);
            words.push(format!("{:.2} × written", wrote.bytes as f64 / payload));
            words.push(format!("{:.0} KB a write", wrote.bytes as f64 / writes as f64 / 1000.0));
            words.push(match syncs {
                0 => "no sync".to_owned(),
                _ => format!("{syncs} syncs ({:.0} in one)", records / syncs as f64),
            });
        }
        if let Some(on_disk) = self.on_disk {
            words.push(format!("{:.2} × on disk", on_disk as f64 / payload));
        }
        if let Some(written) = self.waits.written {
            words.push(format!("{:.2} × to the device", written as f64 / payload));
        }
        words.join(", ")
    }
}
