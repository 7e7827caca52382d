//! An identity with its twin as a document of the store, and back.
//!
//! What queries may ask of the identity lies in its JSON part under the names that [`crate::search`]
//! narrows by; keys lie sealed; versions and stamps lie packed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use skerry_model::identity::{Identity, ScopeId, Thumbprint, Thumbprints};
use skerry_model::twin::{Packed, Twin};
use skerry_model::{Authentication, AuthenticationKind, DeviceId, ModuleId, Status, Timestamp};
use skerry_store::documents::{Body, Document, Json, Key, Revision, Update};

use super::seal::Sealer;
use crate::spaces::identity_key;

/// A device or module as it was at `revision`.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub identity: Identity,
    pub twin: Twin,
    pub revision: Revision,
}

/// A stored document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored document of {key} is damaged ({what}); restore a backup, or delete and create it again")]
pub struct RecordError {
    pub key: String,
    pub what: String,
}

/// The identity part on disk.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityPart {
    generation: String,
    etag: u64,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_reason: Option<String>,
    status_updated: Timestamp,
    authentication_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    primary_thumbprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secondary_thumbprint: Option<String>,
    iot_edge: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_scope: Option<String>,
    parent_scopes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    managed_by: Option<String>,
    model_id: String,
}

impl Record {
    pub fn key(&self) -> Key {
        identity_key(&self.identity.device, self.identity.module.as_ref())
    }

    /// Everything, for a new document.
    pub(crate) fn body(&self, sealer: &Sealer) -> Result<Body, RecordError> {
        Ok(Body {
            identity: identity_part(&self.identity),
            tags: json(&self.twin.tags),
            desired: json(self.twin.desired.properties()),
            reported: json(self.twin.reported.properties()),
            packed: Packed::pack(&self.twin),
            sealed: self.sealed(sealer)?,
        })
    }

    /// What a change of the identity rewrites.
    pub(crate) fn identity_update(&self, sealer: &Sealer) -> Result<Update, RecordError> {
        Ok(Update {
            identity: Some(identity_part(&self.identity)),
            sealed: Some(self.sealed(sealer)?),
            ..Update::default()
        })
    }

    /// What an operator's change of the twin rewrites; sections that stayed are left alone.
    pub(crate) fn twin_update(&self, before: &Twin) -> Update {
        let changed = |now: &Map<String, Value>, then: &Map<String, Value>| (now != then).then(|| json(now));
        Update {
            tags: changed(&self.twin.tags, &before.tags),
            desired: changed(self.twin.desired.properties(), before.desired.properties()),
            reported: changed(self.twin.reported.properties(), before.reported.properties()),
            packed: Some(Packed::pack(&self.twin)),
            ..Update::default()
        }
    }

    fn sealed(&self, sealer: &Sealer) -> Result<Vec<u8>, RecordError> {
        match &self.identity.authentication {
            Authentication::Sas(keys) => {
                sealer.seal(&self.identity, keys).map_err(|error| damaged(&self.key(), &error.to_string()))
            }
            _ => Ok(Vec::new()),
        }
    }

    pub(crate) fn read(document: &Document, sealer: &Sealer) -> Result<Self, RecordError> {
        let fail = |what: &dyn std::fmt::Display| damaged(&document.key, &what.to_string());
        let part: IdentityPart =
            serde_json::from_value(document.body.identity.decode().map_err(|error| fail(&error))?)
                .map_err(|error| fail(&error))?;
        let device: DeviceId = document.key.group.parse().map_err(|error| fail(&error))?;
        let module = match document.key.name.as_str() {
            "" => None,
            name => Some(name.parse::<ModuleId>().map_err(|error| fail(&error))?),
        };
        let scope = |text: &String| ScopeId::parse(text).map_err(|error| fail(&error));
        let mut identity = Identity {
            device,
            module,
            generation: part.generation,
            etag: part.etag,
            status: Status::from_wire(&part.status).ok_or_else(|| fail(&"unknown status"))?,
            status_reason: part.status_reason,
            status_updated: part.status_updated,
            authentication: Authentication::None,
            edge: part.iot_edge,
            scope: part.device_scope.as_ref().map(scope).transpose()?,
            parent_scopes: part.parent_scopes.iter().map(scope).collect::<Result<_, _>>()?,
            managed_by: part.managed_by,
            model: part.model_id,
        };
        let print = |text: Option<String>| {
            text.map(|text| Thumbprint::parse("stored", &text)).transpose().map_err(|error| fail(&error))
        };
        let kind = AuthenticationKind::from_wire(&part.authentication_type);
        identity.authentication = match kind.ok_or_else(|| fail(&"unknown authentication"))? {
            AuthenticationKind::Sas => Authentication::Sas(
                sealer.open(&identity, &document.body.sealed).map_err(|error| fail(&error))?,
            ),
            AuthenticationKind::SelfSigned => {
                let (first, second) = (print(part.primary_thumbprint)?, print(part.secondary_thumbprint)?);
                Authentication::SelfSigned(Thumbprints::new(first, second).map_err(|error| fail(&error))?)
            }
            AuthenticationKind::CertificateAuthority => Authentication::CertificateAuthority,
            AuthenticationKind::None => Authentication::None,
        };
        Ok(Self { identity, twin: read_twin(document)?, revision: document.revision })
    }
}

/// The twin alone, for those who need no keys.
pub(crate) fn read_twin(document: &Document) -> Result<Twin, RecordError> {
    let fail = |what: &dyn std::fmt::Display| damaged(&document.key, &what.to_string());
    let object = |part: &Json| match part.decode() {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(fail(&"a twin section is not an object")),
        Err(error) => Err(fail(&error)),
    };
    let body = &document.body;
    let (tags, desired, reported) = (object(&body.tags)?, object(&body.desired)?, object(&body.reported)?);
    Packed::unpack(&body.packed, tags, desired, reported).map_err(|error| fail(&error))
}

fn identity_part(identity: &Identity) -> Json {
    let prints = match &identity.authentication {
        Authentication::SelfSigned(prints) => Some(prints),
        _ => None,
    };
    let text = |print: Option<&Thumbprint>| print.map(|print| print.as_str().to_owned());
    let part = IdentityPart {
        generation: identity.generation.clone(),
        etag: identity.etag,
        status: identity.status.as_str().to_owned(),
        status_reason: identity.status_reason.clone(),
        status_updated: identity.status_updated,
        authentication_type: identity.authentication.kind().as_str().to_owned(),
        primary_thumbprint: text(prints.and_then(Thumbprints::primary)),
        secondary_thumbprint: text(prints.and_then(Thumbprints::secondary)),
        iot_edge: identity.edge,
        device_scope: identity.scope.as_ref().map(|scope| scope.as_str().to_owned()),
        parent_scopes: identity.parent_scopes.iter().map(|scope| scope.as_str().to_owned()).collect(),
        managed_by: identity.managed_by.clone(),
        model_id: identity.model.clone(),
    };
    Json::encode(&serde_json::to_value(part).expect("strings, numbers and booleans are JSON"))
}

fn json(object: &Map<String, Value>) -> Json {
    Json::encode(&Value::Object(object.clone()))
}

fn damaged(key: &Key, what: &str) -> RecordError {
    RecordError { key: format!("{}/{}", key.group, key.name), what: what.to_owned() }
}
