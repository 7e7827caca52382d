//! What a measure depends on and the server cannot help: the disk's mood, and who else computes.
//!
//! A virtual disk takes fifty times as long for a sync in one minute as in the next; a server that
//! gets too little of the processors batches more, and looks cheaper by the message than it is. So
//! both stand beside each number.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use super::meter::{Measure, now};

const PROBE: Duration = Duration::from_millis(300);
const BLOCK: [u8; 4096] = [0x5e; 4096];

/// Appends with a sync each, right before the turn.
pub(crate) fn probe(folder: &Path) -> io::Result<Measure> {
    let path = folder.join("probe");
    let mut file = File::create(&path)?;
    let (began, mut latencies) = (now(), Vec::new());
    while now() - began < PROBE {
        let each = now();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        latencies.push(now() - each);
    }
    fs::remove_file(path)?;
    Ok(Measure::whole(PROBE, vec![latencies]))
}

pub(crate) fn shown(probe: &Measure) -> String {
    let ms = |percent| probe.percentile(percent).as_secs_f64() * 1000.0;
    format!("fdatasync before it {:.2} ms (p50), {:.2} ms (p99)", ms(50.0), ms(99.0))
}

/// What all processes of the machine have computed so far, the system's own work for them included.
pub(crate) fn machine_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<u64> =
        text.lines().next()?.split_whitespace().skip(1).map_while(|word| word.parse().ok()).collect();
    // Idle time and waiting for the disk are the fourth and the fifth; guests are counted with their hosts.
    let busy: u64 =
        ticks.iter().take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4)).map(|(_, n)| n).sum();
    Some(Duration::from_millis(busy * 10))
}
