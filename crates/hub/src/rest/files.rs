//! Files of devices: the device's side of an upload, the notices about it, and the operator's look at what is there.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use skerry_front::{Body, Response};
use skerry_model::{DeviceId, ErrorCode};
use skerry_store::blobs::{Expect, Stored};

use super::route::{check_version, not_allowed, unknown};
use super::storage::send;
use super::{Problem, Reply, Request};
use crate::Hub;
use crate::access::Right;
use crate::files::{Begun, BlobName, CONTAINER, FileError, Files, Outcome};

const NOTICE_TYPE: &str = "application/vnd.microsoft.iothub.filenotification.json; charset=utf-8";
const HTTPS_PORT: u16 = 443;
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    #[serde(default)]
    blob_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    #[serde(default)]
    correlation_id: Option<String>,
    #[serde(default)]
    is_success: Option<bool>,
    #[serde(default)]
    status_code: Option<Value>,
    #[serde(default)]
    status_description: Option<Value>,
}

/// The file in `/skerry/v1/files/{device}/{file}`; its name may have slashes.
pub(super) fn file_of(request: &Request) -> Option<String> {
    let decoded = percent_decode_str(request.head.uri.path()).decode_utf8().ok()?;
    decoded.strip_prefix("/skerry/v1/files/").filter(|name| !name.is_empty()).map(str::to_owned)
}

impl Hub {
    fn require_files(&self) -> Result<&Files, Problem> {
        self.files.as_ref().ok_or_else(|| {
            let text = "file upload is switched off on this hub, set files.enabled in its configuration";
            Problem::new(ErrorCode::DefaultStorageEndpointNotConfigured, text)
        })
    }

    /// Under which name, and where it is not the usual one with which port, clients find the blobs.
    fn blob_host(&self) -> String {
        let name = self.authorizer.host_names.first().map(String::as_str).unwrap_or_default();
        let name = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
        let port = self.front.get().and_then(skerry_front::Handle::https_address).map(|at| at.port());
        match port.filter(|port| *port != HTTPS_PORT) {
            Some(port) => format!("{name}:{port}"),
            None => name,
        }
    }

    /// What a device does below `/devices/{id}/files`.
    pub(super) async fn upload(
        &self,
        request: &Request,
        device: &str,
        rest: &[&str],
    ) -> Result<Reply, Problem> {
        check_version(request)?;
        let device = device.parse::<DeviceId>()?;
        let sender = self.authorizer.sender(&request.proof(), device, None).await?;
        let (files, device) = (self.require_files()?, &sender.device);
        match rest {
            [] => {
                let asked: Asked = request.json()?;
                let Begun { correlation, blob, link } = files.begin(device, &asked.blob_name).await?;
                let body = json!({
                    "correlationId": correlation,
                    "hostName": self.blob_host(),
                    "containerName": CONTAINER,
                    "blobName": blob.as_str(),
                    "sasToken": link,
                });
                Ok(Reply::json(200, &body))
            }
            ["notifications", id @ ..] if id.len() <= 1 => {
                let told: Told = request.json()?;
                let text = |value: Value| value.as_str().map(str::to_owned);
                let outcome = Outcome {
                    success: told.is_success.ok_or(FileError::NoOutcome)?,
                    status: told.status_code.and_then(|status| status.as_i64()),
                    description: told.status_description.and_then(text),
                };
                let in_body = told.correlation_id.as_deref().unwrap_or_default();
                let correlation = id.first().copied().unwrap_or(in_body);
                files.complete(device, correlation, &outcome, &self.blob_host()).await?;
                Ok(Reply::empty())
            }
            _ => Err(unknown(request)),
        }
    }

    /// Notices for the back end, below `/messages/serviceBound/filenotifications`.
    pub(super) async fn file_notices(&self, request: &Request, rest: &[&str]) -> Result<Reply, Problem> {
        let notices = self.require_files()?.notices().ok_or(FileError::NoticesOff)?;
        match (&request.head.method, rest) {
            (&Method::GET, []) => {
                let Some(lease) = notices.lease().await? else { return Ok(Reply::empty()) };
                let body = serde_json::to_vec(&lease.notice).expect("texts, numbers and times are JSON");
                let headers = vec![
                    ("content-type".into(), NOTICE_TYPE.to_owned()),
                    ("iothub-deliverycount".into(), lease.deliveries.to_string()),
                    ("iothub-enqueuedtime".into(), lease.notice.enqueued_time_utc.to_string()),
                ];
                Ok(Reply { status: 200, headers, body }.with_etag(&lease.lock))
            }
            (&Method::DELETE, [lock]) => {
                notices.complete(lock).await?;
                Ok(Reply::empty())
            }
            (&Method::POST, [lock, "abandon"]) => {
                notices.abandon(lock).await?;
                Ok(Reply::empty())
            }
            (method, []) => Err(not_allowed(method, "GET")),
            (method, [_]) => Err(not_allowed(method, "DELETE")),
            _ => Err(unknown(request)),
        }
    }

