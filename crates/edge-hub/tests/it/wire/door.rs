//! The scripted hub behind a real front door, and the way to it.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use http::request::Parts;
use skerry_amqp::performative::{Fault, condition};
use skerry_edge_hub::{AmqpDialer, AmqpDialerOptions, Dialer, MqttDialer, MqttDialerOptions, Way};
use skerry_front::device::{Claim, Connected, DeviceService, Proof, Refused, Settlement, Soon};
use skerry_front::link::{LinkService, NotShown, Opened, Shown, SpeaksFor, Wanted};
use skerry_front::{
    BodyLimits, Front, Handle, HttpService, Options, Refusal, Request, Response, SERVER_LIFETIME, Services,
    TlsMaterial,
};
use skerry_model::message::Message;
use skerry_model::{Clock, IdentityId, Timestamp};
use skerry_mqtt::client::ClientLimits;
use skerry_uplink::{Place, TlsOptions, Tunnel};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::session::admitted;
use crate::sim::{Dice, Hub};

const NAME: &str = "hub.example";

/// What is spoken on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    Mqtt,
    MqttWs,
    Amqp,
    AmqpWs,
}

impl Spoken {
    pub fn is_amqp(self) -> bool {
        matches!(self, Self::Amqp | Self::AmqpWs)
    }

    fn is_websocket(self) -> bool {
        matches!(self, Self::MqttWs | Self::AmqpWs)
    }
}

/// The front door's certificates count by the machine's clock.
#[derive(Debug)]
struct MachineClock;

impl Clock for MachineClock {
    #[allow(clippy::disallowed_methods, reason = "clients look at certificates by this clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap())
    }
}

#[derive(Clone)]
pub struct Door(pub(super) Arc<Inside>);

pub(super) struct Inside {
    pub(super) hub: Hub,
    spoken: Spoken,
    handle: Handle,
    root: Vec<u8>,
    state: Mutex<State>,
    _stop: oneshot::Sender<()>,
    _folder: tempfile::TempDir,
}

#[derive(Default)]
pub struct State {
    /// How long tokens count; as good as for ever where nothing is said.
    pub token_lasts: Option<Duration>,
    issued: BTreeMap<String, Instant>,
    /// Whole, with their senders.
    pub messages: Vec<(String, Message)>,
    /// Whom connections were let in for, and on whose word.
    pub chains: BTreeMap<String, Option<String>>,
    pub settled: Vec<(u64, Settlement)>,
    /// Sessions that stayed longer than their tokens counted.
    pub expired: u64,
    /// Tokens that were shown for sessions that had one.
    pub renewals: u64,
    /// So many batches of letters are turned away for now.
    pub throttles: u64,
}

impl Door {
    pub fn open(hub: &Hub, spoken: Spoken) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tls = TlsMaterial::open(skerry_front::TlsOptions {
            directory: folder.path().join("tls"),
            names: vec![NAME.to_owned()],
            ips: vec![IpAddr::from(Ipv4Addr::LOCALHOST)],
            operator: None,
            lifetime: SERVER_LIFETIME,
            clock: Arc::new(MachineClock),
            random: Arc::new(Dice::new()),
        });
        let tls = tls.unwrap();
        let root = std::fs::read(tls.root_path().unwrap()).unwrap();
        let local = || "127.0.0.1:0".parse().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let this = Arc::new_cyclic(|this: &std::sync::Weak<Inside>| {
            let behind = || Arc::new(Behind(this.clone()));
            let services = Services { http: behind(), devices: behind(), links: behind() };
            let options = Options::new(local(), local(), local(), tls);
            let front = Front::bind(options, services).unwrap();
            let handle = front.handle();
            tokio::spawn(front.run(async move { drop(stopped.await) }));
            let hub = hub.clone();
            Inside { hub, spoken, handle, root, state: Mutex::default(), _stop: stop, _folder: folder }
        });
        Self(this)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    pub fn spoken(&self) -> Spoken {
        self.0.spoken
    }

    /// Over AMQP a token is shown anew after this.
    pub fn dialer(&self, renew_after: Duration) -> Arc<dyn Dialer> {
        let (here, product) = (self.clone(), "EdgeHub/test".to_owned());
        let way: Arc<Way> = Arc::new(move |_| {
            let way = here.way();
            Box::pin(async { way })
        });
        let (host, here) = (NAME.to_owned(), self.clone());
        match self.spoken() {
            Spoken::Mqtt | Spoken::MqttWs => Arc::new(MqttDialer::new(MqttDialerOptions {
                host,
                way,
                product,
                keep_alive_s: 60,
                limits: ClientLimits { window: 64, ..ClientLimits::default() },
            })),
            Spoken::Amqp | Spoken::AmqpWs => Arc::new(AmqpDialer::new(AmqpDialerOptions {
                host,
                way,
                token: Arc::new(move || {
                    let token = here.token();
                    Box::pin(async { Ok(token) })
                }),
                product,
                token_life: Duration::from_secs(3600),
                renew_after,
                silence_max: Duration::from_secs(60),
            })),
        }
    }

