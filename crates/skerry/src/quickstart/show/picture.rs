//! The part of the screen that is drawn anew: how it stands, the newest messages, what to try next.

use super::super::hub::State;
use super::super::manifest::DEVICE;

/// Messages in a picture.
pub(super) const MESSAGES_MAX: usize = 10;

pub(super) struct Picture<'a> {
    pub(super) state: &'a State,
    pub(super) messages: u64,
    pub(super) newest: &'a [String],
    pub(super) hints: &'a [String],
}

impl Picture<'_> {
    /// Lines that fit into so many columns and rows; where there is little room, messages go first, then hints.
    pub(super) fn lines(&self, columns: usize, rows: usize) -> Vec<String> {
        let mut head = vec![String::new()];
        head.extend(self.state.modules.iter().map(|(name, text)| format!("{DEVICE}/{name}: {text}")));
        head.extend(self.state.trouble.iter().map(|text| format!("{DEVICE}: {text}")));
        let mut foot = vec![String::new()];
        foot.extend_from_slice(self.hints);
        foot.push("Ctrl-C stops everything; the same command goes on later.".to_owned());
        // The cursor is on the line behind.
        let room = rows.saturating_sub(1);
        if head.len() + foot.len() > room {
            foot.drain(..foot.len() - 1);
        }
        let left = room.saturating_sub(head.len() + foot.len() + 1);
        let newest = &self.newest[self.newest.len().saturating_sub(left)..];
        head.push(format!("{} message{}", self.messages, if self.messages == 1 { "" } else { "s" }));
        let all = head.into_iter().chain(newest.iter().cloned()).chain(foot);
        all.take(room).map(|line| cut(&line, columns)).collect()
    }
}

/// A line that is wider than the terminal would become two.
fn cut(line: &str, columns: usize) -> String {
    let clean = line.chars().map(|c| if c.is_control() { ' ' } else { c });
    if line.chars().count() <= columns {
        return clean.collect();
    }
    clean.take(columns.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fits_into_every_terminal() {
        let state = State {
            modules: vec![("sensor".to_owned(), "running, connected".to_owned())],
            trouble: Some("406 no room".to_owned()),
        };
        let newest: Vec<String> =
            (0..10).map(|number| format!("message {number} \u{1b}{}", "x".repeat(100))).collect();
        let hints: Vec<String> = (0..7).map(|number| format!("hint {number}")).collect();
        let picture = Picture { state: &state, messages: 10, newest: &newest, hints: &hints };
        for (columns, rows) in [(1, 1), (10, 5), (40, 12), (80, 24), (200, 100)] {
            let lines = picture.lines(columns, rows);
            assert!(lines.len() < rows.max(1), "{} of {rows}", lines.len());
            assert!(lines.iter().all(|line| line.chars().count() <= columns && !line.contains('\u{1b}')));
        }
        let shown = picture.lines(80, 24).join("\n");
        for part in ["edge-1/sensor: running, connected", "406 no room", "message 9", "hint 6", "Ctrl-C"] {
            assert!(shown.contains(part), "{shown}");
        }
        assert!(picture.lines(80, 8).join("\n").contains("message 9"), "messages before hints");
    }
}
