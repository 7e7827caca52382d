//! AMQP over any stream of bytes: devices for a [`DeviceService`], everything else for a [`LinkService`].
//!
//! | what a client may do | bound | overflow |
//! |---|---|---|
//! | prove nothing | `unproven_timeout` | closed |
//! | send large frames, open many sessions or links, send without credit | see `skerry_amqp::connection` | |
//! | show many tokens | [`TOKENS_MAX`] | refused |
//! | send faster than the disk | `unacknowledged_bytes_max` a connection, the front door's `ingest_bytes_max` for all | reading stops |
//! | ask faster than it is answered | [`ASKED_MAX`] questions at a time | reading stops |
//! | give no credit for answers and notices | [`MAIL_MAX`] a link | the link is detached |
//! | not settle commands | [`COMMANDS_MAX`] a device | no more are delivered |
//! | not read | `machine.out_bytes_max`, then `write_timeout` | reading stops, then closed |
//! | say nothing | twice the idle timeout | closed |

mod bells;
mod conversation;
mod wire;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use skerry_amqp::connection::Options;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::device::{DeviceService, PeerCertificates};
use crate::figures::Figures;
use crate::ingest::Ingest;
use crate::link::LinkService;
use crate::listen::Stopping;
use conversation::Conversation;

const TOKENS_MAX: usize = 1024;
const ASKED_MAX: usize = 128;
const MAIL_MAX: usize = 128;
const COMMANDS_MAX: usize = 64;

#[derive(Clone, Debug)]
pub struct AmqpLimits {
    pub machine: Options,
    /// Messages that a sender may have on the way or without an outcome.
    pub window: u32,
    /// Of one message, as it is announced to clients.
    pub message_bytes_max: u64,
    /// Sent on one connection and without an outcome.
    pub unacknowledged_bytes_max: usize,
    /// Until a token, a name or a certificate counts.
    pub unproven_timeout: Duration,
    pub write_timeout: Duration,
}

impl Default for AmqpLimits {
    fn default() -> Self {
        Self {
            machine: Options::new("Skerry".into()),
            window: 1000,
            message_bytes_max: 1 << 20,
            unacknowledged_bytes_max: 1 << 20,
            unproven_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
        }
    }
}

/// Serves AMQP on streams; cheap to clone.
#[derive(Clone)]
pub(crate) struct Amqp {
    shared: Arc<Shared>,
}

struct Shared {
    devices: Arc<dyn DeviceService>,
    links: Arc<dyn LinkService>,
    limits: AmqpLimits,
    ingest: Ingest,
    figures: Arc<Figures>,
}

impl Amqp {
    pub(crate) fn new(
        devices: Arc<dyn DeviceService>,
        links: Arc<dyn LinkService>,
        limits: AmqpLimits,
        ingest: Ingest,
        figures: Arc<Figures>,
    ) -> Self {
        Self { shared: Arc::new(Shared { devices, links, limits, ingest, figures }) }
    }

    /// From the first byte to the last. `certificates` are those that the client proved to hold.
    pub(crate) fn serve<S>(
        self,
        stream: S,
        peer: SocketAddr,
        certificates: Option<PeerCertificates>,
        stopping: Stopping,
    ) -> impl Future<Output = ()> + Send + use<S>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + Sync,
    {
        let mut conversation = Box::new(Conversation::new(self.shared, stream, peer, certificates));
        async move { conversation.run(stopping).await }
    }
}
