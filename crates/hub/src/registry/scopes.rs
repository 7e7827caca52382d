//! Parents: an edge device has a scope of its own, its children name it.

use skerry_model::identity::wire::IdentityDocument;
use skerry_model::identity::{AuthChain, Identity, ScopeId};
use skerry_model::limits::{EDGE_GENERATIONS_MAX, PARENT_SCOPES_MAX};
use skerry_model::{DeviceId, Status};
use skerry_store::documents::{CommitError, Comparison, Field, Literal, Narrow, Part, Position, Scan, Step};

use super::{Record, Registry, RegistryError};
use crate::spaces::{DEVICES, device_key};

/// A piece of what is behind an edge device.
#[derive(Debug)]
pub struct Children {
    pub devices: Vec<Record>,
    /// The device behind which to go on; `None` at the end.
    pub next: Option<String>,
}

impl Registry {
    /// Asks the store to find children by their parent, however many devices there are.
    pub async fn declare_indexes(&self) -> Result<(), CommitError> {
        self.documents.declare_index(DEVICES, &[parent_field()]).await
    }

    /// Devices right behind the edge device with this scope, in the order of their ids. A piece may be empty and
    /// still not be the last.
    pub async fn children(
        &self,
        scope: &ScopeId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Children, RegistryError> {
        let position = |device: &str| Position { group: device.to_owned(), name: String::new() };
        let literal = Literal::Text(scope.as_str().to_owned());
        let scan = Scan {
            narrow: Narrow::Compare { field: parent_field(), comparison: Comparison::Equal, literal },
            after: after.map(position),
            limit,
            at_least: Some(self.documents.revision()),
            ..Scan::all(DEVICES)
        };
        let page = self.documents.scan(scan).await?;
        let read = |document| Record::read(document, &self.sealer);
        let devices = page.documents.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Children { devices, next: page.next.map(|next| next.group) })
    }

    /// Whether `device` is the edge device `ancestor` or somewhere behind it, with nobody disabled between them.
    pub async fn is_within(&self, device: &Record, ancestor: &Record) -> Result<bool, RegistryError> {
        let mut below = device.clone();
        for _ in 0..=EDGE_GENERATIONS_MAX {
            if below.identity.device == ancestor.identity.device {
                return Ok(true);
            }
            match self.parent(&below.identity).await? {
                Some(parent) if parent.identity.status == Status::Enabled => below = parent,
                _ => break,
            }
        }
        Ok(false)
    }

    /// The record of the device that the chain means, when every device in it is behind the next at this moment, and
    /// all are enabled.
    pub async fn target_of(&self, chain: &AuthChain) -> Result<Option<Record>, RegistryError> {
        let mut devices = Vec::with_capacity(chain.devices().len());
        for device in chain.devices() {
            match self.read(&device_key(device)).await? {
                Some(record) if record.identity.status == Status::Enabled => devices.push(record),
                _ => return Ok(None),
            }
        }
        let is_behind = |pair: &[Record]| {
            let (child, parent) = (&pair[0].identity, &pair[1].identity);
            parent.edge && parent.scope.as_ref().is_some_and(|scope| child.parent_scopes.contains(scope))
        };
        let holds = devices.windows(2).all(is_behind);
        Ok(holds.then(|| devices.swap_remove(0)))
    }

    /// Applies the scopes that a client sends. An edge device keeps its own scope and may name one
    /// parent; a leaf's scope is its parent's, whichever of the two fields says so.
    pub(super) async fn apply_scopes(
        &self,
        identity: &mut Identity,
        document: &IdentityDocument,
    ) -> Result<(), RegistryError> {
        let parents: Option<Vec<&str>> = document
            .parent_scopes
            .as_ref()
            .map(|list| list.iter().map(String::as_str).filter(|text| !text.is_empty()).collect());
        if parents.as_ref().is_some_and(|list| list.len() > PARENT_SCOPES_MAX) {
            return Err(RegistryError::Scope {
                what: format!("at most {PARENT_SCOPES_MAX} parent is allowed"),
            });
        }
        let first = parents.as_ref().and_then(|list| list.first().copied());
        let parent = if identity.edge {
            parents.as_ref().map(|_| first)
        } else {
            // Removing a parent is an empty device scope; tools send the old parent list along. They also send the
            // scope that a device had while it was an edge device, which is nobody's parent.
            match document.device_scope.as_deref().filter(|scope| !is_own(scope, &identity.device)) {
                Some(scope) => Some(Some(scope).filter(|scope| !scope.is_empty())),
                None => parents.as_ref().map(|_| first),
            }
        };
        let Some(parent) = parent else {
            return Ok(());
        };
        let parent = parent.map(ScopeId::parse).transpose()?;
        let known = parent.as_ref().is_some_and(|scope| identity.parent_scopes.contains(scope));
        if let (Some(scope), false) = (&parent, known) {
            self.check_parent(identity, scope).await?;
        }
        if !identity.edge {
            identity.scope.clone_from(&parent);
        }
        identity.parent_scopes = parent.into_iter().collect();
        Ok(())
    }

    async fn check_parent(&self, identity: &Identity, scope: &ScopeId) -> Result<(), RegistryError> {
        let refuse = |what: &str| Err(RegistryError::Scope { what: format!("{scope} {what}") });
        let Some(parent) = scope.parent() else {
            return refuse("names no edge device");
        };
        if parent == identity.device {
            return refuse("is the device's own");
        }
        let mut above = match self.read(&device_key(&parent)).await? {
            Some(record) if record.identity.edge && record.identity.scope.as_ref() == Some(scope) => record,
            Some(record) if record.identity.edge => {
                return refuse("is not the present scope of that edge device");
            }
            Some(_) => return refuse("names a device that is not an edge device"),
            None => return refuse("names an edge device that is not registered"),
        };
        let mut generations = 1 + usize::from(identity.edge);
        while let Some(next) = self.parent(&above.identity).await? {
            if next.identity.device == identity.device {
                return refuse("is behind the device itself");
            }
            generations += 1;
            if generations > EDGE_GENERATIONS_MAX {
                return Err(RegistryError::Scope {
                    what: format!("at most {EDGE_GENERATIONS_MAX} edge devices can stand behind each other"),
                });
            }
            above = next;
        }
        Ok(())
    }

    /// The edge device that `identity` is behind, when it is still there with the same scope.
    async fn parent(&self, identity: &Identity) -> Result<Option<Record>, RegistryError> {
        let Some((scope, parent)) =
            identity.parent_scopes.first().and_then(|scope| Some((scope, scope.parent()?)))
        else {
            return Ok(None);
        };
        let found = self.read(&device_key(&parent)).await?;
        Ok(found.filter(|record| record.identity.edge && record.identity.scope.as_ref() == Some(scope)))
    }
}

/// Where a device's document holds its parent.
fn parent_field() -> Field {
    Field::In(Part::Identity, vec![Step::Name("parentScopes".into()), Step::Index(0)])
}

fn is_own(scope: &str, device: &DeviceId) -> bool {
    ScopeId::parse(scope).ok().and_then(|scope| scope.parent()).as_ref() == Some(device)
}
