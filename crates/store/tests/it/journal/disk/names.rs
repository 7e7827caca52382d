//! The directory: which name leads to which file, for everybody and after a power cut.

use std::collections::BTreeMap;
use std::fmt;

use super::Cut;
use crate::samples::Dice;

/// A file, whatever it is called.
pub(super) type Number = u64;

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) live: BTreeMap<String, Number>,
    pub(super) durable: BTreeMap<String, Number>,
    /// Since the last sync of the directory, in order.
    pub(super) pending: Vec<Step>,
    pub(super) syncs: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    Create { name: String, file: Number },
    Rename { from: String, to: String, file: Number, replaces: bool },
    Remove { name: String, file: Number },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { name, .. } => write!(f, "create {name}"),
            Self::Rename { from, to, replaces: false, .. } => write!(f, "rename {from} to {to}"),
            Self::Rename { from, to, replaces: true, .. } => write!(f, "rename {from} over {to}"),
            Self::Remove { name, .. } => write!(f, "remove {name}"),
        }
    }
}

impl Names {
    pub(super) fn apply(&mut self, step: Step) {
        change(&mut self.live, &step);
        self.pending.push(step);
    }

    /// The first so many steps are durable.
    pub(super) fn sync(&mut self, steps: usize) {
        for step in self.pending.drain(..steps) {
            change(&mut self.durable, &step);
        }
    }

    pub(super) fn after(&self, cut: Cut, dice: &mut Dice) -> Self {
        let mut durable = self.durable.clone();
        match cut {
            Cut::Killed => return Self { syncs: 0, ..self.clone() },
            Cut::Dropped => {}
            Cut::Dice(_) => {
                // File systems with a journal keep the order, others need not.
                let (ordered, kept) = (dice.roll(3) > 0, dice.roll(self.pending.len() + 1));
                for (at, step) in self.pending.iter().enumerate() {
                    if if ordered { at < kept } else { dice.roll(2) == 0 } {
                        change(&mut durable, step);
                    }
                }
            }
        }
        Self { live: durable.clone(), durable, ..Self::default() }
    }
}

fn change(names: &mut BTreeMap<String, Number>, step: &Step) {
    match step {
        Step::Create { name, file } => drop(names.insert(name.clone(), *file)),
        Step::Rename { from, to, file, .. } => {
            if names.get(from) == Some(file) {
                names.remove(from);
            }
            names.insert(to.clone(), *file);
        }
        // Another file may have got the name, where this step comes without those before it.
        Step::Remove { name, file } => {
            if names.get(name) == Some(file) {
                names.remove(name);
            }
        }
    }
}
