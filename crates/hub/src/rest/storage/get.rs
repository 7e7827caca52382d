//! What reads, and what deletes.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use skerry_front::{Body, BodySender, Response};
use skerry_model::Timestamp;
use skerry_store::blobs::{Reading, Stored};

use super::call::Call;
use super::conditions::{check_read, etag, expected, failed};
use super::fault::{Code, Fault};
use super::receive::Sums;
use super::{attributes, list, put_header, range, reply};
use crate::files::Files;

/// Pieces of a blob that wait for a slow client.
const PIECES_WAITING_MAX: usize = 2;
/// Bytes of a range whose MD5 may be asked for.
const SUMMED_BYTES_MAX: u64 = 4 << 20;

pub(super) async fn blob(files: &Files, call: &Call<'_>) -> Result<Response, Fault> {
    call.require(|link| link.read)?;
    let stored = find(files, call).await?;
    check_read(call, stored.version)?;
    let range = match call.head.method == Method::HEAD {
        true => None,
        false => range::wanted(call, stored.bytes)?,
    };
    let (status, shown) = match &range {
        None => (StatusCode::OK, 0..stored.bytes),
        Some(range) => (StatusCode::PARTIAL_CONTENT, range.clone()),
    };
    let mut response = reply(status, Body::empty());
    show(&stored, range.is_none(), response.headers_mut());
    put_header(response.headers_mut(), "content-length", &(shown.end - shown.start).to_string());
    if range.is_some() {
        let (first, last) = (shown.start, shown.end - 1);
        let text = format!("bytes {first}-{last}/{}", stored.bytes);
        put_header(response.headers_mut(), "content-range", &text);
    }
    if call.head.method == Method::HEAD {
        return Ok(response);
    }
    let is_summed = range.is_some() && call.header("x-ms-range-get-content-md5") == Some("true");
    if is_summed && shown.end - shown.start > SUMMED_BYTES_MAX {
        let text = format!("the MD5 of a range is told for at most {SUMMED_BYTES_MAX} bytes");
        return Err(Fault::new(Code::OutOfRangeInput, text));
    }
    let mut reading = files.blobs().read(&stored, shown).await?;
    if is_summed {
        let mut bytes = Vec::new();
        while let Some(piece) = reading.next().await? {
            bytes.extend_from_slice(&piece);
        }
        put_header(response.headers_mut(), "content-md5", &Sums::of(&bytes).md5);
        *response.body_mut() = Body::from(bytes);
    } else {
        let (sender, body) = Body::stream(PIECES_WAITING_MAX);
        tokio::spawn(send(reading, sender));
        *response.body_mut() = body;
    }
    Ok(response)
}

/// Dropping the sender before the end breaks the response: nobody takes half a blob for a whole one.
pub(in crate::rest) async fn send(mut reading: Box<dyn Reading>, mut sender: BodySender) {
    loop {
        match reading.next().await {
            Ok(Some(piece)) => {
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
            Ok(None) => break,
            Err(error) => {
                tracing::warn!(%error, "A blob could not be sent to its end.");
                return;
            }
        }
    }
    // A client that has gone away needs no end.
    let _ = sender.finish().await;
}

pub(super) async fn block_list(files: &Files, call: &Call<'_>) -> Result<Response, Fault> {
    call.require(|link| link.read)?;
    let (composed, waiting) = match call.query("blocklisttype").as_deref() {
        None | Some("committed") => (true, false),
        Some("uncommitted") => (false, true),
        Some("all") => (true, true),
        Some(_) => {
            let text = "blocklisttype must be committed, uncommitted or all";
            return Err(Fault::new(Code::InvalidQueryParameterValue, text));
        }
    };
    let blobs = files.blobs();
    let (blocks, stored) = (blobs.blocks(&call.blob).await?, blobs.find(&call.blob).await?);
    if stored.is_none() && blocks.waiting.is_empty() {
        return Err(not_found());
    }
    let mut response = reply(StatusCode::OK, Body::from(list::render(&blocks, composed, waiting)));
    let headers = response.headers_mut();
    put_header(headers, "content-type", "application/xml");
    if let Some(stored) = &stored {
        show_version(stored, headers);
    }
    let bytes = stored.map_or(0, |stored| stored.bytes);
    put_header(headers, "x-ms-blob-content-length", &bytes.to_string());
    Ok(response)
}

pub(super) async fn delete(files: &Files, call: &Call<'_>) -> Result<Response, Fault> {
    call.require(|link| link.delete)?;
    let expect = expected(call)?;
    match files.blobs().delete(&call.blob, expect).await.map_err(|error| failed(error, expect))? {
        true => Ok(reply(StatusCode::ACCEPTED, Body::empty())),
        false => Err(not_found()),
    }
}

async fn find(files: &Files, call: &Call<'_>) -> Result<Stored, Fault> {
    files.blobs().find(&call.blob).await?.ok_or_else(not_found)
}

fn not_found() -> Fault {
    Fault::new(Code::BlobNotFound, "the blob does not exist")
}

/// Which version it is, and since when.
pub(super) fn show_version(stored: &Stored, headers: &mut HeaderMap) {
    put_header(headers, "etag", &etag(stored.version));
    put_header(headers, "last-modified", &date(stored.modified));
}

fn show(stored: &Stored, whole: bool, headers: &mut HeaderMap) {
    show_version(stored, headers);
    attributes::show(&stored.attributes, whole, headers);
    for (name, value) in [
        ("accept-ranges", "bytes"),
        ("x-ms-blob-type", "BlockBlob"),
        ("x-ms-creation-time", date(stored.created).as_str()),
        ("x-ms-lease-state", "available"),
        ("x-ms-lease-status", "unlocked"),
        ("x-ms-server-encrypted", "false"),
    ] {
        put_header(headers, name, value);
    }
}

fn date(at: Timestamp) -> String {
    let seconds = u64::try_from(at.unix_seconds()).unwrap_or(0);
    httpdate::fmt_http_date(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}
