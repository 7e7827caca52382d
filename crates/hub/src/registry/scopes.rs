//! Parents: an edge device has a scope of its own, its children name it.

use skerry_model::identity::wire::IdentityDocument;
use skerry_model::identity::{Identity, ScopeId};
use skerry_model::limits::PARENT_SCOPES_MAX;

use super::{Registry, RegistryError};
use crate::spaces::device_key;

impl Registry {
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
            // Removing a parent is an empty device scope; tools send the old parent list along.
            match document.device_scope.as_deref() {
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
        match self.read(&device_key(&parent)).await? {
            Some(record) if record.identity.edge && record.identity.scope.as_ref() == Some(scope) => Ok(()),
            Some(record) if record.identity.edge => refuse("is not the present scope of that edge device"),
            Some(_) => refuse("names a device that is not an edge device"),
            None => refuse("names an edge device that is not registered"),
        }
    }
}
