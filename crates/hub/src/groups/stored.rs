//! A group as a document.

use serde::{Deserialize, Serialize};
use skerry_model::Timestamp;
use skerry_store::documents::{Body, Document, Json};

use super::{Group, GroupError};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    /// As it was written; the key has it in lower case.
    name: String,
    created: Timestamp,
}

pub(super) fn body(group: &Group) -> Body {
    let stored = Stored { name: group.name.to_string(), created: group.created };
    let value = serde_json::to_value(&stored).expect("texts are JSON");
    Body { identity: Json::encode(&value), ..Body::default() }
}

pub(super) fn read(document: &Document) -> Result<Group, GroupError> {
    let damaged = |what: &dyn std::fmt::Display| GroupError::Damaged {
        name: document.key.name.clone(),
        what: what.to_string(),
    };
    let value = document.body.identity.decode().map_err(|error| damaged(&error))?;
    let Stored { name, created } = serde_json::from_value(value).map_err(|error| damaged(&error))?;
    Ok(Group { name: name.parse().map_err(|error| damaged(&error))?, created })
}
