//! A folder of files whose syncs wait, fail, or never come because the power goes.

use std::collections::HashMap;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use skerry_store::journal::{Directory, File, Files};

/// What becomes of syncs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Syncs {
    #[default]
    Done,
    /// They last until this changes.
    Held,
    Failing,
    /// The machine has no power: nothing is done any more.
    Gone,
}

/// Clones are the same.
#[derive(Clone, Default)]
pub struct Plug(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    syncs: Syncs,
    waiting: usize,
    /// How much of each file is durable.
    durable: HashMap<String, u64>,
}

impl Plug {
    pub fn set(&self, syncs: Syncs) {
        self.state().syncs = syncs;
        self.0.1.notify_all();
    }

    /// Syncs that are held.
    pub fn waiting(&self) -> usize {
        self.state().waiting
    }

    /// What was not durable is lost.
    pub fn lose(&self, folder: &Path) {
        let mut state = self.state();
        for (name, bytes) in std::mem::take(&mut state.durable) {
            if let Ok(file) = std::fs::OpenOptions::new().write(true).open(folder.join(name)) {
                file.set_len(bytes).unwrap();
            }
        }
        state.syncs = Syncs::Done;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }

    fn powered(&self) -> io::Result<()> {
        if self.state().syncs == Syncs::Gone { Err(io::Error::other("no power")) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.waiting += 1;
        while state.syncs == Syncs::Held {
            state = self.0.1.wait(state).unwrap();
        }
        state.waiting -= 1;
        if state.syncs == Syncs::Done { Ok(()) } else { Err(io::Error::other("it does not sync")) }
    }
}

pub struct Plugged {
    directory: Directory,
    plug: Plug,
}

impl Plugged {
    pub fn hold(folder: &Path, plug: &Plug) -> Self {
        Self { directory: Directory::hold(folder).unwrap(), plug: plug.clone() }
    }

    fn file(&self, name: &str, file: Box<dyn File>) -> Box<dyn File> {
        // What is begun gets its name when its beginning is durable.
        let name = name.trim_end_matches(".new").to_owned();
        Box::new(PluggedFile { name, file, plug: self.plug.clone() })
    }
}

impl Files for Plugged {
    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        self.plug.powered()?;
        Ok(self.file(name, self.directory.create(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        Ok(self.file(name, self.directory.open(name)?))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.directory.list()
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.plug.powered()?;
        self.directory.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.plug.powered()?;
        self.directory.remove(name)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.plug.sync()
    }
}

struct PluggedFile {
    name: String,
    file: Box<dyn File>,
    plug: Plug,
}

impl File for PluggedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.plug.powered()?;
        self.file.write_at(bytes, offset)
    }

    fn write_some_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.plug.powered()?;
        self.file.write_some_at(parts, offset)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(into, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn sync(&self) -> io::Result<()> {
        // What is written meanwhile is not its business.
        let size = self.file.size()?;
        self.plug.sync()?;
        let mut state = self.plug.state();
        let bytes = state.durable.entry(self.name.clone()).or_default();
        *bytes = size.max(*bytes);
        Ok(())
    }
}
