//! Devices: create, update, delete, list.

use skerry_model::identity::wire::IdentityDocument;
use skerry_model::identity::{Identity, ScopeId};
use skerry_model::limits::{LISTING_MAX, STATUS_REASON_CHARS_MAX};
use skerry_model::twin::{Twin, TwinPatch};
use skerry_model::{Authentication, AuthenticationKind, DeviceId, Status, Timestamp};
use skerry_store::documents::{Action, Change, Expect, Lane, Scan};

use super::system::EDGE_RUNTIME;
use super::{CHANGE_TRIES_MAX, Precondition, Record, Registry, RegistryError, Settled};
use crate::spaces::{DEVICES, device_key};

impl Registry {
    pub async fn get_device(&self, device: &DeviceId) -> Result<Record, RegistryError> {
        self.device(device).await
    }

    /// The first devices in the order of their ids.
    pub async fn list_devices(&self, top: usize) -> Result<Vec<Record>, RegistryError> {
        let limit = top.min(LISTING_MAX);
        let scan = Scan { limit, at_least: Some(self.documents.revision()), ..Scan::all(DEVICES) };
        self.collect(scan, limit).await
    }

    /// Creates the device, or with a precondition updates it.
    pub async fn put_device(
        &self,
        device: &DeviceId,
        document: &IdentityDocument,
        precondition: &Precondition,
    ) -> Result<Record, RegistryError> {
        match precondition {
            Precondition::None => {
                self.create_device(device, document, &TwinPatch::default(), Lane::Interactive).await
            }
            _ => self.update_device(device, document, precondition, Lane::Interactive).await,
        }
    }

    pub(super) async fn create_device(
        &self,
        device: &DeviceId,
        document: &IdentityDocument,
        twin_start: &TwinPatch,
        lane: Lane,
    ) -> Result<Record, RegistryError> {
        let now = self.clock.now();
        let generation = self.new_generation();
        let mut identity = Identity::new(device.clone(), None, generation, self.new_etag());
        self.apply_document(&mut identity, document, now)?;
        identity.status_updated = Timestamp::NEVER;
        if identity.edge {
            identity.scope = Some(ScopeId::for_edge(device, generation));
        }
        self.apply_scopes(&mut identity, document).await?;
        let mut twin = Twin::new(now);
        twin.patch(twin_start, now)?;
        let mut record = Record { identity, twin, revision: self.documents.revision() };
        let mut changes = vec![self.put(&record, Expect::Absent)?];
        if record.identity.edge {
            changes.extend(self.system_modules(&record, now)?);
        }
        match self.settle(device, changes, lane).await? {
            Settled::Committed => {
                record.revision = self.documents.revision();
                Ok(record)
            }
            Settled::Conflict => Err(RegistryError::DeviceExists { device: device.to_string() }),
        }
    }

    pub(super) async fn update_device(
        &self,
        device: &DeviceId,
        document: &IdentityDocument,
        precondition: &Precondition,
        lane: Lane,
    ) -> Result<Record, RegistryError> {
        for _ in 0..CHANGE_TRIES_MAX {
            let before = self.device(device).await?;
            precondition.check(&before.identity.etag_text())?;
            let now = self.clock.now();
            let mut record = before.clone();
            self.apply_document(&mut record.identity, document, now)?;
            self.apply_capability(&before.identity, &mut record.identity);
            self.apply_scopes(&mut record.identity, document).await?;
            record.identity.etag += 1;
            let update = record.identity_update(&self.sealer)?;
            let mut changes = vec![Change {
                key: record.key(),
                expect: Expect::Revision(before.revision),
                action: Action::Update(update),
                note: Vec::new(),
            }];
            if record.identity.edge && !before.identity.edge {
                self.check_room(device, EDGE_RUNTIME.len()).await?;
                changes.extend(self.system_modules(&record, now)?);
            }
            if before.identity.edge && !record.identity.edge {
                changes.extend(self.system_modules_removal(device).await?);
            }
            if let Settled::Committed = self.settle(device, changes, lane).await? {
                if before.identity.edge && !record.identity.edge {
                    self.forget_system_modules(device);
                }
                return Ok(record);
            }
        }
        Err(RegistryError::Contended)
    }

