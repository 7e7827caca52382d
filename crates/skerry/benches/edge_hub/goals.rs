//! What the hop is to reach, beside what was found.

use crate::numbers::{median, word};
use crate::options::Name;

const PIPELINED: f64 = 3.0;
const ONE_BY_ONE: f64 = 1.3;
const P50_MS: f64 = 1.0;
const P99_MS: f64 = 3.0;

#[derive(Default)]
pub(crate) struct Goals {
    /// Hops for each second that the server computes: with many on the way, then with one.
    ours: [Vec<f64>; 2],
    peer: [Vec<f64>; 2],
    /// Of our round trips with one on the way.
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Goals {
    pub(crate) fn hop(&mut self, name: Name, is_pipelined: bool, rate: f64, p50: f64, p99: f64) {
        let side = match name {
            Name::Skerry => &mut self.ours,
            Name::Mosquitto => &mut self.peer,
            // Nothing is promised of the others.
            _ => return,
        };
        side[usize::from(!is_pipelined)].push(rate);
        if name == Name::Skerry && !is_pipelined {
            self.p50.push(p50);
            self.p99.push(p99);
        }
    }

    pub(crate) fn print(&self) {
        if self.p50.is_empty() {
            return;
        }
        println!("\nGoals of the hop, by the median:");
        for (what, at, goal) in [("many on the way", 0, PIPELINED), ("one on the way", 1, ONE_BY_ONE)] {
            // Round by round, so that both saw the same minute of the machine.
            let ratios = self.ours[at].iter().zip(&self.peer[at]).map(|(ours, peer)| ours / peer);
            if let Some(found) = median(&ratios.collect::<Vec<_>>()) {
                let met = word(found >= goal);
                println!("  {what}, per second of the server: {found:.2} × mosquitto, ≥ {goal} {met}");
            }
        }
        for (what, found, goal) in [("p50", &self.p50, P50_MS), ("p99", &self.p99, P99_MS)] {
            if let Some(found) = median(found) {
                println!("  one on the way, {what}: {found:.2} ms, ≤ {goal} ms {}", word(found <= goal));
            }
        }
    }
}
