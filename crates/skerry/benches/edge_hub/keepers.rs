//! Others that keep what waits and give it on: SQLite in this process, and nats-server with JetStream across a
//! socket. Neither of them routes, and neither has TLS or a hub above.

use std::path::{Path, PathBuf};
use std::time::Duration;

use skerry_store::log::Durability;

use crate::backlog::WINDOW;
use crate::case::{Case, Shape, Supply};
use crate::jetstream::{Server, Stream, Sync};
use crate::meter::{Measure, Trouble, now, processor_time};
use crate::sqlite::Sqlite;
use crate::stop::Stop;
use crate::taken::Taken;

/// Nobody takes so long.
const SPAN: Duration = Duration::from_secs(1800);

const OLDEST: &str = "SELECT id, time, payload FROM log ORDER BY id LIMIT ?1";
const DELETE: &str = "DELETE FROM log WHERE id <= ?1";

/// In, and out again.
pub(crate) struct Kept {
    pub(crate) stored: Taken,
    pub(crate) drained: Taken,
}

fn case(size: usize) -> Case {
    Case::new(size, 1, Durability::Synced, Shape::Singles { in_flight: WINDOW.into() })
}

/// Each transaction is on the disk when it ends, as a window of messages is when it is acknowledged; what is
/// given on is deleted.
pub(crate) async fn sqlite(folder: PathBuf, count: u64, size: usize) -> Result<Kept, Trouble> {
    let work = move || -> Result<Kept, Trouble> {
        let (case, stop) = (case(size), Stop::default());
        let mut sqlite = Sqlite::create(&folder, Durability::Synced)?;
        let stored = sqlite.append(case, WINDOW.into(), &Supply::new(count, SPAN), &stop)?;
        let drained = sqlite.drain(WINDOW.into(), &stop)?;
        Ok(Kept { stored, drained })
    };
    tokio::task::spawn_blocking(work).await?
}

/// As many under way as from the module; what is given on is not even settled.
pub(crate) async fn jetstream(
    program: &Path,
    folder: &Path,
    sync: Sync,
    count: u64,
    size: usize,
) -> Result<Kept, Trouble> {
    let server = Server::start(program, folder, sync).await?;
    let mut stream = Stream::create(&server).await?;
    let stored = stream.saturate(&server, case(size), &Supply::new(count, SPAN)).await?;
    let drained = stream.read(&server, stored.records).await?;
    Ok(Kept { stored, drained })
}

impl Sqlite {
    /// Takes everything out, the oldest first, so many in a transaction.
    fn drain(&mut self, transaction: u64, stop: &Stop) -> Result<Taken, Trouble> {
        let before = processor_time();
        let began = now();
        let (mut records, mut payload) = (0, 0);
        while !stop.is_now() {
            let open = self.connection.transaction()?;
            let mut last = None;
            let mut read = open.prepare_cached(OLDEST)?;
            let mut rows = read.query([transaction as i64])?;
            while let Some(row) = rows.next()? {
                let bytes = row.get_ref(2)?.as_blob()?;
                last = Some(row.get::<_, i64>(0)?);
                std::hint::black_box((row.get::<_, i64>(1)?, bytes));
                (records, payload) = (records + 1, payload + bytes.len() as u64);
            }
            drop(rows);
            drop(read);
            let Some(last) = last else { break };
            open.prepare_cached(DELETE)?.execute([last])?;
            open.commit()?;
        }
        let measure = Measure::whole(now() - began, Vec::new());
        let waits = measure.with_processor(before);
        Ok(Taken { records, payload, waits, ..Taken::default() })
    }
}
