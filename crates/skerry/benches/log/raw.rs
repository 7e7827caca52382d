//! The disk itself: a file that grows by writes of one size, with fdatasync as often as was asked.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use crate::case::Payloads;
use crate::disk::Device;
use crate::meter::{Measure, Trouble, now, processor_time};
use crate::stop::Stop;
use crate::taken::{Taken, Wrote};

pub(crate) const RAW: &str = "raw, same writes and syncs";

/// Repeats the writes of a turn that came to `taken`, and answers in its records, so that rates
/// compare.
pub(crate) fn repeat(folder: &Path, taken: &Taken, stop: &Stop) -> Result<Taken, Trouble> {
    repeat_and_tell(folder, taken, stop, |_| ())
}

fn repeat_and_tell(
    folder: &Path,
    taken: &Taken,
    stop: &Stop,
    is_durable: impl Fn(u64),
) -> Result<Taken, Trouble> {
    let wrote = taken.wrote.ok_or("the turn before did not tell what it wrote")?;
    let writes = wrote.writes.max(1);
    let size = (wrote.bytes / writes).max(1) as usize;
    // One copy from memory, as an engine has at least; not always the same, or it would stay in the
    // processor's cache.
    let pool = Payloads::new(1 << 19);
    let pool: Vec<u8> = (0..8).flat_map(|number| pool.of(number * 1021)).collect();
    let mut file = File::create(folder.join("raw"))?;
    let device = Device::of(folder);
    let before = (processor_time(), device.written());
    let (mut at, mut synced) = (0, 0);
    let began = now();
    for number in 1..=writes {
        let mut left = size;
        while left > 0 {
            at = if at >= pool.len() { 0 } else { at };
            let part = &pool[at..pool.len().min(at + left)];
            file.write_all(part)?;
            (at, left) = (at + part.len(), left - part.len());
        }
        // Spread evenly, the last one behind the last write.
        let due = number * wrote.syncs / writes;
        while synced < due {
            file.sync_data()?;
            synced += 1;
            is_durable(number * size as u64);
        }
        if stop.is_now() {
            return Err("interrupted".into());
        }
    }
    let measure = Measure::whole(now() - began, Vec::new());
    let measure = measure.with_processor(before.0);
    Ok(Taken {
        records: taken.records,
        payload: taken.payload,
        waits: measure.with_writes(&device, before.1),
        wrote: Some(Wrote { bytes: size as u64 * writes, ..wrote }),
        ..Taken::default()
    })
}

/// Reads back what was repeated, one write after the other, into the same memory.
pub(crate) fn read_back(folder: &Path, taken: &Taken, stop: &Stop) -> Result<Taken, Trouble> {
    let wrote = taken.wrote.ok_or("nothing was written")?;
    let before = processor_time();
    let mut file = File::open(folder.join("raw"))?;
    let mut buffer = vec![0; (wrote.bytes / wrote.writes.max(1)).max(1) as usize];
    let began = now();
    read_on(&mut file, &mut buffer, wrote.bytes, stop)?;
    let waits = Measure::whole(now() - began, Vec::new()).with_processor(before);
    Ok(Taken { records: taken.records, payload: taken.payload, waits, ..Taken::default() })
}

/// Repeats the writes of a turn on one thread, and on another reads back what is durable, as soon
/// as it is.
pub(crate) fn repeat_and_read(folder: &Path, taken: &Taken, stop: &Stop) -> Result<Taken, Trouble> {
    let (told, durable) = mpsc::channel();
    File::create(folder.join("raw"))?;
    let before = processor_time();
    let began = now();
    let mut repeated = std::thread::scope(|scope| {
        let reading = scope.spawn(|| -> std::io::Result<()> {
            let mut file = File::open(folder.join("raw"))?;
            let (mut buffer, mut at) = (vec![0; 1 << 20], 0);
            for end in durable {
                read_on(&mut file, &mut buffer, end - at, stop)?;
                at = end;
            }
            Ok(())
        });
        let repeated = repeat_and_tell(folder, taken, stop, move |end| told.send(end).unwrap_or_default())?;
        reading.join().map_err(|_| "the reader failed")??;
        Ok::<_, Trouble>(repeated)
    })?;
    repeated.waits = Measure::whole(now() - began, Vec::new()).with_processor(before);
    Ok(repeated)
}

fn read_on(file: &mut File, buffer: &mut [u8], mut bytes: u64, stop: &Stop) -> std::io::Result<()> {
    while bytes > 0 && !stop.is_now() {
        let part = buffer.len().min(usize::try_from(bytes).unwrap_or(usize::MAX));
        file.read_exact(&mut buffer[..part])?;
        std::hint::black_box(&buffer);
        bytes -= part as u64;
    }
    Ok(())
}

/// What one append of `bytes` with its fdatasync takes, over and over.
pub(crate) fn syncs(folder: &Path, bytes: usize, span: Duration, stop: &Stop) -> Result<Measure, Trouble> {
    let payload = Payloads::new(bytes.max(1));
    let mut file = File::create(folder.join("syncs"))?;
    let mut waits = Vec::new();
    let began = now();
    while now() - began < span && !stop.is_now() {
        let bytes = payload.of(waits.len() as u64);
        let before = now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        waits.push(now() - before);
    }
    Ok(Measure::whole(now() - began, vec![waits]))
}
