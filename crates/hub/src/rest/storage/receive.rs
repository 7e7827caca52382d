//! Bytes on their way from a client into the store, with the sums that it says they have.

use skerry_store::blobs::{Blobs, Writing};

use super::Upload;
use super::call::Call;
use super::fault::{Code, Fault};
use crate::files::{Crc64, Md5};

/// What was received, and that it is what was sent.
pub(super) struct Received {
    pub(super) writing: Box<dyn Writing>,
    pub(super) sums: Sums,
}

/// In base64.
pub(super) struct Sums {
    pub(super) md5: String,
    pub(super) crc64: String,
}

impl Sums {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let (mut md5, mut crc64) = (Md5::default(), Crc64::default());
        md5.update(bytes);
        crc64.update(bytes);
        Self { md5: md5.finish(), crc64: crc64.finish() }
    }

    pub(super) fn check(&self, call: &Call<'_>) -> Result<(), Fault> {
        if call.header("content-md5").is_some_and(|sent| sent != self.md5) {
            return Err(Fault::new(
                Code::Md5Mismatch,
                "the bytes do not have the MD5 that was sent; send them again",
            ));
        }
        if call.header("x-ms-content-crc64").is_some_and(|sent| sent != self.crc64) {
            return Err(Fault::new(
                Code::Crc64Mismatch,
                "the bytes do not have the CRC64 that was sent; send them again",
            ));
        }
        Ok(())
    }
}

pub(super) async fn receive(blobs: &dyn Blobs, call: &Call<'_>, mut body: Upload) -> Result<Received, Fault> {
    let mut writing = blobs.write(&call.blob, body.declared()).await?;
    let (mut md5, mut crc64) = (Md5::default(), Crc64::default());
    while let Some(piece) = body.next().await? {
        md5.update(&piece);
        crc64.update(&piece);
        writing.write(piece).await?;
    }
    let sums = Sums { md5: md5.finish(), crc64: crc64.finish() };
    sums.check(call)?;
    Ok(Received { writing, sums })
}

/// All of a small body.
pub(super) async fn collect(mut body: Upload, bytes_max: usize) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.next().await? {
        if bytes.len() + piece.len() > bytes_max {
            return Err(Fault::new(
                Code::RequestBodyTooLarge,
                format!("the body has more than {bytes_max} bytes"),
            ));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}
