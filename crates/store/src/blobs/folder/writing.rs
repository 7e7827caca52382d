//! Bytes on their way into the folder: a file aside, until they become a blob or a block.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;

use super::super::limits::{check_attributes, check_block_id};
use super::super::{Attributes, BlockId, Expect, Stored, WriteError, Writing};
use super::files::{self, is_full};
use super::settle::Written;
use super::{Shared, writing};
use crate::documents::Answer;

pub(super) struct File {
    name: String,
    file: tokio::fs::File,
    /// The next member is dropped after it.
    aside: Aside,
    bytes: u64,
    sum: crc32fast::Hasher,
}

/// A file that goes away, with the room for it, unless it got its place.
pub(super) struct Aside {
    shared: Arc<Shared>,
    pub(super) path: PathBuf,
    reserved: u64,
    pub(super) is_placed: bool,
}

impl Aside {
    fn reserve(&mut self, bytes: u64) -> Result<(), WriteError> {
        let limits = &self.shared.limits;
        if self.reserved.saturating_add(bytes) > limits.blob_bytes_max {
            return Err(WriteError::BlobTooLarge { bytes_max: limits.blob_bytes_max });
        }
        self.shared.index().reserve(bytes, limits)?;
        self.reserved += bytes;
        Ok(())
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        self.shared.index().release(self.reserved);
        if !self.is_placed
            && let Err(error) = files::remove(&self.path)
        {
            // The next opening tries again.
            tracing::warn!(%error, "A file that was not finished could not be removed.");
        }
    }
}

pub(super) fn failed(error: &std::io::Error) -> WriteError {
    match is_full(error) {
        true => WriteError::DiskFull,
        false => WriteError::Failed { what: error.to_string() },
    }
}

impl File {
    pub(super) async fn begin(
        shared: &Arc<Shared>,
        name: &str,
        declared: Option<u64>,
    ) -> Result<Self, WriteError> {
        let number = shared.index().next_number();
        let path = shared.place.writing().join(format!("{number:x}"));
        let mut aside = Aside { shared: Arc::clone(shared), path, reserved: 0, is_placed: false };
        aside.reserve(declared.unwrap_or(0))?;
        let path = aside.path.clone();
        let file = writing(move || files::create(&path).map_err(|error| failed(&error))).await?;
        let file = tokio::fs::File::from_std(file);
        Ok(Self { name: name.to_owned(), file, aside, bytes: 0, sum: crc32fast::Hasher::new() })
    }

    /// Its bytes are durable after this, its place is not.
    async fn synced(mut self) -> Result<(String, Written), WriteError> {
        self.file.flush().await.map_err(|error| failed(&error))?;
        self.file.sync_all().await.map_err(|error| failed(&error))?;
        Ok((self.name, Written { aside: self.aside, bytes: self.bytes, sum: self.sum.finalize() }))
    }
}

impl Writing for File {
    fn write(&mut self, bytes: Bytes) -> Answer<'_, (), WriteError> {
        Box::pin(async move {
            let after = self.bytes + bytes.len() as u64;
            if after > self.aside.reserved {
                self.aside.reserve(after - self.aside.reserved)?;
            }
            self.file.write_all(&bytes).await.map_err(|error| failed(&error))?;
            self.sum.update(&bytes);
            self.bytes = after;
            Ok(())
        })
    }

    fn into_blob(
        self: Box<Self>,
        attributes: Attributes,
        expect: Expect,
    ) -> Answer<'static, Stored, WriteError> {
        Box::pin(async move {
            check_attributes(&attributes)?;
            let shared = Arc::clone(&self.aside.shared);
            let (name, written) = self.synced().await?;
            writing(move || shared.place_blob(&name, written, attributes, expect)).await
        })
    }

    fn into_block(self: Box<Self>, id: BlockId) -> Answer<'static, (), WriteError> {
        Box::pin(async move {
            check_block_id(&id)?;
            let shared = Arc::clone(&self.aside.shared);
            let (name, written) = self.synced().await?;
            writing(move || shared.place_block(&name, written, id)).await
        })
    }
}
