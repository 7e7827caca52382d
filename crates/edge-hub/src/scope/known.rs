//! An identity in the scope of this device, as its hub tells it.

use serde::{Deserialize, Serialize};
use skerry_model::identity::{Authentication, AuthenticationKind, SymmetricKeys, Thumbprint, Thumbprints};
use skerry_model::{DeviceId, IdentityId, Status};

/// What is known of an identity.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    pub id: IdentityId,
    pub generation: String,
    pub status: Status,
    pub authentication: Authentication,
    pub is_edge: bool,
    /// The scope that an edge device is the head of.
    pub scope: Option<String>,
    /// Of the edge devices that it is right behind.
    pub parents: Vec<String>,
}

/// The wire's form, which is kept as well.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Item {
    device_id: String,
    module_id: Option<String>,
    generation_id: Option<String>,
    status: Option<String>,
    authentication: Option<ItemAuthentication>,
    capabilities: Option<Capabilities>,
    device_scope: Option<String>,
    parent_scopes: Option<Vec<String>>,
}

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct ItemAuthentication {
    #[serde(rename = "type")]
    kind: Option<String>,
    symmetric_key: Option<Keys>,
    x509_thumbprint: Option<Prints>,
}

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Keys {
    primary_key: Option<String>,
    secondary_key: Option<String>,
}

#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Prints {
    primary_thumbprint: Option<String>,
    secondary_thumbprint: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
struct Capabilities {
    iot_edge: bool,
}

/// One page of an answer.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Page {
    pub(super) devices: Option<Vec<Item>>,
    pub(super) modules: Option<Vec<Item>>,
    pub(super) continuation_link: Option<String>,
}

impl Item {
    /// `None` for what has no id that can be.
    pub(super) fn read(self) -> Option<Known> {
        let device: DeviceId = self.device_id.parse().ok()?;
        let module = match self.module_id.as_deref().filter(|id| !id.is_empty()) {
            Some(module) => Some(module.parse().ok()?),
            None => None,
        };
        let scope = self.device_scope.filter(|scope| !scope.is_empty());
        let is_edge = self.capabilities.is_some_and(|capabilities| capabilities.iot_edge);
        let mut parents = self.parent_scopes.unwrap_or_default();
        // Hubs that know no parents say of a leaf whose scope it is in.
        if parents.is_empty() && !is_edge {
            parents.extend(scope.clone());
        }
        Some(Known {
            id: IdentityId { device, module },
            generation: self.generation_id.unwrap_or_default(),
            status: self.status.as_deref().and_then(Status::from_wire).unwrap_or_default(),
            authentication: self.authentication.map_or(Authentication::None, read_authentication),
            is_edge,
            scope: scope.filter(|_| is_edge),
            parents,
        })
    }

    /// The form in which it is kept.
    pub(crate) fn of(known: &Known) -> Self {
        let symmetric_key = match &known.authentication {
            Authentication::Sas(keys) => Some(Keys {
                primary_key: Some(keys.primary().to_owned()),
                secondary_key: Some(keys.secondary().to_owned()),
            }),
            _ => None,
        };
        let x509_thumbprint = match &known.authentication {
            Authentication::SelfSigned(prints) => Some(Prints {
                primary_thumbprint: prints.primary().map(|print| print.as_str().to_owned()),
                secondary_thumbprint: prints.secondary().map(|print| print.as_str().to_owned()),
            }),
            _ => None,
        };
        Self {
            device_id: known.id.device.to_string(),
            module_id: known.id.module.as_ref().map(ToString::to_string),
            generation_id: Some(known.generation.clone()),
            status: Some(known.status.as_str().to_owned()),
            authentication: Some(ItemAuthentication {
                kind: Some(known.authentication.kind().as_str().to_owned()),
                symmetric_key,
                x509_thumbprint,
            }),
            capabilities: Some(Capabilities { iot_edge: known.is_edge }),
            // Of a leaf it is that of whom it is behind.
            device_scope: known.scope.clone().or_else(|| known.parents.first().cloned()),
            parent_scopes: Some(known.parents.clone()),
        }
    }
}

/// What cannot be used lets nobody in.
fn read_authentication(item: ItemAuthentication) -> Authentication {
    let kind = item.kind.as_deref().and_then(AuthenticationKind::from_wire);
    let read = match kind {
        Some(AuthenticationKind::Sas) => item.symmetric_key.and_then(|keys| {
            let primary = keys.primary_key?;
            let secondary =
                keys.secondary_key.filter(|key| !key.is_empty()).unwrap_or_else(|| primary.clone());
            SymmetricKeys::new(primary, secondary).ok().map(Authentication::Sas)
        }),
        Some(AuthenticationKind::SelfSigned) => item.x509_thumbprint.and_then(|prints| {
            let print = |text: Option<String>| Thumbprint::parse("", &text?).ok();
            Thumbprints::new(print(prints.primary_thumbprint), print(prints.secondary_thumbprint))
                .ok()
                .map(Authentication::SelfSigned)
        }),
        Some(AuthenticationKind::CertificateAuthority) => Some(Authentication::CertificateAuthority),
        _ => None,
    };
    read.unwrap_or(Authentication::None)
}
