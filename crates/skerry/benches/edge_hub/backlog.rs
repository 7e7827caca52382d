//! What waits while the hub is away: taken, kept, and given on when it is back.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use skerry_mqtt::client::Event;
use skerry_mqtt::packet::Text;

use crate::above::Above;
use crate::disk;
use crate::edge::Edge;
use crate::jetstream::Sync;
use crate::keepers::{self, Kept};
use crate::meter::{Trouble, now};
use crate::numbers::Unit;
use crate::options::{Name, Options};
use crate::pair::{Server as _, client};
use crate::report::Report;

/// Who sends upstream.
pub(crate) const SENDER: &str = "up";
pub(crate) const WINDOW: u16 = 512;
pub(crate) const DRAINED_MAX: Duration = Duration::from_secs(1800);
const STEP: Duration = Duration::from_millis(20);
/// Buffers are given back meanwhile.
pub(crate) const SETTLE: Duration = Duration::from_secs(3);
const BLOCK_BYTES: usize = 1 << 20;

const TAKEN: &str = "taken while the hub is away";
const GIVEN_ON: &str = "given on when it is back";
/// A file of the log goes when all in it are settled, and the disk was told.
const FREED_MAX: Duration = Duration::from_secs(15);
const RAW: &str = "raw writes of the payloads";

pub(crate) async fn run(
    edge: &Edge,
    above: &mut Above,
    options: &Options,
    folder: &Path,
    report: &mut Report,
) -> Result<(), Trouble> {
    let (count, size) = (options.backlog, options.payload as usize);
    let what = |row: &str| what(options, row);
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    tokio::time::sleep(SETTLE).await;
    let idle = edge.tree().proportional_memory();
    above.leave().await;

    let (before, began) = (edge.tree().usage(), now());
    let payload = Bytes::from(vec![b'x'; size]);
    append(edge, count, |_| payload.clone()).await?;
    let elapsed = (now() - began).as_secs_f64();
    let after = edge.tree().usage();
    let computed = (after.processor - before.processor).as_secs_f64();
    let row = what(TAKEN);
    report.row(&row, Unit::PerSecond);
    report.number(
        &row,
        Name::Skerry.title(),
        count as f64 / elapsed,
        format!("server {:.2} processors", computed / elapsed),
    );
    report.number(&row, RAW, raw(folder, count, size)?, "1 MiB each, one fdatasync at the end".to_owned());
    let row = what("taken, per second that the edge computes");
    report.row(&row, Unit::PerSecond);
    report.number(&row, Name::Skerry.title(), count as f64 / computed.max(0.01), String::new());

    tokio::time::sleep(SETTLE).await;
    let waiting = edge.tree().proportional_memory();
    let on_disk = disk::size(&edge.log());
    let (taken, back) = (above.taken(), now());
    above.come()?;
    while above.taken() == taken {
        wait(back).await?;
    }
    let (before, began) = (edge.tree().usage(), now());
    let mut most = 0;
    while above.taken() - taken < count {
        wait(back).await?;
        most = most.max(edge.tree().proportional_memory());
    }
    let elapsed = (now() - began).as_secs_f64();
    let computed = (edge.tree().usage().processor - before.processor).as_secs_f64();
    let row = what(GIVEN_ON);
    report.row(&row, Unit::PerSecond);
    let note = format!(
        "the first {:.1} s after it was back; server {:.2} processors",
        (began - back).as_secs_f64(),
        computed / elapsed
    );
    report.number(&row, Name::Skerry.title(), count as f64 / elapsed, note);
    let row = what("given on, per second that the edge computes");
    report.row(&row, Unit::PerSecond);
    report.number(&row, Name::Skerry.title(), count as f64 / computed.max(0.01), String::new());
    let row = what("memory of the edge (PSS) while they wait");
    report.row(&row, Unit::Megabytes);
    let note = format!("{:.1} MB before, at most {:.1} MB while they go", megabytes(idle), megabytes(most));
    report.number(&row, Name::Skerry.title(), megabytes(waiting), note);
    let freed = freed(edge, on_disk).await?;
    let row = what("on the disk while they wait");
    report.row(&row, Unit::Megabytes);
    report.number(&row, Name::Skerry.title(), megabytes(on_disk), freed);
    Ok(())
}

/// How soon the disk is given back, and how much of it.
async fn freed(edge: &Edge, on_disk: u64) -> Result<String, Trouble> {
    let began = now();
    loop {
        let left = disk::size(&edge.log());
        if left * 10 <= on_disk || now() - began > FREED_MAX {
            let after = (now() - began).as_secs_f64();
            return Ok(format!("{:.1} MB of it {after:.1} s after the last one went", left as f64 / 1e6));
        }
        tokio::time::sleep(STEP).await;
    }
}

fn what(options: &Options, row: &str) -> String {
    format!("{} messages of {} B: {row}", options.backlog, options.payload)
}

/// The same by somebody else, who only keeps.
pub(crate) async fn peer(
    name: Name,
    options: &Options,
    folder: &Path,
    report: &mut Report,
) -> Result<(), Trouble> {
    let (count, size) = (options.backlog, options.payload as usize);
    let sync = if name == Name::Jetstream { Sync::Always } else { Sync::Default };
    let Kept { stored, drained } = match name {
        Name::Sqlite => keepers::sqlite(folder.to_owned(), count, size).await?,
        _ => keepers::jetstream(&options.nats_server, folder, sync, count, size).await?,
    };
    for (row, taken) in [(TAKEN, stored), (GIVEN_ON, drained)] {
        let row = what(options, row);
        report.row(&row, Unit::PerSecond);
        report.number(&row, name.title(), taken.rate(), taken.note());
    }
    Ok(())
}

async fn wait(since: std::time::Instant) -> Result<(), Trouble> {
    if now() - since > DRAINED_MAX {
        return Err("what waits does not go on".into());
    }
    tokio::time::sleep(STEP).await;
    Ok(())
}

/// All of them are acknowledged when it answers.
pub(crate) async fn append(edge: &Edge, count: u64, body: impl Fn(u64) -> Bytes) -> Result<(), Trouble> {
    let (mut client, guest) = client(edge, SENDER, WINDOW).await?;
    let topic = Text::from(guest.topic.as_str());
    let (mut sent, mut kept) = (0, 0);
    while kept < count {
        while sent < count && client.has_room() {
            client.publish(topic.clone(), body(sent), ()).map_err(|unsent| unsent.reason)?;
            sent += 1;
        }
        let mut event = Some(client.event().await?);
        while let Some(known) = event {
            kept += u64::from(matches!(known, Event::Published(())));
            event = client.ready_event()?;
        }
    }
    client.close().await;
    Ok(())
}

/// The disk itself: payloads a second, written one after the other.
fn raw(folder: &Path, count: u64, size: usize) -> io::Result<f64> {
    let path = folder.join("raw");
    let (mut file, block) = (File::create(&path)?, vec![0x5e; BLOCK_BYTES]);
    let mut left = count as usize * size;
    let began = now();
    while left > 0 {
        let part = left.min(BLOCK_BYTES);
        file.write_all(&block[..part])?;
        left -= part;
    }
    file.sync_data()?;
    let elapsed = now() - began;
    fs::remove_file(path)?;
    Ok(count as f64 / elapsed.as_secs_f64())
}
