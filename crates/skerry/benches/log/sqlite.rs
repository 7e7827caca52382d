//! A peer in the same process: a table of SQLite with partition and offset as its row id.

use std::path::Path;

use rusqlite::Connection;
use skerry_store::log::Durability;

use crate::case::{Case, Payloads, Supply};
use crate::disk::{self, Device};
use crate::meter::{Measure, Trouble, now, processor_time};
use crate::stop::Stop;
use crate::taken::Taken;

const TABLE: &str = "CREATE TABLE log (id INTEGER PRIMARY KEY, time INTEGER NOT NULL, payload BLOB NOT NULL)";
const INSERT: &str = "INSERT INTO log (id, time, payload) VALUES (?1, ?2, ?3)";
const READ: &str = "SELECT id, time, payload FROM log WHERE id >= ?1 AND id < ?2 ORDER BY id";
/// Bits of an offset.
const OFFSET: u32 = 48;

pub(crate) fn name(transaction: u64) -> String {
    format!("SQLite, {transaction} a transaction")
}

pub(crate) struct Sqlite {
    pub(crate) connection: Connection,
    file: std::path::PathBuf,
}

impl Sqlite {
    pub(crate) fn create(folder: &Path, durability: Durability) -> Result<Self, Trouble> {
        let file = folder.join("log.sqlite");
        let connection = Connection::open(&file)?;
        // `NORMAL` syncs when the write-ahead log is folded back, not for each transaction.
        let synchronous = if durability == Durability::Synced { "FULL" } else { "NORMAL" };
        connection.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA cache_size = -65536; \
             PRAGMA wal_autocheckpoint = 4000; {TABLE}"
        ))?;
        Ok(Self { connection, file })
    }

    /// Appends from one thread, for there is one writer at a time anyway.
    pub(crate) fn append(
        &mut self,
        case: Case,
        transaction: u64,
        supply: &Supply,
        stop: &Stop,
    ) -> Result<Taken, Trouble> {
        let payloads = Payloads::new(case.size);
        let device = Device::of(self.file.parent().unwrap_or(&self.file));
        let before = (processor_time(), device.written());
        let (mut records, mut waits) = (0, Vec::new());
        let began = now();
        while let Some(numbers) = supply.take(transaction).filter(|_| !stop.is_now()) {
            let began = now();
            let open = self.connection.transaction()?;
            {
                let mut insert = open.prepare_cached(INSERT)?;
                for number in numbers {
                    let (partition, offset) =
                        (i64::from(case.partition(number)), number / u64::from(case.partitions));
                    let id = partition << OFFSET | offset as i64;
                    insert.execute((id, number as i64, &payloads.of(number)[..]))?;
                    records += 1;
                }
            }
            open.commit()?;
            waits.push(now() - began);
        }
        let measure = Measure::whole(now() - began, vec![waits]);
        let measure = measure.with_processor(before.0);
        Ok(Taken {
            records,
            payload: records * case.size as u64,
            waits: measure.with_writes(&device, before.1),
            on_disk: self.file.parent().map(disk::size),
            ..Taken::default()
        })
    }

    /// Reads everything, one partition after the other; answers how many records there were.
    pub(crate) fn read(&self, partitions: u32, stop: &Stop) -> Result<Taken, Trouble> {
        let before = processor_time();
        let began = now();
        let mut read = self.connection.prepare(READ)?;
        let (mut records, mut payload) = (0, 0);
        for partition in 0..i64::from(partitions) {
            let mut rows = read.query((partition << OFFSET, (partition + 1) << OFFSET))?;
            while let Some(row) = rows.next()? {
                let bytes = row.get_ref(2)?.as_blob()?;
                std::hint::black_box((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, bytes));
                (records, payload) = (records + 1, payload + bytes.len() as u64);
                if stop.is_now() {
                    return Err("interrupted".into());
                }
            }
        }
        let measure = Measure::whole(now() - began, Vec::new());
        let waits = measure.with_processor(before);
        Ok(Taken { records, payload, waits, ..Taken::default() })
    }
}
