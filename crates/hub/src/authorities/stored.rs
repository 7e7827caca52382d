//! An authority as a document.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use skerry_front::Certificate;
use skerry_model::Timestamp;
use skerry_store::documents::{Body, Document, Json};

use super::{Authority, AuthorityError};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    certificate: String,
    is_verified: bool,
    code: Option<String>,
    created: Timestamp,
    updated: Timestamp,
}

pub(super) fn body(authority: &Authority) -> Body {
    let stored = Stored {
        certificate: STANDARD.encode(&authority.certificate.der),
        is_verified: authority.is_verified,
        code: authority.code.clone(),
        created: authority.created,
        updated: authority.updated,
    };
    let value = serde_json::to_value(stored).expect("texts and booleans are JSON");
    Body { identity: Json::encode(&value), ..Body::default() }
}

pub(super) fn read(document: &Document) -> Result<Authority, AuthorityError> {
    let name = &document.key.name;
    let damaged =
        |what: &dyn std::fmt::Display| AuthorityError::Damaged { name: name.clone(), what: what.to_string() };
    let value = document.body.identity.decode().map_err(|error| damaged(&error))?;
    let stored: Stored = serde_json::from_value(value).map_err(|error| damaged(&error))?;
    let der = STANDARD.decode(&stored.certificate).map_err(|error| damaged(&error))?;
    Ok(Authority {
        name: name.clone(),
        certificate: Certificate::parse(&der).map_err(|error| damaged(&error))?,
        is_verified: stored.is_verified,
        code: stored.code,
        created: stored.created,
        updated: stored.updated,
        revision: document.revision,
    })
}
