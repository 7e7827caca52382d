//! A process that writes until it is killed, and the start that comes after.

use std::path::Path;
use std::time::Duration;

use crate::child::Killed;
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

/// Kills a writer in the middle of its work, forgets the system's caches where that is allowed,
/// and measures the start until the first read is answered.
pub(crate) async fn start(path: &Path, devices: u64) -> Result<(Duration, bool), Trouble> {
    let devices_text = devices.to_string();
    let arguments = ["--writer".as_ref(), path.as_os_str(), "--devices".as_ref(), devices_text.as_ref()];
    let mut writer = Killed::again(arguments)?;
    let said = writer.line().await?;
    if said != READY {
        return Err(format!("the writer did not start: {said}").into());
    }
    tokio::time::sleep(WRITES_FOR).await;
    drop(writer);
    let forgotten = disk::forget_caches();
    let (store, took) = Store::cold_read(path, devices).await?;
    drop(store);
    Ok((took, forgotten))
}
