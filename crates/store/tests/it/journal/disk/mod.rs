//! A disk that tells what is safe from what is not, and fails as it is told.
//!
//! What is written is live at once and durable after a sync; names are durable after a sync of the
//! directory. [`Disk::cut`] gives the disk as the next start of the machine finds it. Everything
//! that changes the disk is numbered, and [`Disk::stop_at`] ends the world at one of the numbers,
//! so that every moment of a run can be the last one.

mod fault;
mod files;
mod inode;
mod names;
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

pub(crate) use fault::{EIO, ENOSPC, Fault, Label, Op, OpKind, Plan};
use inode::Inode;
pub(crate) use inode::SECTOR;
use names::{Names, Number, Step};

use crate::samples::Dice;

/// What is left when the world stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Power cut: what was not synced is gone.
    Dropped,
    /// Power cut: of what was not synced, anything may be there.
    Dice(u64),
    /// kill -9: everything is there, and what was not synced still is not.
    Killed,
}

impl Cut {
    pub(crate) fn is_power_cut(self) -> bool {
        self != Self::Killed
    }
}

/// Clones are the same disk.
#[derive(Clone)]
pub(crate) struct Disk {
    shared: Arc<(Mutex<State>, Condvar)>,
}

struct State {
    inodes: BTreeMap<Number, Inode>,
    names: Names,
    /// Changes so far.
    changes: u64,
    stop_at: Option<u64>,
    stopped: bool,
    plan: Plan,
    counts: BTreeMap<OpKind, u64>,
    capacity: Option<u64>,
    /// Syncs that may end, of those that wait.
    released: u64,
    waiting: u64,
    syncs: Vec<Label>,
}

impl Disk {
    pub(crate) fn new() -> Self {
        Self::mounted(BTreeMap::new(), Names::default(), None)
    }

