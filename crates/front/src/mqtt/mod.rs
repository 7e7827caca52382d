//! MQTT over any stream of bytes, for one [`DeviceService`].
//!
//! | what a client may do | bound | overflow |
//! |---|---|---|
//! | send no CONNECT | `machine.connect_timeout` | closed |
//! | go on before it is let in | what one read brought | reading stops |
//! | send a large packet | `packet_bytes_max`, `connect_bytes_max`, judged before anything is reserved | closed |
//! | publish faster than the disk | `unacknowledged_bytes_max` a connection, the front door's `ingest_bytes_max` for all | reading stops |
//! | publish in many pieces | [`TURNS_MAX`] groups under way | reading stops |
//! | ask faster than it is answered | [`ASKED_MAX`] questions at a time | reading stops |
//! | not acknowledge | `machine.window` deliveries | nothing more is delivered |
//! | not read | `write_timeout` | closed |
//! | say nothing | one and a half keep-alives | closed |

mod greet;
mod session;
mod wire;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use skerry_mqtt::server::ServerLimits;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::device::{DeviceService, PeerCertificates};
use crate::figures::Figures;
use crate::ingest::Ingest;
use crate::listen::Stopping;
use greet::Greeting;
use session::Session;
use wire::Wire;

/// Groups of publishes under way on one connection.
const TURNS_MAX: usize = 64;
/// Twin requests, subscriptions and settlements under way on one connection.
const ASKED_MAX: usize = 16;

#[derive(Clone, Copy, Debug)]
pub struct MqttLimits {
    pub machine: ServerLimits,
    /// Of one packet: the largest message, the longest topic, and their heads.
    pub packet_bytes_max: usize,
    /// Of CONNECT.
    pub connect_bytes_max: usize,
    /// Published on one connection and not acknowledged.
    pub unacknowledged_bytes_max: usize,
    /// How long the service may take to let somebody in.
    pub decision_timeout: Duration,
    pub write_timeout: Duration,
}

impl Default for MqttLimits {
    fn default() -> Self {
        Self {
            machine: ServerLimits::default(),
            packet_bytes_max: (256 << 10) + (64 << 10) + 16,
            connect_bytes_max: 80 << 10,
            unacknowledged_bytes_max: 1 << 20,
            decision_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
        }
    }
}

/// Serves MQTT on streams; cheap to clone.
#[derive(Clone)]
pub(crate) struct Mqtt {
    shared: Arc<Shared>,
}

struct Shared {
    service: Arc<dyn DeviceService>,
    limits: MqttLimits,
    ingest: Ingest,
    figures: Arc<Figures>,
}

impl Mqtt {
    pub(crate) fn new(
        service: Arc<dyn DeviceService>,
        limits: MqttLimits,
        ingest: Ingest,
        figures: Arc<Figures>,
    ) -> Self {
        Self { shared: Arc::new(Shared { service, limits, ingest, figures }) }
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
        // Boxed, and made out here, so that an open connection does not keep the room of its beginning.
        let beginning = Box::pin(self.begin(stream, peer, certificates, stopping.clone()));
        async move {
            let Some(mut session) = beginning.await else { return };
            session.run(stopping).await;
        }
    }

    async fn begin<S>(
        self,
        stream: S,
        peer: SocketAddr,
        certificates: Option<PeerCertificates>,
        stopping: Stopping,
    ) -> Option<Box<Session<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + Sync,
    {
        let wire = Wire::new(stream, self.shared.limits.connect_bytes_max);
        let greeting = Greeting::new(&self.shared, wire, peer, certificates);
        let welcomed = greeting.run(stopping).await?;
        Some(Box::new(Session::new(Arc::clone(&self.shared), welcomed)))
    }
}