    pub async fn delete_device(
        &self,
        device: &DeviceId,
        precondition: &Precondition,
    ) -> Result<(), RegistryError> {
        for _ in 0..CHANGE_TRIES_MAX {
            let record = self.device(device).await?;
            precondition.check(&record.identity.etag_text())?;
            let modules = self.collect(self.modules_of(device), usize::MAX).await?;
            let change = Change {
                key: device_key(device),
                expect: Expect::Revision(record.revision),
                action: Action::DeleteGroup,
                note: Vec::new(),
            };
            if let Settled::Committed = self.settle(device, vec![change], Lane::Interactive).await? {
                modules.iter().chain([&record]).for_each(|gone| self.connections.forget(&gone.key()));
                return Ok(());
            }
        }
        Err(RegistryError::Contended)
    }

    /// Applies what a client may decide of any identity. What it leaves out of an update stays:
    /// a client that sends no keys does not want to lose the present ones.
    pub(super) fn apply_document(
        &self,
        identity: &mut Identity,
        document: &IdentityDocument,
        now: Timestamp,
    ) -> Result<(), RegistryError> {
        if let Some(word) = &document.status {
            let status = Status::from_wire(word).ok_or_else(|| RegistryError::Invalid {
                what: format!(
                    "{:?} is not a status, use enabled or disabled",
                    word.chars().take(64).collect::<String>()
                ),
            })?;
            if status != identity.status {
                identity.status = status;
                identity.status_updated = now;
            }
        }
        if let Some(reason) = &document.status_reason {
            let chars = reason.chars().count();
            if chars > STATUS_REASON_CHARS_MAX {
                return Err(RegistryError::StatusReason { chars });
            }
        }
        identity.status_reason = document.status_reason.clone().filter(|reason| !reason.is_empty());
        if let Some(edge) = document.capabilities.as_ref().and_then(|capabilities| capabilities.iot_edge) {
            identity.edge = edge;
        }
        let wanted = document.authentication.clone().unwrap_or_default();
        let asks =
            wanted.kind.is_some() || wanted.symmetric_key.is_some() || wanted.x509_thumbprint.is_some();
        if asks || identity.authentication == Authentication::None {
            let mut present = match &identity.authentication {
                Authentication::Sas(keys) => vec![keys.secondary().to_owned(), keys.primary().to_owned()],
                _ => Vec::new(),
            };
            let keys = wanted.symmetric_key.clone().unwrap_or_default();
            let all_open = [keys.primary_key, keys.secondary_key].iter().flatten().all(String::is_empty);
            if !all_open {
                present.clear();
            }
            let authentication = wanted.read(|| present.pop().unwrap_or_else(|| self.new_key()))?;
            if authentication.kind() == AuthenticationKind::None && identity.module.is_none() {
                return Err(RegistryError::Invalid {
                    what: "a device cannot have the authentication type none, use sas, selfSigned or certificateAuthority".into(),
                });
            }
            identity.authentication = authentication;
        }
        Ok(())
    }

    /// The change that writes a new document for `record`.
    pub(super) fn put(&self, record: &Record, expect: Expect) -> Result<Change, RegistryError> {
        let action = Action::Put(record.body(&self.sealer)?);
        Ok(Change { key: record.key(), expect, action, note: Vec::new() })
    }

    /// Reads pages until `limit` records or the end.
    pub(super) async fn collect(&self, mut scan: Scan, limit: usize) -> Result<Vec<Record>, RegistryError> {
        let mut records = Vec::new();
        while records.len() < limit {
            scan.limit = limit - records.len();
            let page = self.documents.scan(scan.clone()).await?;
            for document in &page.documents {
                records.push(Record::read(document, &self.sealer)?);
            }
            match page.next {
                Some(next) => scan.after = Some(next),
                None => break,
            }
        }
        Ok(records)
    }
}