    fn mounted(inodes: BTreeMap<Number, Inode>, names: Names, capacity: Option<u64>) -> Self {
        let state = State {
            inodes,
            names,
            changes: 0,
            stop_at: None,
            stopped: false,
            plan: Box::new(|_| Fault::None),
            counts: BTreeMap::new(),
            capacity,
            released: 0,
            waiting: 0,
            syncs: Vec::new(),
        };
        Self { shared: Arc::new((Mutex::new(state), Condvar::new())) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap()
    }

    /// The disk that the next start finds. This one is of no use any more.
    pub(crate) fn cut(&self, cut: Cut) -> Self {
        self.stop();
        let state = self.state();
        let mut dice = Dice(if let Cut::Dice(seed) = cut { seed } else { 0 });
        let names = state.names.after(cut, &mut dice);
        let reachable: Vec<Number> = match cut {
            // The process that had it open is gone; the undone removal may still bring it back.
            Cut::Killed => state.inodes.keys().copied().collect(),
            _ => names.live.values().copied().collect(),
        };
        let inodes =
            reachable.into_iter().map(|file| (file, state.inodes[&file].after(cut, &mut dice))).collect();
        Self::mounted(inodes, names, state.capacity)
    }

    /// Says what is to go wrong from now on.
    pub(crate) fn plan(&self, plan: impl FnMut(&Op<'_>) -> Fault + Send + 'static) {
        self.state().plan = Box::new(plan);
    }

    /// Everything fails from the change of this number on, as if the machine were gone.
    pub(crate) fn stop_at(&self, change: u64) {
        self.state().stop_at = Some(change);
    }

    pub(crate) fn stop(&self) {
        self.state().stopped = true;
        self.shared.1.notify_all();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.state().stopped
    }

    /// How many changes there were since it was mounted.
    pub(crate) fn changes(&self) -> u64 {
        self.state().changes
    }

    pub(crate) fn count(&self, kind: OpKind) -> u64 {
        self.state().counts.get(&kind).copied().unwrap_or(0)
    }

    /// Every sync since it was mounted.
    pub(crate) fn syncs(&self) -> Vec<Label> {
        self.state().syncs.clone()
    }

    /// How many bytes fit; `None` for no bound.
    pub(crate) fn hold_at_most(&self, capacity: Option<u64>) {
        self.state().capacity = capacity;
    }

    /// Bytes of all files that have a name or are open.
    pub(crate) fn used(&self) -> u64 {
        self.state().used()
    }

    /// Syncs that wait, by [`Fault::Wait`].
    pub(crate) fn waiting(&self) -> u64 {
        self.state().waiting
    }

    /// Lets `syncs` of those that wait, or will, go on.
    pub(crate) fn release(&self, syncs: u64) {
        self.state().released += syncs;
        self.shared.1.notify_all();
    }

    /// What was done to the directory and is not durable.
    pub(crate) fn pending_steps(&self) -> Vec<String> {
        self.state().names.pending.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.state().names.live.keys().cloned().collect()
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.inodes[&state.names.live[name]].live.clone()
    }

    /// Puts a file there, durably, in place of whatever had the name.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        let file = state.add(name);
        let inode = state.inode(file);
        (inode.live, inode.durable, inode.made) = (bytes.to_vec(), bytes.to_vec(), false);
        let steps = state.names.pending.len();
        state.names.sync(steps);
    }

    /// Bit rot: turns bits of a byte, on the platter and in the cache.
    pub(crate) fn flip(&self, name: &str, offset: usize, mask: u8) {
        let mut state = self.state();
        let file = state.names.live[name];
        state.inode(file).flip(offset, mask);
    }

    /// Counts an operation and asks the plan.
    fn begin(&self, mut op: Op<'_>) -> io::Result<(MutexGuard<'_, State>, Fault)> {
        let mut state = self.state();
        if op.kind.changes() {
            if state.stop_at.is_some_and(|stop_at| state.changes >= stop_at) {
                state.stopped = true;
                self.shared.1.notify_all();
            } else if !state.stopped {
                state.changes += 1;
            }
        }
        if state.stopped {
            return Err(io::Error::other("the machine is gone"));
        }
        let count = state.counts.entry(op.kind).or_default();
        (op.nth, *count) = (*count, *count + 1);
        state.syncs.extend(op.label.cloned());
        match (state.plan)(&op) {
            Fault::Fail(errno) => Err(io::Error::from_raw_os_error(errno)),
            Fault::Stop => {
                state.stopped = true;
                self.shared.1.notify_all();
                Err(io::Error::other("the machine is gone"))
            }
            fault => Ok((state, fault)),
        }
    }

    /// Waits with a sync; an error when the world stopped meanwhile.
    fn wait<'a>(&self, mut state: MutexGuard<'a, State>) -> io::Result<MutexGuard<'a, State>> {
        state.waiting += 1;
        let wait = |state: &mut State| state.released == 0 && !state.stopped;
        let mut state = self.shared.1.wait_while(state, wait).unwrap();
        state.waiting -= 1;
        if state.stopped {
            return Err(io::Error::other("the machine is gone"));
        }
        state.released -= 1;
        Ok(state)
    }
}

impl State {
    fn add(&mut self, name: &str) -> Number {
        let file = self.inodes.keys().last().map_or(0, |last| last + 1);
        self.inodes.insert(file, Inode { made: true, ..Inode::default() });
        self.names.apply(Step::Create { name: name.to_owned(), file });
        file
    }

    fn find(&self, name: &str) -> io::Result<Number> {
        self.names.live.get(name).copied().ok_or(io::ErrorKind::NotFound.into())
    }

    fn inode(&mut self, file: Number) -> &mut Inode {
        self.inodes.get_mut(&file).unwrap()
    }

    fn used(&self) -> u64 {
        let named: std::collections::BTreeSet<_> = self.names.live.values().collect();
        let there = self.inodes.iter().filter(|(file, inode)| inode.open > 0 || named.contains(file));
        there.map(|(_, inode)| inode.live.len() as u64).sum()
    }
}
