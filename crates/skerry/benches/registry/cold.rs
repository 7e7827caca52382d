//! A process that writes until it is killed, and the start that comes after.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::disk;
use crate::meter::Trouble;
use crate::store::Store;

/// Patches in flight when the writer is killed.
const LANES: usize = 64;
/// Long enough for the log to be in use.
const WRITES_FOR: Duration = Duration::from_millis(1500);
const READY: &str = "writing";

/// The other process.
pub(crate) async fn write_until_killed(path: &Path, devices: u64) -> Result<(), Trouble> {
    let store = Store::open(path, devices)?;
    println!("{READY}");
    store.patches(LANES, Duration::from_secs(600)).await.map(drop)
}

/// Ends what it holds, by its process id, whatever happens.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Kills a writer in the middle of its work, forgets the system's caches where that is allowed,
/// and measures the start until the first read is answered.
pub(crate) async fn start(path: &Path, devices: u64) -> Result<(Duration, bool), Trouble> {
    let mut writer = Command::new(std::env::current_exe()?);
    writer.arg("--writer").arg(path).arg("--devices").arg(devices.to_string()).stdout(Stdio::piped());
    let mut writer = Killed(writer.spawn()?);
    let said = writer.0.stdout.take().ok_or("the writer has no output")?;
    let ready = tokio::task::spawn_blocking(move || BufReader::new(said).lines().next());
    match ready.await? {
        Some(Ok(line)) if line == READY => {}
        other => return Err(format!("the writer did not start: {other:?}").into()),
    }
    tokio::time::sleep(WRITES_FOR).await;
    drop(writer);
    let forgotten = disk::forget_caches();
    let (store, took) = Store::cold_read(path, devices).await?;
    drop(store);
    Ok((took, forgotten))
}
