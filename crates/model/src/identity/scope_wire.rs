//! Identities as edge hubs learn them to let devices and modules in by themselves.

use serde_json::{Value, json};

use super::{Authentication, Identity, Thumbprint, Thumbprints};

/// An answer with these identities; every member is there, whatever it is.
pub fn answer<'i>(
    devices: impl Iterator<Item = &'i Identity>,
    modules: impl Iterator<Item = &'i Identity>,
    continuation: Option<&str>,
) -> Value {
    json!({
        "devices": devices.map(device).collect::<Vec<_>>(),
        "modules": modules.map(module).collect::<Vec<_>>(),
        "continuationLink": continuation,
    })
}

/// A device in a scope.
fn device(identity: &Identity) -> Value {
    json!({
        "deviceId": identity.device.as_str(),
        "generationId": identity.generation,
        "status": identity.status.as_str(),
        "authentication": authentication(&identity.authentication),
        "capabilities": {"iotEdge": identity.edge},
        "deviceScope": identity.scope.as_ref().map(super::ScopeId::as_str),
        "parentScopes": super::wire::parent_scopes(identity),
    })
}

/// A module of a device in a scope.
fn module(identity: &Identity) -> Value {
    json!({
        "deviceId": identity.device.as_str(),
        "moduleId": identity.module.as_ref().map(crate::ModuleId::as_str),
        "generationId": identity.generation,
        "managedBy": identity.managed_by,
        "authentication": authentication(&identity.authentication),
    })
}

/// Only what the type needs: the rest is null.
fn authentication(authentication: &Authentication) -> Value {
    let (keys, prints) = match authentication {
        Authentication::Sas(keys) => {
            (json!({"primaryKey": keys.primary(), "secondaryKey": keys.secondary()}), Value::Null)
        }
        Authentication::SelfSigned(prints) => (Value::Null, thumbprints(prints)),
        Authentication::CertificateAuthority | Authentication::None => (Value::Null, Value::Null),
    };
    json!({"type": authentication.kind().as_str(), "symmetricKey": keys, "x509Thumbprint": prints})
}

fn thumbprints(prints: &Thumbprints) -> Value {
    json!({
        "primaryThumbprint": prints.primary().map(Thumbprint::as_str),
        "secondaryThumbprint": prints.secondary().map(Thumbprint::as_str),
    })
}
