//! Direct methods of `$edgeAgent`. Names are matched without regard to case; whoever asks for
//! something else is told what there is.

mod logs;
mod request;
mod tasks;
mod upload;

pub(crate) use tasks::{Tasks, guid};
pub use upload::{Blob, BlobKind, Bundles, UploadError, Uploads};

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use skerry_model::{Random, Timestamp};
use skerry_runtime::Runtime;
use tokio::time::timeout;

use request::Refusal;

/// What methods need, at the moment of the call.
pub(crate) struct Context {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) uploads: Arc<dyn Uploads>,
    pub(crate) bundles: Arc<dyn Bundles>,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) hub_host: String,
    pub(crate) device_id: String,
    pub(crate) parent_host: Option<String>,
    /// Names of the containers that there are.
    pub(crate) modules: Vec<String>,
    pub(crate) now: Timestamp,
}

pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) payload: Bytes,
    /// A module that was restarted by it.
    pub(crate) restarted: Option<String>,
    /// What goes on after the answer.
    pub(crate) work: Option<Work>,
}

pub(crate) type Work = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl Reply {
    fn new(status: u16, body: &Value) -> Self {
        let payload = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        Self { status, payload, restarted: None, work: None }
    }
}

/// Until then a method has answered.
const LIMIT: Duration = Duration::from_secs(600);

const METHODS: [&str; 7] = [
    "ping",
    "RestartModule",
    "GetModuleLogs",
    "UploadModuleLogs",
    "UploadSupportBundle",
    "GetTaskStatus",
    RETRY,
];
/// Ours: a version that failed or waits is tried again. The agent itself answers it.
pub(crate) const RETRY: &str = "RetryDeployment";

/// What a name is counted as, so that strangers make no series of their own.
pub(crate) fn counted_as(name: &str) -> &'static str {
    METHODS.iter().find(|known| known.eq_ignore_ascii_case(name)).copied().unwrap_or("unknown")
}

pub(crate) async fn handle(context: &Context, name: &str, payload: &[u8]) -> Reply {
    let work = async {
        match counted_as(name) {
            "ping" => Ok(Reply::new(200, &Value::Null)),
            "RestartModule" => restart(context, payload).await,
            "GetModuleLogs" => logs::get(context, payload).await,
            "UploadModuleLogs" => upload::logs(context, payload),
            "UploadSupportBundle" => upload::bundle(context, payload),
            "GetTaskStatus" => tasks::status(context, payload),
            _ => Err(Refusal::wrong(format!(
                "there is no method {name:?}, supported are: {}",
                METHODS.join(", ")
            ))),
        }
    };
    let done = timeout(LIMIT, Box::pin(work)).await;
    let done =
        done.unwrap_or_else(|_| Err(Refusal::failed(format!("no answer within {} s", LIMIT.as_secs()))));
    done.unwrap_or_else(|refusal| Reply::new(refusal.status, &json!({"message": refusal.message})))
}

async fn restart(context: &Context, payload: &[u8]) -> Result<Reply, Refusal> {
    let request = request::read(payload)?;
    let id = request::text(&request, "id")?;
    if !context.modules.contains(&id) {
        return Err(Refusal::failed(format!("there is no module {id:?} on this device")));
    }
    context.runtime.restart(&id).await.map_err(|error| Refusal::failed(error.to_string()))?;
    Ok(Reply { restarted: Some(id), ..Reply::new(200, &Value::Null) })
}