    fn way(&self) -> Result<(Place, String), String> {
        if self.0.hub.state().is_away {
            return Err("nobody is there".to_owned());
        }
        let handle = &self.0.handle;
        let address = match self.spoken() {
            Spoken::Mqtt => handle.mqtt_address(),
            Spoken::Amqp => handle.amqp_address(),
            Spoken::MqttWs | Spoken::AmqpWs => handle.https_address(),
        };
        let tls = TlsOptions { roots: &self.0.root, certificate: None, resumption: false }.build().unwrap();
        let tunnel = || Tunnel {
            host: NAME.to_owned(),
            path: "/$iothub/websocket".to_owned(),
            random: Arc::new(Dice::new()),
        };
        let place = Place {
            address: address.unwrap(),
            relay: None,
            tls: Some((NAME.try_into().unwrap(), tls)),
            websocket: self.spoken().is_websocket().then(tunnel),
            connect_timeout: Duration::from_secs(20),
        };
        Ok((place, self.token()))
    }

    /// A new one, that counts from now on.
    fn token(&self) -> String {
        let mut state = self.state();
        let token = format!("token {}", state.issued.len());
        state.issued.insert(token.clone(), Instant::now());
        token
    }
}

impl Inside {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// For how much longer a token counts; nothing for one that nobody has issued.
    pub(super) fn lasts(&self, token: &str) -> Option<Duration> {
        let state = self.state();
        let issued = *state.issued.get(token)?;
        let lasts = state.token_lasts.unwrap_or(Duration::from_secs(24 * 3600));
        Some(lasts.saturating_sub(issued.elapsed()))
    }
}

/// The door's own side of it, which does not keep it open.
struct Behind(std::sync::Weak<Inside>);

impl DeviceService for Behind {
    fn connect(&self, claim: Claim) -> Soon<Result<Connected, Refused>> {
        let inside = self.0.upgrade().unwrap();
        let id = IdentityId { device: claim.device.clone(), module: claim.module.clone() }.to_string();
        let refused = |what: &str| Err(Refused::Unauthorised { what: what.to_owned() });
        let Proof::Token(token) = &claim.proof else { panic!("{:?}", claim.proof) };
        let outcome = if inside.hub.state().barred.contains(&id) {
            refused("it is barred")
        } else if let Some(lasts) = inside.lasts(token) {
            inside.state().chains.insert(id.clone(), claim.chain);
            Ok(admitted(&inside, id, lasts))
        } else {
            refused("the token is unknown")
        };
        Box::pin(async { outcome })
    }
}

impl LinkService for Behind {
    /// As a hub does for an edge's hub: what it shows may be for itself or for somebody behind it.
    fn show(&self, audience: &str, token: &str) -> Soon<Result<Shown, NotShown>> {
        let inside = self.0.upgrade().unwrap();
        let (device, module) = skerry_tokens::identities(audience).remove(0);
        let id = IdentityId {
            device: device.parse().unwrap(),
            module: module.map(|module| module.parse().unwrap()),
        };
        let name = id.to_string();
        let not_shown = |what: &str| Err(NotShown { status: 401, what: what.to_owned() });
        let speaks_for = match name.as_str() {
            "edge/$edgeHub" => SpeaksFor::Identity(id),
            _ => SpeaksFor::Behind(vec![id]),
        };
        let outcome = if inside.hub.state().barred.contains(&name) {
            not_shown("it is barred")
        } else if let Some(lasts) = inside.lasts(token) {
            Ok(Shown { speaks_for, lasts })
        } else {
            not_shown("the token is unknown")
        };
        Box::pin(async { outcome })
    }

    fn log_in(&self, name: &str, _: &str) -> Soon<Result<Shown, NotShown>> {
        panic!("{name} logs in")
    }

    fn open(&self, wanted: Wanted) -> Soon<Result<Opened, Fault>> {
        Box::pin(async move { Err(Fault::new(condition::NOT_FOUND, format!("{:?}", wanted.node))) })
    }
}

impl HttpService for Behind {
    fn limits(&self, _: &Parts) -> BodyLimits {
        BodyLimits { bytes_max: 0, timeout: Duration::from_secs(1) }
    }

    fn handle(&self, request: Request) -> Pin<Box<dyn Future<Output = Response> + Send>> {
        panic!("{:?}", request.head)
    }

    fn refuse(&self, _: &Parts, refusal: Refusal) -> Response {
        panic!("{refusal}")
    }
}
