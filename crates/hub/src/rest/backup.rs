//! `GET /skerry/v1/backup`: everything this hub is made of, as one stream.
//!
//! The snapshot is taken while the hub runs. What goes into the archive is decided by who owns the
//! data directory; here it only becomes a response that cannot be mistaken for whole when it broke.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method};
use skerry_front::{Body, BodySender, Response};
use skerry_model::ErrorCode;
use tokio::runtime::Handle;

use super::{Problem, Request, path};
use crate::Hub;

/// Pieces of the archive that wait for a slow client.
const PIECES_WAITING_MAX: usize = 8;
const PIECE_BYTES: usize = 256 << 10;

/// Makes an archive of everything the hub is made of. Blocks; runs on a thread of its own.
pub trait BackupSource: Send + Sync {
    fn write_archive(&self, out: &mut dyn Write) -> io::Result<()>;
}

pub(super) fn is_asked_for(request: &Request) -> bool {
    request.head.method == Method::GET
        && path::segments(request.head.uri.path())
            .is_some_and(|segments| segments == ["skerry", "v1", "backup"])
}

impl Hub {
    pub(super) async fn stream_backup(&self, request: &Request) -> Result<Response, Problem> {
        self.authorizer.authenticate(request.header("authorization"), None).await?.require_owner()?;
        let source = self.backup.clone().ok_or_else(|| {
            Problem::new(
                ErrorCode::InvalidOperation,
                "this hub keeps its data in memory, there is nothing to back up",
            )
        })?;
        let turn = Arc::clone(&self.backup_turn).try_lock_owned().map_err(|_| {
            Problem::new(
                ErrorCode::ThrottlingException,
                "another backup is being made, try again when it is done",
            )
        })?;
        let (sender, body) = Body::stream(PIECES_WAITING_MAX);
        let runtime = Handle::current();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let mut pieces =
                Pieces { runtime: runtime.clone(), sender, piece: Vec::with_capacity(PIECE_BYTES) };
            match source.write_archive(&mut pieces).and_then(|()| pieces.flush()) {
                // A client that has gone away needs no end.
                Ok(()) => drop(runtime.block_on(pieces.sender.finish())),
                // Dropping the sender breaks the response, so that nobody keeps half an archive.
                Err(error) => tracing::error!(%error, "The backup broke off."),
            }
        });
        let mut response = Response::new(body);
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/x-tar"));
        Ok(response)
    }
}

struct Pieces {
    runtime: Handle,
    sender: BodySender,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES)));
        self.runtime
            .block_on(self.sender.send(piece))
            .map_err(|error| io::Error::new(io::ErrorKind::BrokenPipe, error))
    }
}
