//! Identities as documents of the service API: what clients may send, and what they get.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    Authentication, AuthenticationError, AuthenticationKind, Identity, SymmetricKeys, Thumbprint, Thumbprints,
};
use crate::time::Timestamp;

/// Connection facts that are shown with an identity but are not part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connection {
    pub connected: bool,
    pub changed: Timestamp,
    pub last_activity: Timestamp,
    /// Commands waiting for the device.
    pub queued: u64,
}

impl Connection {
    pub fn state(&self) -> &'static str {
        if self.connected { "Connected" } else { "Disconnected" }
    }
}

/// A device or module as a client sends it. Everything may be absent or null; what only the hub
/// decides is read by nobody.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct IdentityDocument {
    pub device_id: Option<String>,
    pub module_id: Option<String>,
    pub status: Option<String>,
    pub status_reason: Option<String>,
    pub authentication: Option<AuthenticationDocument>,
    pub capabilities: Option<CapabilitiesDocument>,
    pub device_scope: Option<String>,
    pub parent_scopes: Option<Vec<String>>,
    pub managed_by: Option<String>,
    pub etag: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CapabilitiesDocument {
    pub iot_edge: Option<bool>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthenticationDocument {
    pub symmetric_key: Option<KeysDocument>,
    #[serde(rename = "x509Thumbprint")]
    pub x509_thumbprint: Option<ThumbprintsDocument>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KeysDocument {
    pub primary_key: Option<String>,
    pub secondary_key: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ThumbprintsDocument {
    pub primary_thumbprint: Option<String>,
    pub secondary_thumbprint: Option<String>,
}

impl std::fmt::Debug for AuthenticationDocument {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthenticationDocument").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl AuthenticationDocument {
    /// What the client asks for. Keys that it left open are made by `new_key`; some tools send an
    /// empty text where they mean nothing.
    pub fn read(&self, mut new_key: impl FnMut() -> String) -> Result<Authentication, AuthenticationError> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let prints = self.x509_thumbprint.clone().unwrap_or_default();
        let (first, second) = (given(&prints.primary_thumbprint), given(&prints.secondary_thumbprint));
        let kind = match given(&self.kind) {
            Some(word) => AuthenticationKind::from_wire(&word)
                .ok_or_else(|| AuthenticationError::Kind { found: word.chars().take(64).collect() })?,
            // Early clients name no type and send what they have.
            None if first.is_some() || second.is_some() => AuthenticationKind::SelfSigned,
            None => AuthenticationKind::Sas,
        };
        Ok(match kind {
            AuthenticationKind::Sas => {
                let keys = self.symmetric_key.clone().unwrap_or_default();
                let primary = given(&keys.primary_key).unwrap_or_else(&mut new_key);
                let secondary = given(&keys.secondary_key).unwrap_or_else(&mut new_key);
                Authentication::Sas(SymmetricKeys::new(primary, secondary)?)
            }
            AuthenticationKind::SelfSigned => {
                let first = first.map(|text| Thumbprint::parse("primary", &text)).transpose()?;
                let second = second.map(|text| Thumbprint::parse("secondary", &text)).transpose()?;
                Authentication::SelfSigned(Thumbprints::new(first, second)?)
            }
            AuthenticationKind::CertificateAuthority => Authentication::CertificateAuthority,
            AuthenticationKind::None => Authentication::None,
        })
    }
}

/// The authentication of an identity as clients see it; both sub-objects are always there.
pub fn authentication(authentication: &Authentication) -> Value {
    let keys = match authentication {
        Authentication::Sas(keys) => json!({"primaryKey": keys.primary(), "secondaryKey": keys.secondary()}),
        _ => json!({"primaryKey": null, "secondaryKey": null}),
    };
    json!({
        "symmetricKey": keys,
        "x509Thumbprint": thumbprints(authentication),
        "type": authentication.kind().as_str(),
    })
}

/// The thumbprints of an identity as clients see them, with nulls where it has none.
pub fn thumbprints(authentication: &Authentication) -> Value {
    let prints = match authentication {
        Authentication::SelfSigned(prints) => Some(prints),
        _ => None,
    };
    json!({
        "primaryThumbprint": prints.and_then(Thumbprints::primary).map(Thumbprint::as_str),
        "secondaryThumbprint": prints.and_then(Thumbprints::secondary).map(Thumbprint::as_str),
    })
}

/// A device as clients see it.
pub fn device_document(identity: &Identity, connection: &Connection) -> Value {
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| document.insert(name.to_owned(), value);
    put("deviceId", json!(identity.device.as_str()));
    put("generationId", json!(identity.generation));
    put("etag", json!(identity.etag_text()));
    put("connectionState", json!(connection.state()));
    put("status", json!(identity.status.as_str()));
    put("statusReason", json!(identity.status_reason));
    put("connectionStateUpdatedTime", json!(connection.changed));
    put("statusUpdatedTime", json!(identity.status_updated));
    put("lastActivityTime", json!(connection.last_activity));
    put("cloudToDeviceMessageCount", json!(connection.queued));
    put("authentication", authentication(&identity.authentication));
    put("capabilities", json!({"iotEdge": identity.edge}));
    if let Some(scope) = &identity.scope {
        put("deviceScope", json!(scope.as_str()));
    }
    put("parentScopes", parent_scopes(identity));
    document.into()
}

/// A module as clients see it.
pub fn module_document(identity: &Identity, connection: &Connection) -> Value {
    json!({
        "moduleId": identity.module.as_ref().map(crate::ModuleId::as_str),
        "managedBy": identity.managed_by,
        "deviceId": identity.device.as_str(),
        "generationId": identity.generation,
        "etag": identity.etag_text(),
        "connectionState": connection.state(),
        "connectionStateUpdatedTime": connection.changed,
        "lastActivityTime": connection.last_activity,
        "cloudToDeviceMessageCount": connection.queued,
        "authentication": authentication(&identity.authentication),
    })
}

/// The parents of an identity; always an array, because tools index into it.
pub fn parent_scopes(identity: &Identity) -> Value {
    identity.parent_scopes.iter().map(|scope| Value::from(scope.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Authentication, AuthenticationError> {
        let document: AuthenticationDocument = serde_json::from_str(text).unwrap();
        document.read(|| "AAAAAAAAAAAAAAAAAAAAAA==".to_owned())
    }

    #[test]
    fn every_client_s_way_of_asking_for_keys_is_understood() {
        let made = Authentication::Sas(
            SymmetricKeys::new("AAAAAAAAAAAAAAAAAAAAAA==".into(), "AAAAAAAAAAAAAAAAAAAAAA==".into()).unwrap(),
        );
        for text in [
            "{}",
            r#"{"type":"sas"}"#,
            r#"{"type":"SAS","symmetricKey":null}"#,
            r#"{"type":"sas","symmetricKey":{"primaryKey":"","secondaryKey":null}}"#,
            r#"{"symmetricKey":{"primaryKey":"AAAAAAAAAAAAAAAAAAAAAA=="},"x509Thumbprint":{"primaryThumbprint":""}}"#,
        ] {
            assert_eq!(read(text).as_ref(), Ok(&made), "{text}");
        }
    }

    #[test]
    fn keys_and_thumbprints_are_checked() {
        let forty = "ab".repeat(20);
        let ok = read(&format!(r#"{{"x509Thumbprint":{{"secondaryThumbprint":"{forty}"}}}}"#)).unwrap();
        assert_eq!(ok.kind(), AuthenticationKind::SelfSigned);
        for text in [
            r#"{"type":"password"}"#,
            r#"{"type":"sas","symmetricKey":{"primaryKey":"short"}}"#,
            r#"{"type":"sas","symmetricKey":{"primaryKey":"AAAA"}}"#,
            r#"{"type":"selfSigned"}"#,
            r#"{"type":"selfSigned","x509Thumbprint":{"primaryThumbprint":"xyz"}}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
