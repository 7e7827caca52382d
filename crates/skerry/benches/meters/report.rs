//! The table: under each row the servers, each with how many times as good the first of them is.

use super::numbers::{Unit, shown, spread};

struct Row {
    name: String,
    unit: Unit,
    servers: Vec<Entry>,
}

struct Entry {
    /// Its title.
    name: &'static str,
    numbers: Vec<f64>,
    /// What else is known of the last round.
    note: String,
}

#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    /// Servers that could not be measured, with the reason.
    left_out: Vec<(&'static str, String)>,
}

impl Report {
    /// Names a row; rows print in this order.
    pub(crate) fn row(&mut self, name: &str, unit: Unit) {
        if !self.rows.iter().any(|row| row.name == name) {
            self.rows.push(Row { name: name.to_owned(), unit, servers: Vec::new() });
        }
    }

    pub(crate) fn number(&mut self, row: &str, name: &'static str, number: f64, note: String) {
        let Some(row) = self.rows.iter_mut().find(|known| known.name == row) else { return };
        eprintln!("  {}  {}: {}  {note}", row.name, name, shown(number, row.unit));
        match row.servers.iter_mut().find(|known| known.name == name) {
            Some(entry) => {
                entry.numbers.push(number);
                entry.note = note;
            }
            None => row.servers.push(Entry { name, numbers: vec![number], note }),
        }
    }

    pub(crate) fn leave_out(&mut self, name: &'static str, why: String) {
        eprintln!("  {name} is left out: {why}");
        self.left_out.retain(|(known, _)| *known != name);
        self.left_out.push((name, why));
    }

    pub(crate) fn print(&self) {
        let Some(first) = self.rows.iter().find_map(|row| row.servers.first()) else { return };
        let all = || self.rows.iter().filter_map(|row| row.servers.first());
        let whose = if all().all(|entry| entry.name == first.name) { first.name } else { "the first" };
        println!("\n{:36} {:>30} {:>24}", "median (min–max)", "", format!("{whose}: × as good"));
        for row in &self.rows {
            println!("{}", row.name);
            for entry in &row.servers {
                println!("{}", row.line(entry));
            }
        }
        println!("\nOf the last round:");
        for row in &self.rows {
            let noted: Vec<&Entry> = row.servers.iter().filter(|entry| !entry.note.is_empty()).collect();
            if !noted.is_empty() {
                println!("{}", row.name);
            }
            for entry in noted {
                println!("  {:34} {}", entry.name, entry.note);
            }
        }
        for (name, why) in &self.left_out {
            println!("\n{name} was left out: {why}");
        }
    }
}

impl Row {
    /// Round by round, so that both saw the same minute of the machine.
    fn ratios(&self, entry: &Entry) -> Vec<f64> {
        let first = self.servers.first().filter(|first| first.name != entry.name);
        let first = first.map_or(&[][..], |first| &first.numbers);
        first.iter().zip(&entry.numbers).map(|(first, other)| self.unit.ratio(*first, *other)).collect()
    }

    fn line(&self, entry: &Entry) -> String {
        let ratios = self.ratios(entry);
        let times =
            if ratios.is_empty() { String::new() } else { spread(&ratios, |ratio| format!("{ratio:.2}")) };
        let numbers = spread(&entry.numbers, |number| shown(number, self.unit));
        format!("  {:34} {numbers:>30} {times:>24}", entry.name).trim_end().to_owned()
    }
}
