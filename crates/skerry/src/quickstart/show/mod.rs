//! What whoever has started a quickstart sees: steps as they are done, then telemetry and states. In a terminal
//! the end of it is drawn anew as things change; elsewhere there are lines only.

mod picture;

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use rustix::termios::tcgetwinsize;
use serde_json::Value;

use super::hub::{State, WAITING};
use crate::commands::readable;
use picture::Picture;

/// Of the column before what a step says.
const NAME_WIDTH: usize = 10;
/// A terminal that does not say how large it is.
const USUAL_SIZE: (usize, usize) = (80, 24);

pub struct Show {
    is_terminal: bool,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    state: State,
    /// Shown below everything, once there is something to try.
    hints: Vec<String>,
    messages: u64,
    newest: VecDeque<String>,
    /// Whether the picture is there, and how many lines it has on the screen.
    drawn: Option<usize>,
    /// Nobody reads.
    is_gone: bool,
}

impl Show {
    pub fn new() -> Self {
        Self { is_terminal: io::stdout().is_terminal(), inside: Mutex::default() }
    }

    fn change<R>(&self, work: impl FnOnce(&mut Inside) -> R) -> R {
        work(&mut self.inside.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether there is still somebody who reads.
    pub fn is_gone(&self) -> bool {
        self.change(|inside| inside.is_gone)
    }

    /// Something is done, or has to be said.
    pub fn step(&self, name: &str, text: &str) {
        self.change(|inside| {
            let lines = [format!("{name:NAME_WIDTH$}  {text}")];
            inside.put(&lines, self.is_terminal);
        });
    }

    /// Says how it stands, where that is new.
    pub fn state(&self, state: &State) {
        self.change(|inside| {
            if inside.state == *state {
                return;
            }
            let before = std::mem::replace(&mut inside.state, state.clone());
            let is_new = |module: &&(String, String)| module.1 != WAITING && !before.modules.contains(module);
            let new = state.modules.iter().filter(is_new);
            let mut lines: Vec<String> =
                new.map(|(name, text)| format!("{name:NAME_WIDTH$}  {text}")).collect();
            if state.trouble != before.trouble {
                lines.extend(state.trouble.iter().map(|text| format!("{:NAME_WIDTH$}  {text}", "trouble")));
            }
            // Once the picture is there, it says the same.
            let is_shown = inside.drawn.is_some();
            inside.put(if is_shown { &[] } else { &lines }, self.is_terminal);
        });
    }

    /// From here on the picture is drawn, where there is a terminal.
    pub fn hint(&self, lines: Vec<String>) {
        self.change(|inside| {
            if self.is_terminal {
                inside.hints = lines;
                inside.drawn = Some(0);
                inside.put(&[], true);
            } else {
                let lines: Vec<String> =
                    std::iter::once(String::new()).chain(lines).chain([String::new()]).collect();
                inside.put(&lines, false);
            }
        });
    }

    pub fn message(&self, event: &Value) {
        self.change(|inside| {
            inside.messages += 1;
            let line = readable(event);
            if !self.is_terminal {
                inside.put(&[line], false);
                return;
            }
            inside.newest.push_back(line);
            if inside.newest.len() > picture::MESSAGES_MAX {
                inside.newest.pop_front();
            }
            inside.put(&[], true);
        });
    }

    /// What is on the screen stays there.
    pub fn end(&self) {
        self.change(|inside| inside.drawn = None);
    }
}

impl Inside {
    /// Writes lines above the picture, and draws it anew.
    fn put(&mut self, lines: &[String], is_terminal: bool) {
        let mut out = String::new();
        if let Some(drawn) = self.drawn.filter(|drawn| *drawn > 0) {
            // To its first line, and away with all of it.
            out += &format!("\x1b[{drawn}A\r\x1b[J");
        }
        for line in lines {
            out += line;
            out.push('\n');
        }
        if is_terminal && self.drawn.is_some() {
            let (columns, rows) = size();
            let picture = Picture {
                state: &self.state,
                messages: self.messages,
                newest: self.newest.make_contiguous(),
                hints: &self.hints,
            };
            let drawn = picture.lines(columns, rows);
            self.drawn = Some(drawn.len());
            for line in drawn {
                out += &line;
                out.push('\n');
            }
        }
        let mut stdout = io::stdout().lock();
        self.is_gone |= stdout.write_all(out.as_bytes()).and_then(|()| stdout.flush()).is_err();
    }
}

/// Columns and rows.
fn size() -> (usize, usize) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        _ => USUAL_SIZE,
    }
}
