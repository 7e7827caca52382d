//! Logs and bundles that are put where a signed address says.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};
use skerry_model::Timestamp;
use skerry_runtime::{Answer, moment};

use super::logs::{self, Encoding, Form};
use super::request::{self, Refusal, optional_text};
use super::{Context, Reply, tasks};
use crate::manifest::with_upstream;

/// A container of blobs behind a signed address.
pub trait Uploads: Send + Sync {
    /// Puts one blob there, whole; it tries again by itself while that may help.
    fn put<'a>(&'a self, container: &'a str, blob: Blob) -> Answer<'a, (), UploadError>;
}

/// What a support bundle is made of is known to the daemon.
pub trait Bundles: Send + Sync {
    fn make(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        runtime_only: bool,
    ) -> Answer<'_, Bytes, UploadError>;
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    pub name: String,
    pub kind: BlobKind,
    pub bytes: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobKind {
    Block,
    Append,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct UploadError {
    pub reason: String,
}

pub(super) fn logs(context: &Context, payload: &[u8]) -> Result<Reply, Refusal> {
    let request = request::read(payload)?;
    let container = container(context, &request)?;
    let form = Form::read(&request)?;
    let wanted = logs::choose(context, &request)?;
    let source = logs::Source::of(context);
    let (uploads, stamp, device) = (Arc::clone(&context.uploads), stamp(context.now), device(context));
    tasks::begin(context, async move {
        for (module, filter) in wanted {
            let bytes = source.read(&module, &filter, form, logs::UPLOAD_BYTES_MAX).await?;
            let ending = match (form.is_json, form.encoding) {
                (true, Encoding::None) => "json",
                (true, Encoding::Gzip) => "json.gz",
                (false, Encoding::None) => "log",
                (false, Encoding::Gzip) => "log.gz",
            };
            let name = format!("{device}/{module}-{stamp}.{ending}");
            // The original appends what is text, so that it could go on.
            let kind = if form.is_json || form.encoding == Encoding::Gzip {
                BlobKind::Block
            } else {
                BlobKind::Append
            };
            uploads.put(&container, Blob { name, kind, bytes }).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    })
}

pub(super) fn bundle(context: &Context, payload: &[u8]) -> Result<Reply, Refusal> {
    let request = request::read(payload)?;
    let container = container(context, &request)?;
    let when = |key| match optional_text(&request, key)? {
        None => Ok(None),
        Some(text) => moment(&text, context.now)
            .map(Some)
            .ok_or_else(|| Refusal::wrong(format!("{key} is {text:?}, and no time or duration"))),
    };
    let (since, until) = (when("since")?, when("until")?);
    let runtime_only = request::get(&request, "edgeRuntimeOnly").and_then(Value::as_bool).unwrap_or_default();
    let (uploads, bundles) = (Arc::clone(&context.uploads), Arc::clone(&context.bundles));
    let name = format!("{}/support-bundle-{}.zip", device(context), stamp(context.now));
    tasks::begin(context, async move {
        let bytes = bundles.make(since, until, runtime_only).await.map_err(|error| error.to_string())?;
        let blob = Blob { name, kind: BlobKind::Block, bytes };
        uploads.put(&container, blob).await.map_err(|error| error.to_string())
    })
}

fn container(context: &Context, request: &Map<String, Value>) -> Result<String, Refusal> {
    let address = request::text(request, "sasUrl")?;
    let scheme = ["https://", "http://"].into_iter().find(|scheme| address.starts_with(scheme));
    let scheme = scheme.ok_or_else(|| Refusal::wrong("sasUrl is no https address"))?;
    let rest = with_upstream(&address[scheme.len()..], context.parent_host.as_deref());
    Ok(format!("{scheme}{rest}"))
}

/// The folder of this device in a container that many share.
fn device(context: &Context) -> String {
    let hub = context.hub_host.split('.').next().unwrap_or_default();
    format!("{hub}/{}", context.device_id)
}

/// `2024-05-01--12-00-00`.
fn stamp(now: Timestamp) -> String {
    let text = now.to_string();
    text.chars().take(19).map(|c| if c == ':' { '-' } else { c }).collect::<String>().replace('T', "--")
}
