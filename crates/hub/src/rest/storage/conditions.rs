//! `If-Match` and `If-None-Match`, and the etag that they speak of.

use skerry_store::blobs::{Expect, WriteError};

use super::call::Call;
use super::fault::{Code, Fault};

/// In the storage service's manner, quotes included.
pub(super) fn etag(version: u64) -> String {
    format!("\"0x{version:X}\"")
}

fn version(text: &str) -> Option<u64> {
    u64::from_str_radix(text.trim().trim_matches('"').strip_prefix("0x")?, 16).ok()
}

/// What must be true for a blob to appear or go.
pub(super) fn expected(call: &Call<'_>) -> Result<Expect, Fault> {
    match (call.header("if-match"), call.header("if-none-match")) {
        (None, None) => Ok(Expect::Anything),
        (Some("*"), None) => Ok(Expect::Present),
        // An etag of nobody's holds for nothing.
        (Some(tag), None) => Ok(Expect::Version(version(tag).unwrap_or(0))),
        (None, Some("*")) => Ok(Expect::Absent),
        (None, Some(_)) => Err(Fault::header("if-none-match", "takes only * where something is written")),
        (Some(_), Some(_)) => Err(Fault::header("if-match", "does not go together with if-none-match")),
    }
}

/// An expectation that did not hold, told as what the client asked for.
pub(super) fn failed(error: WriteError, expect: Expect) -> Fault {
    match (&error, expect) {
        (WriteError::Conflict { .. }, Expect::Absent) => {
            Fault::new(Code::BlobAlreadyExists, "the blob exists already")
        }
        _ => error.into(),
    }
}

/// Whether a reader wants this version.
pub(super) fn check_read(call: &Call<'_>, found: u64) -> Result<(), Fault> {
    let names = |list: &str| list.split(',').any(|tag| tag.trim() == "*" || version(tag) == Some(found));
    if call.header("if-match").is_some_and(|list| !names(list)) {
        return Err(Fault::new(Code::ConditionNotMet, "the blob has another etag"));
    }
    if call.header("if-none-match").is_some_and(names) {
        return Err(Fault::new(Code::NotModified, "the blob has this etag"));
    }
    Ok(())
}
