//! The front door as a whole: bound first, so that its addresses are known and mistakes are told before
//! anything runs; then run until told to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;

use crate::amqp::{Amqp, AmqpLimits};
use crate::device::DeviceService;
use crate::figures::Figures;
use crate::http::{Http, HttpLimits, HttpService};
use crate::ingest::Ingest;
use crate::link::LinkService;
use crate::listen::{Acceptor, Address, BindError, ConnectionLimits, Gate, Stopping, TlsTcp, bind};
use crate::mqtt::{Mqtt, MqttLimits};
use crate::tls::{Alpn, TlsError, TlsMaterial};

/// How long requests may take to finish after the stop.
pub const DRAIN: Duration = Duration::from_secs(10);
/// Of messages that are not durable yet, of all connections.
const INGEST_BYTES_MAX: usize = 128 << 20;

pub struct Options {
    pub https: Address,
    pub mqtt: Address,
    pub amqp: Address,
    pub tls: TlsMaterial,
    pub connections: ConnectionLimits,
    pub http: HttpLimits,
    pub mqtt_limits: MqttLimits,
    pub amqp_limits: AmqpLimits,
    /// Published on all connections, and not durable yet.
    pub ingest_bytes_max: usize,
    /// [`DRAIN`].
    pub drain: Duration,
    /// Where handshakes are made; `None`: where everything is. For who serves all connections on one thread.
    pub handshakes: Option<runtime::Handle>,
}

impl Options {
    /// With the default limits.
    pub fn new(https: Address, mqtt: Address, amqp: Address, tls: TlsMaterial) -> Self {
        Self {
            https,
            mqtt,
            amqp,
            tls,
            connections: ConnectionLimits::default(),
            http: HttpLimits::default(),
            mqtt_limits: MqttLimits::default(),
            amqp_limits: AmqpLimits::default(),
            ingest_bytes_max: INGEST_BYTES_MAX,
            drain: DRAIN,
            handshakes: None,
        }
    }
}

/// What stands behind the front door.
#[derive(Clone)]
pub struct Services {
    pub http: Arc<dyn HttpService>,
    pub devices: Arc<dyn DeviceService>,
    pub links: Arc<dyn LinkService>,
}

/// Bound, not yet serving: clients that connect now wait in the system's queue.
pub struct Front {
    https: Option<Acceptor>,
    mqtts: Option<Acceptor>,
    amqps: Option<Acceptor>,
    http: Http,
    mqtt: Mqtt,
    amqp: Amqp,
    tls: TlsMaterial,
    handle: Handle,
}

/// What others may see of a running front door; cheap to clone.
#[derive(Clone)]
pub struct Handle {
    figures: Arc<Figures>,
    https_address: Option<SocketAddr>,
    mqtt_address: Option<SocketAddr>,
    amqp_address: Option<SocketAddr>,
    tls: TlsMaterial,
}

impl Front {
    /// Opens the sockets. Needs a tokio runtime around it.
    pub fn bind(options: Options, services: Services) -> Result<Self, StartError> {
        let Options {
            https,
            mqtt,
            amqp,
            tls,
            connections,
            http: limits,
            mqtt_limits,
            amqp_limits,
            ingest_bytes_max,
            drain,
            handshakes,
        } = options;
        let Services { http, devices, links } = services;
        let figures = Arc::new(Figures::default());
        let gate = Gate::new(connections, Arc::clone(&figures));
        let acceptor = |address, alpn| -> Result<Option<Acceptor>, StartError> {
            let config = tls.server_config(alpn)?;
            let gate = Arc::clone(&gate);
            let handshakes = handshakes.clone();
            Ok(bind(address)?.map(|listener| Acceptor { listener, tls: config, gate, handshakes, drain }))
        };
        let https = acceptor(https, Alpn::Http)?;
        let (mqtts, amqps) = (acceptor(mqtt, Alpn::None)?, acceptor(amqp, Alpn::None)?);
        let address = |acceptor: &Option<Acceptor>| acceptor.as_ref()?.listener.local_addr().ok();
        let handle = Handle {
            https_address: address(&https),
            mqtt_address: address(&mqtts),
            amqp_address: address(&amqps),
            figures: Arc::clone(&figures),
            tls: tls.clone(),
        };
        let ingest = Ingest::new(ingest_bytes_max, Arc::clone(&figures));
        let mqtt = Mqtt::new(Arc::clone(&devices), mqtt_limits, ingest.clone(), Arc::clone(&figures));
        let amqp = Amqp::new(devices, links, amqp_limits, ingest, Arc::clone(&figures));
        let http = Http::new(http, limits, figures, mqtt.clone(), amqp.clone());
        Ok(Self { https, mqtts, amqps, http, mqtt, amqp, tls, handle })
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where HTTPS is served, with the real port; `None` when it is off.
    pub fn https_address(&self) -> Option<SocketAddr> {
        self.handle.https_address
    }

    /// Where MQTT is served, likewise.
    pub fn mqtt_address(&self) -> Option<SocketAddr> {
        self.handle.mqtt_address
    }

    /// Where AMQP is served, likewise.
    pub fn amqp_address(&self) -> Option<SocketAddr> {
        self.handle.amqp_address
    }

    /// Serves, and watches the TLS files, until `shutdown` is done and connections have finished or were
    /// dropped at the end of the drain time.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { https, mqtts, amqps, http, mqtt, amqp, tls, handle: _ } = self;
        let (stop, stopping) = Stopping::new();
        let accept = async {
            if let Some(https) = https {
                https
                    .run(stopping.clone(), move |stream, peer, stop| http.clone().serve(stream, peer, stop))
                    .await;
            }
        };
        let accept_mqtt = async {
            if let Some(mqtts) = mqtts {
                let serve = move |stream: TlsTcp, peer, stop| {
                    let certificates = stream.get_ref().1.peer_certificates().map(Into::into);
                    mqtt.clone().serve(stream, peer, certificates, stop)
                };
                mqtts.run(stopping.clone(), serve).await;
            }
        };
        let accept_amqp = async {
            if let Some(amqps) = amqps {
                let serve = move |stream: TlsTcp, peer, stop| {
                    let certificates = stream.get_ref().1.peer_certificates().map(Into::into);
                    amqp.clone().serve(stream, peer, certificates, stop)
                };
                amqps.run(stopping.clone(), serve).await;
            }
        };
        let mut watched = stopping.clone();
        let watch = tls.run(async move { watched.wait().await });
        let told = async {
            shutdown.await;
            // Nobody listens any more when the loops have ended by themselves.
            let _ = stop.send(true);
        };
        tokio::join!(Box::pin(accept), Box::pin(accept_mqtt), Box::pin(accept_amqp), Box::pin(watch), told);
    }
}

impl Handle {
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    pub fn https_address(&self) -> Option<SocketAddr> {
        self.https_address
    }

    pub fn mqtt_address(&self) -> Option<SocketAddr> {
        self.mqtt_address
    }

    pub fn amqp_address(&self) -> Option<SocketAddr> {
        self.amqp_address
    }

    /// The certificate that is shown, and its expiry.
    pub fn tls(&self) -> &TlsMaterial {
        &self.tls
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl StartError {
    /// Whether another port could help where this one is reserved for root.
    pub fn is_permission_denied(&self) -> bool {
        matches!(self, Self::Bind(error) if error.is_permission_denied())
    }
}
