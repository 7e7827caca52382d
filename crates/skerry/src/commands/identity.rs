//! What commands for devices and modules share: authentication options, etags, deletion.

use http::Method;
use serde_json::{Value, json};

use crate::args::{AuthKind, Deletion, IdentityAuth};
use crate::client::{Client, segment};
use crate::failure::Failure;

/// Writes the authentication options into a document that is about to be sent.
pub fn apply_auth(document: &mut Value, auth: &IdentityAuth) -> Result<(), Failure> {
    let keys = auth.primary_key.is_some() || auth.secondary_key.is_some();
    let prints = auth.primary_thumbprint.is_some() || auth.secondary_thumbprint.is_some();
    let kind = match (auth.auth, keys, prints) {
        (_, true, true) => return Err(Failure::usage("give keys or thumbprints, not both")),
        (Some(AuthKind::SelfSigned | AuthKind::Ca), true, _) => {
            return Err(Failure::usage("keys belong to --auth sas"));
        }
        (Some(AuthKind::Sas | AuthKind::Ca), _, true) => {
            return Err(Failure::usage("thumbprints belong to --auth self-signed"));
        }
        (Some(kind), ..) => kind,
        (None, true, _) => AuthKind::Sas,
        (None, _, true) => AuthKind::SelfSigned,
        (None, false, false) => return Ok(()),
    };
    document["authentication"] = match kind {
        AuthKind::Sas => json!({
            "type": "sas",
            "symmetricKey": {"primaryKey": auth.primary_key, "secondaryKey": auth.secondary_key},
        }),
        AuthKind::SelfSigned => json!({
            "type": "selfSigned",
            "x509Thumbprint": {
                "primaryThumbprint": auth.primary_thumbprint,
                "secondaryThumbprint": auth.secondary_thumbprint,
            },
        }),
        AuthKind::Ca => json!({"type": "certificateAuthority"}),
    };
    Ok(())
}

/// The `If-Match` of a change: the given etag, else anything.
pub fn if_match(etag: Option<&str>) -> String {
    format!("\"{}\"", etag.unwrap_or("*").trim_matches('"'))
}

/// The `If-Match` of a change to a document that was just read: the given etag, else the read one.
pub fn if_match_read(etag: Option<&str>, document: &Value) -> String {
    if_match(etag.or(document["etag"].as_str()))
}

/// Where a device is, or a module of it.
pub fn path(device: &str, module: Option<&str>) -> String {
    match module {
        None => format!("/devices/{}", segment(device)),
        Some(module) => format!("/devices/{}/modules/{}", segment(device), segment(module)),
    }
}

/// Deletes what is at `path`, or says what would be.
pub async fn delete(client: &mut Client, path: &str, what: &str, deletion: &Deletion) -> Result<(), Failure> {
    if deletion.dry_run {
        client.get(path).await?;
        eprintln!("Would delete {what}.");
        return Ok(());
    }
    let etag = if_match(deletion.etag.as_deref());
    client.call(Method::DELETE, path, None, &[("if-match", &etag)]).await?;
    eprintln!("Deleted {what}.");
    Ok(())
}
