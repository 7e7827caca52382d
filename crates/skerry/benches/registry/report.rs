//! The table: what was measured, on both sides, round by round, beside what it ought to be.

use std::time::Duration;

use crate::meter::Measure;

/// In what a row is told.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Unit {
    /// More is better.
    PerSecond,
    /// Less is better.
    Milliseconds,
}

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
        let word = |met: bool| if met { "met" } else { "MISSED" };
        let mut words = Vec::new();
        if let (Some(number), Some(found)) = (self.goal.number, median(&self.ours)) {
            let (sign, met) = match self.unit {
                Unit::PerSecond => ("≥", found >= number),
                Unit::Milliseconds => ("≤", found <= number),
            };
            words.push(format!("{sign} {} {}", shown(number, self.unit), word(met)));
        }
        if let (Some(ratio), Some(found)) = (self.goal.ratio, median(ratios)) {
            words.push(format!("≥ {ratio} × {}", word(found >= ratio)));
        }
        words.join(", ")
    }
}

impl Unit {
    /// Above one, the first is better.
    fn ratio(self, ours: f64, peer: f64) -> f64 {
        match self {
            Unit::PerSecond => ours / peer,
            Unit::Milliseconds => peer / ours,
        }
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

pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn shown(number: f64, unit: Unit) -> String {
    match unit {
        Unit::PerSecond if number >= 10_000.0 => format!("{:.1}k/s", number / 1000.0),
        Unit::PerSecond => format!("{number:.0}/s"),
        Unit::Milliseconds if number >= 10_000.0 => format!("{:.1} s", number / 1000.0),
        Unit::Milliseconds if number >= 100.0 => format!("{number:.0} ms"),
        Unit::Milliseconds => format!("{number:.2} ms"),
    }
}

fn median(numbers: &[f64]) -> Option<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        _ if sorted.is_empty() => None,
        1 => Some(sorted[middle]),
        _ => Some((sorted[middle - 1] + sorted[middle]) / 2.0),
    }
}

fn spread(numbers: &[f64], show: impl Fn(f64) -> String) -> String {
    let Some(middle) = median(numbers) else { return "–".to_owned() };
    let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
    let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if numbers.len() < 2 {
        return show(middle);
    }
    // The unit stands once.
    let plain = |number| show(number).trim_end_matches("/s").trim_end_matches(" ms").to_owned();
    format!("{} ({}–{})", show(middle), plain(low), plain(high))
}
