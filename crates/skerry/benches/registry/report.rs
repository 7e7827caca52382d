//! The table: what was measured, on both sides, round by round, beside what it ought to be.

use std::time::Duration;

use crate::meter::Measure;
use crate::numbers::{Unit, median, milliseconds, shown, spread, word};

/// What the numbers ought to be.
#[derive(Clone, Copy, Default)]
pub(crate) struct Goal {
    /// At least so many a second, or at most so many milliseconds.
    pub(crate) number: Option<f64>,
    /// At least so many times as good as the peer.
    pub(crate) ratio: Option<f64>,
}

struct Row {
    name: String,
    unit: Unit,
    goal: Goal,
    ours: Vec<f64>,
    peer: Vec<f64>,
    /// What else is known of the last round.
    notes: [String; 2],
}

#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

#[derive(Clone, Copy)]
pub(crate) enum Side {
    Ours,
    Peer,
}

impl Report {
    /// Names a row before it is measured, with its goal; rows print in this order.
    pub(crate) fn row(&mut self, name: &str, unit: Unit, goal: Goal) {
        if !self.rows.iter().any(|row| row.name == name) {
            let (name, notes) = (name.to_owned(), Default::default());
            self.rows.push(Row { name, unit, goal, ours: Vec::new(), peer: Vec::new(), notes });
        }
    }

    pub(crate) fn number(&mut self, side: Side, name: &str, number: f64) {
        self.row(name, Unit::Milliseconds, Goal::default());
        if let Some(row) = self.rows.iter_mut().find(|row| row.name == name) {
            let column = match side {
                Side::Ours => &mut row.ours,
                Side::Peer => &mut row.peer,
            };
            column.push(number);
            let side = if matches!(side, Side::Ours) { "ours" } else { "peer" };
            eprintln!("  {side}  {name}: {}", shown(number, row.unit));
        }
    }

    pub(crate) fn time(&mut self, side: Side, name: &str, took: Duration) {
        self.number(side, name, milliseconds(took));
    }

    pub(crate) fn rate(&mut self, side: Side, name: &str, measured: &Measure) {
        self.row(name, Unit::PerSecond, Goal::default());
        self.number(side, name, measured.rate());
        if let Some(row) = self.rows.iter_mut().find(|row| row.name == name) {
            row.notes[side as usize] = note(measured, side);
        }
    }

    /// One thing that was done once, and what this process computed for it.
    pub(crate) fn once(&mut self, name: &str, took: Duration, processor: Option<Duration>) {
        self.time(Side::Ours, name, took);
        if let (Some(row), Some(used)) = (self.rows.iter_mut().find(|row| row.name == name), processor) {
            row.notes[Side::Ours as usize] = format!("{:.0} ms of processor", milliseconds(used));
        }
    }

    pub(crate) fn print(&self) {
        println!();
        println!(
            "{:44} {:>22} {:>22} {:>21}  goal",
            "median (min–max)", "skerry", "PostgreSQL", "times as good"
        );
        for row in &self.rows {
            let ratios: Vec<f64> =
                row.ours.iter().zip(&row.peer).map(|(a, b)| row.unit.ratio(*a, *b)).collect();
            println!(
                "{:44} {:>22} {:>22} {:>21}  {}",
                row.name,
                spread(&row.ours, |number| shown(number, row.unit)),
                spread(&row.peer, |number| shown(number, row.unit)),
                spread(&ratios, |ratio| format!("{ratio:.2}")),
                row.judged(&ratios)
            );
        }
        println!("\nLatency, disk and commits of the last round:");
        for row in &self.rows {
            for (side, note) in ["skerry", "PostgreSQL"].iter().zip(&row.notes) {
                if !note.is_empty() {
                    println!("  {:42} {side:10} {note}", row.name);
                }
            }
        }
        for row in self.rows.iter().filter(|row| row.ours.len() > 1) {
            let ratios =
                row.ours.iter().zip(&row.peer).map(|(a, b)| format!("{:.2}", row.unit.ratio(*a, *b)));
            let ratios: Vec<String> = ratios.collect();
            if !ratios.is_empty() {
                println!("  round by round, {}: {}", row.name, ratios.join(" "));
            }
        }
    }
}

impl Row {
    fn judged(&self, ratios: &[f64]) -> String {
        let mut words = Vec::new();
        if let (Some(number), Some(found)) = (self.goal.number, median(&self.ours)) {
            let (sign, met) = self.unit.judge(found, number);
            words.push(format!("{sign} {} {}", shown(number, self.unit), word(met)));
        }
        if let (Some(ratio), Some(found)) = (self.goal.ratio, median(ratios)) {
            words.push(format!("≥ {ratio} × {}", word(found >= ratio)));
        }
        words.join(", ")
    }
}

fn note(measured: &Measure, side: Side) -> String {
    let [p50, p99] = [50.0, 99.0].map(|percent| milliseconds(measured.percentile(percent)));
    let mut note = format!("p50 {p50:.3} ms, p99 {p99:.3} ms");
    let count = measured.count().max(1) as f64;
    // Of the peer we would see the client only.
    if let (Some(used), Side::Ours) = (measured.processor, side) {
        note.push_str(&format!(", {:.1} µs of processor each", milliseconds(used) * 1000.0 / count));
    }
    if let Some(written) = measured.written {
        note.push_str(&format!(", {:.1} KB to the disk each", written as f64 / count / 1000.0));
    }
    if let Some(syncs) = measured.syncs {
        note.push_str(&format!(", {syncs} syncs ({:.1} in one)", count / syncs.max(1) as f64));
    }
    note
}
