//! The disk as the journal sees it.

use std::io::{self, ErrorKind};

use skerry_store::journal::{File, Files};

use super::names::{Number, Step};
use super::{Disk, EIO, Fault, Label, Op, OpKind, State};
use crate::samples::Dice;

fn op(kind: OpKind, name: &str) -> Op<'_> {
    Op { kind, name, nth: 0, offset: 0, length: 0, label: None }
}

impl Files for Disk {
    fn create(&self, name: &str) -> io::Result<Box<dyn File>> {
        let (mut state, _) = self.begin(op(OpKind::Create, name))?;
        if state.find(name).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let file = state.add(name);
        Ok(self.handle(&mut state, name, file))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn File>> {
        let (mut state, _) = self.begin(op(OpKind::Open, name))?;
        let file = state.find(name)?;
        Ok(self.handle(&mut state, name, file))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let (state, _) = self.begin(op(OpKind::List, ""))?;
        Ok(state.names.live.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (mut state, _) = self.begin(op(OpKind::Rename, from))?;
        let file = state.find(from)?;
        let replaces = state.find(to).is_ok();
        state.names.apply(Step::Rename { from: from.to_owned(), to: to.to_owned(), file, replaces });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let (mut state, _) = self.begin(op(OpKind::Remove, name))?;
        let file = state.find(name)?;
        state.names.apply(Step::Remove { name: name.to_owned(), file });
        Ok(())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let label = {
            let names = &mut self.state().names;
            names.syncs += 1;
            let steps: Vec<String> = names.pending.iter().map(ToString::to_string).collect();
            Label { nth: names.syncs - 1, writes: steps.len(), steps, ..Label::default() }
        };
        let op = Op { label: Some(&label), ..op(OpKind::SyncDirectory, "") };
        let (mut state, fault) = self.begin(op)?;
        let steps = state.names.pending.len();
        match fault {
            Fault::Lie => return Ok(()),
            Fault::FailSync(_) => return Err(io::Error::from_raw_os_error(EIO)),
            Fault::Wait => state = self.wait(state)?,
            _ => {}
        }
        let steps = steps.min(state.names.pending.len());
        state.names.sync(steps);
        Ok(())
    }
}

impl Disk {
    fn handle(&self, state: &mut State, name: &str, file: Number) -> Box<dyn File> {
        state.inode(file).open += 1;
        Box::new(Handle { disk: self.clone(), name: name.to_owned(), file })
    }
}

struct Handle {
    disk: Disk,
    name: String,
    file: Number,
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(inode) = self.disk.state().inodes.get_mut(&self.file) {
            inode.open -= 1;
        }
    }
}

impl File for Handle {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let op = Op { offset, length: bytes.len(), ..op(OpKind::Write, &self.name) };
        let (mut state, fault) = self.disk.begin(op)?;
        let mut length = if let Fault::Short(length) = fault { length.min(bytes.len()) } else { bytes.len() };
        if let Some(capacity) = state.capacity {
            let (size, used) = (state.inode(self.file).live.len() as u64, state.used());
            // What is there can be overwritten; what grows needs room.
            let free =
                size.saturating_sub(offset) + capacity.saturating_sub(used + offset.saturating_sub(size));
            length = length.min(free as usize);
            if length == 0 && !bytes.is_empty() {
                return Err(ErrorKind::StorageFull.into());
            }
        }
        let number = state.changes;
        state.inode(self.file).write(number, offset as usize, &bytes[..length]);
        Ok(length)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let op = Op { offset, length: into.len(), ..op(OpKind::Read, &self.name) };
        let (state, fault) = self.disk.begin(op)?;
        let content = &state.inodes[&self.file].live;
        let rest = &content[content.len().min(offset as usize)..];
        let mut length = rest.len().min(into.len());
        if let Fault::Short(most) = fault {
            length = length.min(most);
        }
        into[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn size(&self) -> io::Result<u64> {
        let (state, _) = self.disk.begin(op(OpKind::Length, &self.name))?;
        Ok(state.inodes[&self.file].live.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        let label = {
            let mut state = self.disk.state();
            let inode = state.inode(self.file);
            inode.syncs += 1;
            let (dirty, nth, made) = (inode.dirty(), inode.syncs - 1, inode.made);
            let (from, to, writes) = (dirty.start, dirty.end, inode.pending.len());
            Label { name: self.name.clone(), nth, made, from, to, writes, steps: Vec::new() }
        };
        let op = Op { label: Some(&label), ..op(OpKind::Sync, &self.name) };
        let (mut state, fault) = self.disk.begin(op)?;
        // What is written while it waits is not its business.
        let (number, length) = (state.changes, state.inodes[&self.file].live.len());
        if matches!(fault, Fault::Wait | Fault::WaitToFail(_)) {
            state = self.disk.wait(state)?;
        }
        let inode = state.inode(self.file);
        match fault {
            Fault::Lie => {}
            Fault::FailSync(seed) | Fault::WaitToFail(seed) => {
                inode.fail_sync(&mut Dice(seed));
                return Err(io::Error::from_raw_os_error(EIO));
            }
            _ => inode.sync(number, length),
        }
        Ok(())
    }
}
