//! The uploads of a device: one document with what is pending and what was told lately.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use skerry_model::{DeviceId, Timestamp};
use skerry_store::blobs::Stored;
use skerry_store::documents::{Action, Body, Change, Commit, Expect, Json, Revision};

use super::notices::{Added, Notice};
use super::{BlobName, FileError, Files, Permissions};
use crate::registry::{RegistryError, Settled, settle};
use crate::spaces::{device_key, uploads_key};

/// Uploads of one device that are neither finished nor expired.
const PENDING_MAX: usize = 10;
/// Finished uploads that are remembered, because an answer may be lost on its way.
const TOLD_MAX: usize = 10;
/// Times that one operation starts over because somebody else changed the same document.
const TRIES_MAX: usize = 32;

/// What a device needs to write its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    pub correlation: String,
    pub blob: BlobName,
    /// For after the blob's address.
    pub link: String,
}

/// How the device says that it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub success: bool,
    pub status: Option<i64>,
    pub description: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct Uploads {
    pending: Vec<Pending>,
    /// Correlation ids, the oldest first.
    told: Vec<String>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Pending {
    correlation: String,
    blob: String,
    begun: Timestamp,
    ends: Timestamp,
}

impl Files {
    /// Lets the device write a blob.
    pub async fn begin(&self, device: &DeviceId, file: &str) -> Result<Begun, FileError> {
        let shared = &self.0;
        let blob = BlobName::new(device, file)?;
        let (figures, bytes_max) = (shared.blobs.figures(), shared.blobs.limits().bytes_max);
        if figures.blob_bytes + figures.blocks_waiting_bytes + figures.writing_bytes >= bytes_max {
            return Err(FileError::NoRoom { bytes_max });
        }
        let mut id = [0; 16];
        shared.random.fill(&mut id);
        let correlation = format!("{:032x}", u128::from_be_bytes(id));
        let begun = shared.clock.now();
        let ends = begun.plus(shared.link_life);
        let pending = Pending { correlation: correlation.clone(), blob: blob.to_string(), begun, ends };
        for _ in 0..TRIES_MAX {
            let (mut uploads, revision) = self.uploads(device).await?;
            uploads.pending.retain(|pending| begun < pending.ends);
            if uploads.pending.len() >= PENDING_MAX {
                return Err(FileError::TooManyUploads { max: PENDING_MAX });
            }
            uploads.pending.push(pending.clone());
            if self.write(device, &uploads, revision, None).await? {
                shared.counts.begun.fetch_add(1, Ordering::Relaxed);
                let link = self.link(&blob, Permissions::UPLOAD);
                return Ok(Begun { correlation, blob, link });
            }
        }
        Err(RegistryError::Contended.into())
    }

    /// Ends an upload. The second time it is told the same, and nobody else hears of it.
    pub async fn complete(
        &self,
        device: &DeviceId,
        correlation: &str,
        outcome: &Outcome,
        host: &str,
    ) -> Result<(), FileError> {
        let shared = &self.0;
        for _ in 0..TRIES_MAX {
            let (mut uploads, revision) = self.uploads(device).await?;
            let Some(at) = uploads.pending.iter().position(|pending| pending.correlation == correlation)
            else {
                let known = uploads.told.iter().any(|told| told == correlation);
                return if known { Ok(()) } else { Err(FileError::UnknownUpload) };
            };
            let pending = uploads.pending.remove(at);
            let now = shared.clock.now();
            if now >= pending.ends {
                return Err(FileError::ExpiredUpload { blob: pending.blob });
            }
            let notice = match outcome.success {
                true => Some(self.notice(device, &pending, now, host).await?),
                false => None,
            };
            let added = match (&shared.notices, notice) {
                (Some(notices), Some(notice)) => Some(notices.prepare(device, &notice)),
                _ => None,
            };
            uploads.told.push(pending.correlation);
            let surplus = uploads.told.len().saturating_sub(TOLD_MAX);
            uploads.told.drain(..surplus);
            if self.write(device, &uploads, revision, added.as_ref()).await? {
                if let (Some(notices), Some(added)) = (&shared.notices, added) {
                    notices.add(added).await;
                }
                let counts = &shared.counts;
                let count = if outcome.success { &counts.succeeded } else { &counts.failed };
                count.fetch_add(1, Ordering::Relaxed);
                if !outcome.success {
                    let (status, text) = (outcome.status, outcome.description.as_deref().unwrap_or_default());
                    tracing::info!(%device, blob = pending.blob, status, text, "A device says that its upload failed.");
                }
                return Ok(());
            }
        }
        Err(RegistryError::Contended.into())
    }

    async fn notice(
        &self,
        device: &DeviceId,
        pending: &Pending,
        now: Timestamp,
        host: &str,
    ) -> Result<Notice, FileError> {
        let found: Option<Stored> = self.0.blobs.find(&pending.blob).await?;
        let stored = found.filter(|stored| stored.modified >= pending.begun);
        let stored = stored.ok_or_else(|| FileError::BlobMissing { blob: pending.blob.clone() })?;
        Ok(Notice::new(device, host, &stored, now))
    }

    async fn uploads(&self, device: &DeviceId) -> Result<(Uploads, Option<Revision>), FileError> {
        let documents = &self.0.documents;
        let keys = [device_key(device), uploads_key(device)];
        let found = documents.get_many(&keys, Some(documents.revision())).await;
        let mut found = found.map_err(RegistryError::from)?.into_iter();
        let (registered, uploads) = (found.next().flatten(), found.next().flatten());
        if registered.is_none() {
            return Err(RegistryError::DeviceNotFound { device: device.to_string() }.into());
        }
        let Some(document) = uploads else { return Ok((Uploads::default(), None)) };
        // What this process cannot read, it cannot have promised to anybody.
        let value = document.body.identity.decode().unwrap_or_default();
        Ok((serde_json::from_value(value).unwrap_or_default(), Some(document.revision)))
    }

    /// False when somebody else was faster.
    async fn write(
        &self,
        device: &DeviceId,
        uploads: &Uploads,
        revision: Option<Revision>,
        added: Option<&Added>,
    ) -> Result<bool, FileError> {
        let value = serde_json::to_value(uploads).expect("texts and times are JSON");
        let expect = revision.map_or(Expect::Absent, Expect::Revision);
        let change = |key, expect, action| Change { key, expect, action, note: Vec::new() };
        let body = Body { identity: Json::encode(&value), ..Body::default() };
        let mut changes = vec![
            // A device that is deleted meanwhile leaves nothing behind.
            change(device_key(device), Expect::Present, Action::Check),
            change(uploads_key(device), expect, Action::Put(body)),
        ];
        changes.extend(added.map(Added::change));
        let commit = Commit::new(device.as_str(), changes);
        Ok(matches!(settle(self.0.documents.as_ref(), commit).await?, Settled::Committed))
    }
}
