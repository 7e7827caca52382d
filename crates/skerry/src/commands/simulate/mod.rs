//! `skerry device simulate`: many devices with real connections, for load and for demonstration.

mod amqp;
mod device;
mod fleet;
mod latency;
mod line;
mod mqtt;
mod options;
mod report;
mod tally;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use skerry_uplink::{Identity, Place, Proof, Tunnel};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use self::amqp::AmqpLine;
use self::device::{Device, Shared};
use self::fleet::Fleet;
use self::mqtt::MqttLine;
use self::options::Protocol;
pub use self::options::SimulateOptions;
use self::report::{Moment, Summary};
use self::tally::Tally;
use crate::args::Target;
use crate::client::Client;
use crate::failure::Failure;
use crate::world::MachineRandom;

const MQTT_PORT: u16 = 8883;
const AMQP_PORT: u16 = 5671;
const WEBSOCKET_PATH: &str = "/$iothub/websocket";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
const HANDSHAKES: usize = 64;
const TELL_EVERY: Duration = Duration::from_secs(5);

pub async fn run(mut client: Client, options: SimulateOptions, target: &Target) -> Result<(), Failure> {
    let place = place(&client, &options).await?;
    let host = client.host().name().to_owned();
    let mut fleet = Fleet::default();
    let done = tokio::select! {
        gathered = fleet.gather(&mut client, &options) => gathered,
        _ = tokio::signal::ctrl_c() => Err(Failure::failed("interrupted")),
    };
    // The connection would only idle from here on.
    drop(client);
    let done = match done {
        Ok(()) => simulate(&options, &fleet, host, place, target.json).await,
        failed => failed,
    };
    if options.keep || fleet.created.is_empty() {
        return done;
    }
    let count = fleet.created.len();
    let deleted = tokio::select! {
        deleted = async { fleet.dissolve(&mut Client::connect(target).await?).await } => deleted,
        _ = tokio::signal::ctrl_c() => Err(Failure::failed("interrupted")),
    };
    let deleted = match deleted {
        Ok(()) => {
            eprintln!("Deleted the devices that were created ({count}).");
            Ok(())
        }
        Err(failure) => Err(Failure::failed(format!(
            "{failure}; {} of the created devices are still there, from {} on",
            fleet.created.len(),
            fleet.created[0]
        ))),
    };
    done.and(deleted)
}

async fn simulate(
    options: &SimulateOptions,
    fleet: &Fleet,
    host: String,
    place: Place,
    json: bool,
) -> Result<(), Failure> {
    let shared = Arc::new(Shared {
        tally: Tally::default(),
        place,
        doors: Semaphore::new(HANDSHAKES),
        period: options.period(),
        body: body(options.size as usize),
    });
    let (stop, stopped) = watch::channel(false);
    let mut devices = JoinSet::new();
    for (number, (id, key)) in fleet.devices.iter().enumerate() {
        let identity =
            Identity { host: host.clone(), device: id.clone(), module: None, proof: Proof::Key(key.clone()) };
        let offset = options.period().mul_f64(number as f64 / fleet.devices.len() as f64);
        let device = Device { shared: shared.clone(), identity, offset, stop: stopped.clone() };
        match options.protocol {
            Protocol::Mqtt | Protocol::MqttWs => devices.spawn(device.run::<MqttLine>()),
            Protocol::Amqp | Protocol::AmqpWs => devices.spawn(device.run::<AmqpLine>()),
        };
    }
    drop(stopped);
    let began = Instant::now();
    let finish = async {
        match options.duration() {
            Some(duration) => sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = finish => {}
        _ = tokio::signal::ctrl_c() => {}
        // None is left that would try again.
        () = async { while devices.join_next().await.is_some() {} } => {}
        () = tell(began, fleet.devices.len(), &shared.tally) => {}
    }
    let elapsed = began.elapsed();
    stop.send_replace(true);
    while devices.join_next().await.is_some() {}
    let summary =
        Summary { tally: &shared.tally, devices: fleet.devices.len(), created: fleet.created.len(), elapsed };
    summary.print(json)?;
    summary.judge()
}

async fn tell(began: Instant, devices: usize, tally: &Tally) {
    let mut ticks = interval(TELL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.tick().await;
    let mut last = Moment::default();
    loop {
        ticks.tick().await;
        last = last.tell(began.elapsed(), devices, tally);
    }
}

/// Where the hub listens, trusted as its REST is.
async fn place(client: &Client, options: &SimulateOptions) -> Result<Place, Failure> {
    let (name, doors) = (client.host().name(), client.doors());
    let (word, said, known, port) = match options.protocol {
        Protocol::Mqtt => ("--mqtt", options.mqtt.as_deref(), doors.mqtt, MQTT_PORT),
        Protocol::Amqp => ("--amqp", options.amqp.as_deref(), doors.amqp, AMQP_PORT),
        Protocol::MqttWs | Protocol::AmqpWs => ("--login", None, doors.https, client.port()),
    };
    let address = match (said, known) {
        (Some(text), _) => look_up(text, word).await?,
        (None, Some(address)) => address,
        (None, None) => look_up(&format!("{name}:{port}"), word).await?,
    };
    let websocket = matches!(options.protocol, Protocol::MqttWs | Protocol::AmqpWs).then(|| Tunnel {
        host: name.to_owned(),
        path: WEBSOCKET_PATH.to_owned(),
        random: Arc::new(MachineRandom::new()),
    });
    let mut config = client.tls().as_ref().clone();
    // Devices do not know each other's sessions.
    config.resumption = Resumption::disabled();
    let name = ServerName::try_from(name.to_owned()).map_err(Failure::usage)?;
    Ok(Place {
        address,
        tls: Some((name, Arc::new(config))),
        websocket,
        relay: None,
        connect_timeout: CONNECT_TIMEOUT,
    })
}

async fn look_up(text: &str, option: &str) -> Result<SocketAddr, Failure> {
    let found = tokio::net::lookup_host(text).await.map(|mut found| found.next());
    match found {
        Ok(Some(address)) => Ok(address),
        Ok(None) => Err(Failure::unreachable(format!("{text} has no address"))),
        Err(error) => Err(Failure::unreachable(format!(
            "cannot find {text}: {error}. Name the hub's address with {option} HOST:PORT"
        ))),
    }
}

/// A text in JSON of so many bytes.
fn body(size: usize) -> Bytes {
    let fill = "x".repeat(size.saturating_sub(2));
    Bytes::from(format!("\"{fill}\""))
}
