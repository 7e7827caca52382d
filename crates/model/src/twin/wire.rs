//! Twins as documents of the service API.

use serde_json::{Map, Value, json};

use super::{Section, Twin, TwinError, TwinPatch};
use crate::identity::{Identity, wire};

/// Reads what a client sends to change a twin.
pub struct TwinDocument;

impl TwinDocument {
    /// Takes `tags` and `properties.desired` and nothing else: tools send back the whole twin that
    /// they read. `$metadata` and `$version` inside desired are dropped for the same reason.
    pub fn read(document: &Value) -> Result<TwinPatch, TwinError> {
        let document = document.as_object().ok_or_else(|| not_an_object("the twin"))?;
        let tags = section(document.get("tags"), "tags")?;
        let properties = section(document.get("properties"), "properties")?.unwrap_or_default();
        let desired = section(properties.get("desired"), "properties.desired")?.map(|mut desired| {
            desired.shift_remove("$metadata");
            desired.shift_remove("$version");
            desired
        });
        Ok(TwinPatch { tags, desired })
    }
}

/// A section that is absent or null was not sent.
fn section(value: Option<&Value>, path: &str) -> Result<Option<Map<String, Value>>, TwinError> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object.clone())),
        Some(_) => Err(not_an_object(path)),
    }
}

fn not_an_object(path: &str) -> TwinError {
    TwinError::NotAnObject { path: path.to_owned() }
}

/// A twin as its own device or module sees it.
pub fn device_document(twin: &Twin) -> Value {
    let section = |section: &Section| {
        let mut properties = section.properties().clone();
        properties.insert("$version".to_owned(), json!(section.version()));
        properties
    };
    json!({"desired": section(&twin.desired), "reported": section(&twin.reported)})
}

/// A twin as clients see it, with the identity facts that they find in it.
pub fn twin_document(identity: &Identity, twin: &Twin, connection: &wire::Connection) -> Map<String, Value> {
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
    put("deviceId", json!(identity.device.as_str()));
    if let Some(module) = &identity.module {
        put("moduleId", json!(module.as_str()));
    }
    put("etag", json!(twin.etag_text()));
    put("deviceEtag", json!(identity.etag_text()));
    put("status", json!(identity.status.as_str()));
    put("statusReason", json!(identity.status_reason));
    put("statusUpdateTime", json!(identity.status_updated));
    put("connectionState", json!(connection.state()));
    put("lastActivityTime", json!(connection.last_activity));
    put("cloudToDeviceMessageCount", json!(connection.queued));
    put("authenticationType", json!(identity.authentication.kind().as_str()));
    put("x509Thumbprint", wire::thumbprints(&identity.authentication));
    put("modelId", json!(identity.model));
    put("version", json!(twin.version));
    put("tags", Value::Object(twin.tags.clone()));
    put("properties", json!({"desired": twin.desired.render(), "reported": twin.reported.render()}));
    if identity.module.is_none() {
        put("capabilities", json!({"iotEdge": identity.edge}));
        if let Some(scope) = &identity.scope {
            put("deviceScope", json!(scope.as_str()));
        }
        put("parentScopes", wire::parent_scopes(identity));
    }
    document
}