    /// Everything, or one device's, in the order of the names; `after` is the name behind which to go on.
    pub(super) async fn list_files(&self, request: &Request) -> Result<Reply, Problem> {
        let device = request.query("device").map(|id| id.parse::<DeviceId>()).transpose()?;
        let prefix = device.map(|device| format!("{device}/")).unwrap_or_default();
        let after = request.query("after").filter(|after| !after.is_empty());
        let limit = match request.query("top") {
            None => PAGE_DEFAULT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|top| (1..=PAGE_MAX).contains(top))
                .ok_or_else(|| Problem::argument(format!("top must be a number from 1 to {PAGE_MAX}")))?,
        };
        let page = self.require_files()?.blobs().list(&prefix, after.as_deref(), limit).await;
        let page = page.map_err(FileError::from)?;
        let next = page.last().filter(|_| page.len() == limit).map(|stored| stored.name.clone());
        let items: Vec<Value> = page.iter().map(shown).collect();
        Ok(Reply::json(200, &json!({"items": items, "next": next})))
    }

    /// An address below which whoever has it puts files of one device, for so many minutes.
    pub(super) fn link_files(&self, request: &Request) -> Result<Reply, Problem> {
        let device = request.query("device").ok_or_else(|| Problem::argument("device is missing"))?;
        let device: DeviceId = device.parse()?;
        let minutes = request.query("minutes").map(|text| text.parse::<u32>()).transpose();
        let minutes = minutes.map_err(|_| Problem::argument("minutes must be a number"))?;
        let life = minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60));
        let (link, ends) = self.require_files()?.folder_link(&device, life);
        let device = utf8_percent_encode(device.as_str(), NON_ALPHANUMERIC);
        let address = format!("https://{}/{CONTAINER}/{device}{link}", self.blob_host());
        Ok(Reply::json(200, &json!({"sasUrl": address, "ends": ends.to_string()})))
    }

    /// What an operator does with one file besides reading it.
    pub(super) async fn delete_file(&self, request: &Request, name: &str) -> Result<Reply, Problem> {
        self.authorizer.authenticate(request.header("authorization"), None).await?.require_owner()?;
        if request.head.method != Method::DELETE {
            return Err(not_allowed(&request.head.method, "GET, DELETE"));
        }
        let deleted = self.require_files()?.blobs().delete(name, Expect::Anything).await;
        if deleted.map_err(FileError::from)? { Ok(Reply::empty()) } else { Err(not_found(name).into()) }
    }

    /// The bytes of a file, for an operator.
    pub(super) async fn stream_file(&self, request: &Request, name: &str) -> Result<Response, Problem> {
        self.authorizer.authenticate(request.header("authorization"), None).await?.require_owner()?;
        let blobs = self.require_files()?.blobs();
        let stored = blobs.find(name).await.map_err(FileError::from)?.ok_or_else(|| not_found(name))?;
        let reading = blobs.read(&stored, 0..stored.bytes).await.map_err(FileError::from)?;
        let (sender, body) = Body::stream(2);
        tokio::spawn(send(reading, sender));
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        headers.insert("content-length", stored.bytes.into());
        // Not what the device says: a browser must not run it.
        headers.insert("content-type", HeaderValue::from_static("application/octet-stream"));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        Ok(response)
    }
}

/// The right to take notices.
pub(super) const NOTICES: &[Right] = &[Right::ServiceConnect];

fn not_found(name: &str) -> FileError {
    let (device, file) = BlobName::parts(name).unwrap_or((name, ""));
    let short = |text: &str| text.chars().take(200).collect();
    FileError::FileNotFound { device: short(device), file: short(file) }
}

fn shown(stored: &Stored) -> Value {
    let (device, file) = BlobName::parts(&stored.name).unwrap_or(("", &stored.name));
    let attribute = |wanted: &str| {
        let found = stored.attributes.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone())
    };
    json!({
        "deviceId": device,
        "name": file,
        "blobName": stored.name,
        "bytes": stored.bytes,
        "created": stored.created.to_string(),
        "modified": stored.modified.to_string(),
        "contentType": attribute("content-type"),
        "md5": attribute("content-md5"),
    })
}

impl From<FileError> for Problem {
    fn from(error: FileError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
