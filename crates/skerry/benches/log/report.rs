//! The table: under each name the engines, ours first, each with how many times as good ours is.

use std::fmt::Write as _;

use crate::numbers::{Unit, median, shown, spread, word};
use crate::taken::Taken;

pub(crate) const OURS: &str = "skerry";

/// What the numbers ought to be.
#[derive(Clone, Copy, Default)]
pub(crate) struct Goal {
    /// Of ours, in the unit of the row.
    pub(crate) number: Option<f64>,
    /// Ours at least so many times as good as this engine.
    pub(crate) ratio: Option<(&'static str, f64)>,
}

struct Row {
    name: String,
    unit: Unit,
    goal: Goal,
    /// Bytes of a record's payload, where megabytes say something.
    size: Option<usize>,
    engines: Vec<Engine>,
}

struct Engine {
    name: String,
    numbers: Vec<f64>,
    /// What else is known of the last round.
    note: String,
}

#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
}

impl Report {
    /// Names a row, with its goal; rows print in this order.
    pub(crate) fn row(&mut self, name: &str, unit: Unit, goal: Goal) {
        if !self.rows.iter().any(|row| row.name == name) {
            self.rows.push(Row { name: name.to_owned(), unit, goal, size: None, engines: Vec::new() });
        }
    }

    pub(crate) fn number(&mut self, row: &str, engine: &str, number: f64, note: String) {
        self.row(row, Unit::Milliseconds, Goal::default());
        let Some(row) = self.rows.iter_mut().find(|known| known.name == row) else { return };
        eprintln!("  {}  {engine}: {}  {note}", row.name, shown(number, row.unit));
        let engine = match row.engines.iter_mut().position(|known| known.name == engine) {
            Some(place) => &mut row.engines[place],
            None => row.engines.push_mut(Engine {
                name: engine.to_owned(),
                numbers: Vec::new(),
                note: String::new(),
            }),
        };
        engine.numbers.push(number);
        engine.note = note;
    }

    pub(crate) fn rate(&mut self, row: &str, engine: &str, size: usize, taken: &Taken) {
        self.row(row, Unit::PerSecond, Goal::default());
        self.number(row, engine, taken.rate(), taken.note());
        if let Some(row) = self.rows.iter_mut().find(|known| known.name == row) {
            row.size = Some(size);
        }
    }

    pub(crate) fn print(&self) {
        println!("\n{:36} {:>26} {:>10} {:>21}  goal", "median (min–max)", "", "", "skerry's times as good");
        for row in self.rows.iter().filter(|row| !row.engines.is_empty()) {
            println!("{}", row.name);
            for engine in &row.engines {
                println!("{}", row.line(engine));
            }
        }
        println!("\nOf the last round:");
        for row in &self.rows {
            let noted: Vec<&Engine> = row.engines.iter().filter(|engine| !engine.note.is_empty()).collect();
            if !noted.is_empty() {
                println!("{}", row.name);
            }
            for engine in noted {
                println!("  {:34} {}", engine.name, engine.note);
            }
        }
    }
}

impl Row {
    /// Round by round, so that both saw the same minute of the disk.
    fn ratios(&self, engine: &Engine) -> Vec<f64> {
        let ours = self.engines.iter().find(|known| known.name == OURS);
        let ours = ours.filter(|ours| ours.name != engine.name).map_or(&[][..], |ours| &ours.numbers);
        ours.iter().zip(&engine.numbers).map(|(ours, theirs)| self.unit.ratio(*ours, *theirs)).collect()
    }

    fn line(&self, engine: &Engine) -> String {
        let ratios = self.ratios(engine);
        let speed = match (self.size, median(&engine.numbers)) {
            (Some(size), Some(rate)) => format!("{:.1} MB/s", rate * size as f64 / 1e6),
            _ => String::new(),
        };
        let times =
            if ratios.is_empty() { String::new() } else { spread(&ratios, |ratio| format!("{ratio:.2}")) };
        let mut line = format!(
            "  {:34} {:>26} {:>10} {:>21}",
            engine.name,
            spread(&engine.numbers, |number| shown(number, self.unit)),
            speed,
            times
        );
        match self.goal {
            Goal { number: Some(number), .. } if engine.name == OURS => {
                let found = median(&engine.numbers).unwrap_or_default();
                let (sign, met) = self.unit.judge(found, number);
                let _ = write!(line, "  {sign} {} {}", shown(number, self.unit), word(met));
            }
            Goal { ratio: Some((name, ratio)), .. } if engine.name == name => {
                let found = median(&ratios).unwrap_or_default();
                let _ = write!(line, "  ≥ {ratio} × {}", word(found >= ratio));
            }
            _ => {}
        }
        line.trim_end().to_owned()
    }
}
