//! The support bundle: what the modules have written and how they were made, in one archive, and what a witness
//! adds, who sees more of the machine than the daemon does.
//!
//! ```text
//! logs/<module>_log.txt     inspect/<module>.json     network/<name>.json     (…_err.json: why it is not there)
//! check.json     logs/aziot-edged.txt     logs/docker.txt                     the witness's
//! ```

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use serde_json::json;
use skerry_model::{EDGE_AGENT, EDGE_HUB, Timestamp};
use skerry_runtime::{Container, EngineError, LogFrames, LogQuery, LogStream, Runtime};

use super::Shared;
use super::details::part_details;
use super::modules::engine;
use super::time::moment;
use crate::api::{Call, Problem, Reply};
use crate::parts::Parts;
use crate::zip::{Archive, Full};

/// Of one module; what it wrote first is left out.
const LOG_BYTES_MAX: usize = 16 << 20;
/// Of the whole bundle, which is made in memory.
const BUNDLE_BYTES_MAX: usize = 128 << 20;

/// What goes into a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleQuery {
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Without the logs of modules that are not the runtime's own.
    pub edge_runtime_only: bool,
    /// The hub that checks connect to, where it is not the configuration's.
    pub hub: Option<String>,
}

pub type Files<'a> = Pin<Box<dyn Future<Output = Vec<(String, Vec<u8>)>> + Send + 'a>>;

/// Whoever put the daemon together, and can look at what it cannot.
pub trait Witness: Send + Sync {
    /// Names and contents. What cannot be had is told in its place.
    fn files<'a>(&'a self, query: &'a BundleQuery) -> Files<'a>;
}

impl BundleQuery {
    fn of_logs(&self) -> LogQuery {
        LogQuery { since: self.since, until: self.until, timestamps: true, ..LogQuery::default() }
    }
}

impl Shared {
    pub(super) async fn support_bundle(&self, call: &Call) -> Result<Reply, Problem> {
        let now = self.clock.now();
        let time = |key: &'static str| match call.query(key) {
            None | Some("") => Ok(None),
            Some(text) => moment(text, now).map(Some).ok_or_else(|| Problem::parameter(key)),
        };
        let query = BundleQuery {
            since: time("since")?,
            until: time("until")?,
            edge_runtime_only: call.flag("edge_runtime_only")?.unwrap_or(false),
            hub: call.query("iothub_hostname").filter(|name| !name.is_empty()).map(str::to_owned),
        };
        // Ours: how the command line says that it is a witness itself.
        let is_alone = call.flag("containers_only")?.unwrap_or(false);
        let witness = self.witness.as_deref().filter(|_| !is_alone);
        let zip = whole_bundle(&*self.runtime, &self.parts, witness, &query, now).await.map_err(engine)?;
        Ok(Reply::bytes(200, "application/zip", Bytes::from(zip)).with("content-encoding", "deflate"))
    }
}

/// With what a witness adds.
pub(crate) async fn whole_bundle(
    runtime: &dyn Runtime,
    parts: &Parts,
    witness: Option<&dyn Witness>,
    query: &BundleQuery,
    now: Timestamp,
) -> Result<Vec<u8>, EngineError> {
    let zip = support_bundle(runtime, parts, query, now).await?;
    let Some(witness) = witness else { return Ok(zip) };
    let bytes = zip.len();
    let archive = Archive::reopen(zip, now).expect("it was made here");
    let mut bundle = Bundle { archive, bytes };
    for (name, content) in witness.files(query).await {
        bundle.add(&name, &content);
    }
    Ok(bundle.archive.finish())
}

/// Makes the archive. A part that cannot be had is told in its place; only an engine that does not answer at
/// all is an error.
pub async fn support_bundle(
    runtime: &dyn Runtime,
    parts: &Parts,
    query: &BundleQuery,
    now: Timestamp,
) -> Result<Vec<u8>, EngineError> {
    let mut bundle = Bundle { archive: Archive::new(now), bytes: 0 };
    for part in parts.iter() {
        let (name, stream) = (part.name(), part.logs(&query.of_logs()));
        bundle.add(&format!("logs/{name}_log.txt"), &text_of(stream).await?);
        bundle.add(&format!("inspect/{name}.json"), part_details(part).to_string().as_bytes());
    }
    for container in runtime.list().await? {
        if query.edge_runtime_only && !is_runtime(&container) {
            continue;
        }
        let name = &container.name;
        match log(runtime, name, query).await {
            Ok(text) => bundle.add(&format!("logs/{name}_log.txt"), &text),
            Err(error) => bundle.add_error(&format!("logs/{name}_log_err.json"), &error),
        }
        match runtime.document(name).await {
            Ok(document) => bundle.add(&format!("inspect/{name}.json"), document.to_string().as_bytes()),
            Err(error) => bundle.add_error(&format!("inspect/{name}_err.json"), &error),
        }
    }
    match runtime.networks().await {
        Ok(networks) => {
            for network in networks {
                let name = network["Name"].as_str().unwrap_or("unnamed").replace('/', "_");
                bundle.add(&format!("network/{name}.json"), network.to_string().as_bytes());
            }
        }
        Err(error) => bundle.add_error("network/networks_err.json", &error),
    }
    Ok(bundle.archive.finish())
}

fn is_runtime(container: &Container) -> bool {
    [EDGE_AGENT, EDGE_HUB].iter().any(|module| module.trim_start_matches('$') == container.name)
}

struct Bundle {
    archive: Archive,
    bytes: usize,
}

impl Bundle {
    fn add(&mut self, name: &str, content: &[u8]) {
        let fits = self.bytes.saturating_add(content.len()) <= BUNDLE_BYTES_MAX;
        let added = if fits { self.archive.add(name, content) } else { Err(Full) };
        match added {
            Ok(()) => self.bytes += content.len(),
            Err(Full) => tracing::warn!(name, "The support bundle is full, this is left out."),
        }
    }

    fn add_error(&mut self, name: &str, error: &EngineError) {
        self.add(name, json!({ "error": error.to_string() }).to_string().as_bytes());
    }
}

/// The last of what a module has written, without the engine's frames.
async fn log(runtime: &dyn Runtime, name: &str, query: &BundleQuery) -> Result<Vec<u8>, EngineError> {
    text_of(runtime.logs(name, &query.of_logs()).await?).await
}

async fn text_of(mut stream: LogStream) -> Result<Vec<u8>, EngineError> {
    let (mut frames, mut text) = (LogFrames::default(), Vec::new());
    while let Some(piece) = stream.next().await? {
        frames.push(&piece);
        while let Some(frame) = frames.next_frame() {
            text.extend_from_slice(&frame.text);
            // Twice the bound before anything moves, so that a byte moves once.
            if text.len() > 2 * LOG_BYTES_MAX {
                text.drain(..text.len() - LOG_BYTES_MAX);
            }
        }
    }
    let beyond = text.len().saturating_sub(LOG_BYTES_MAX);
    text.drain(..beyond);
    Ok(text)
}
