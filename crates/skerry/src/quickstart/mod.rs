//! `skerry quickstart`: a hub, an edge device and a module of it on this machine, in one command.
//!
//! ```text
//!  place.rs     the data directory, taken for this process
//!  addresses.rs an address on the loopback for each
//!  hub.rs       the hub of `skerry hub run`; the device is registered and its manifest set over REST
//!  engine/      where modules run: containers, or processes
//!  device.rs    the device of `skerry edge run`, configured by a file with its connection string
//!  show/        steps, telemetry, states; hints.rs what to try next
//! ```
//!
//! Hub and edge live in this process. They share nothing but that: the edge knows the hub by its connection string
//! and its root certificate, and speaks to it over TLS as it would from another machine. As processes of their own
//! they would have to be found again, told to end, and reaped, by somebody who may be killed meanwhile; so there is
//! one process, whose end is the end of everything. Modules end with it too: see `skerry_runtime`'s engine of
//! processes, and [`engine`] for containers.

mod addresses;
mod device;
mod engine;
mod hints;
mod hub;
mod log_file;
mod manifest;
mod options;
mod place;
mod sensor;
mod show;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use skerry_edge_daemon::Parts;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::dev::Stop;
use crate::edge;
use crate::failure::Failure;
use addresses::Door;
use engine::Engine;
use hints::Hints;
use manifest::{DEVICE, SENSOR};
pub use options::{QuickstartOptions, SensorArgs};
use place::{Memory, Place};
pub use sensor::run as run_sensor;
use show::Show;

/// The hidden command that is the sensor.
pub const SENSOR_COMMAND: &str = "temperature-sensor";
/// Between looks at the states: while it starts, and later.
const LOOK_EARLY: Duration = Duration::from_millis(200);
const LOOK_LATER: Duration = Duration::from_secs(2);
/// After that without telemetry it is time to say where to look.
const PATIENCE: Duration = Duration::from_secs(30);
/// As shells have it for a program that Ctrl-C has ended.
const INTERRUPTED: i32 = 130;

pub fn run(options: &QuickstartOptions) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let place = Place::open(options)?;
    let parts = edge::parts();
    log_file::start(&place.path("log"), &options.log, parts.clone())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    runtime.block_on(Box::pin(whole(options, &place, parts, began)))
}

async fn whole(
    options: &QuickstartOptions,
    place: &Place,
    parts: Parts,
    began: Instant,
) -> Result<ExitCode, Failure> {
    // From here on nothing ends this process before it has tidied up, short of kill -9.
    let mut stop = Stop::new()?;
    let show = Arc::new(Show::new());
    show.step("data", &format!("{}, with a log in it", place.root().display()));
    let mut started = Started::default();
    let done = tokio::select! {
        signal = stop.asked() => {
            tracing::info!(?signal, "The quickstart is asked to stop.");
            Ok(())
        }
        done = Box::pin(live(options, place, parts, &show, &mut started, began)) => done,
    };
    show.end();
    show.step("stopping", "modules, the edge, the hub");
    tokio::select! {
        () = Box::pin(started.end()) => {}
        _ = stop.asked() => std::process::exit(INTERRUPTED),
    }
    done?;
    show.step("stopped", "everything is kept: the same command goes on, --reset forgets");
    Ok(ExitCode::SUCCESS)
}

/// What runs, to be ended the other way round.
#[derive(Default)]
struct Started {
    hub: Option<Task>,
    engine: Option<Engine>,
    edge: Option<Task>,
}

struct Task {
    stop: watch::Sender<bool>,
    task: JoinHandle<Result<(), Failure>>,
}

impl Task {
    fn start<F>(run: impl FnOnce(watch::Receiver<bool>) -> F) -> Self
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: tokio::spawn(run(stopped)) }
    }

    /// Why it has ended by itself.
    async fn ended(&mut self) -> Failure {
        match (&mut self.task).await {
            Ok(Ok(())) => Failure::failed("it has ended by itself"),
            Ok(Err(failure)) => failure,
            Err(error) => Failure::failed(error),
        }
    }

    async fn end(self, what: &str) {
        self.stop.send_replace(true);
        // One that failed before has said so.
        if self.task.is_finished() {
            return;
        }
        match self.task.await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => tracing::error!("The {what} did not end in order: {failure}"),
            Err(error) => tracing::error!("The {what} did not end in order: {error}"),
        }
    }
}

impl Started {
    async fn end(self) {
        if let Some(edge) = self.edge {
            edge.end("edge").await;
        }
        if let Some(engine) = self.engine {
            engine.close().await;
        }
        if let Some(hub) = self.hub {
            hub.end("hub").await;
        }
    }
}

/// Starts everything and shows it; ends only when something is wrong, or when nobody looks any more.
async fn live(
    options: &QuickstartOptions,
    place: &Place,
    parts: Parts,
    show: &Arc<Show>,
    started: &mut Started,
    began: Instant,
) -> Result<(), Failure> {
    let memory = place.memory()?;
    let (hub_door, edge_door) = addresses::find((memory.hub, memory.edge), addresses::is_free)?;
    let memory = settled(memory, hub_door, edge_door);
    place.remember(&memory)?;
    let (hub, engine) =
        tokio::join!(hub::open(place, &memory, &hub_door), Engine::choose(&options.engine, place.root()));
    let hub = hub?;
    let engine = started.engine.insert(engine?);
    started.hub = Some(Task::start(|mut stopped| {
        hub.run(async move {
            // Only a sender that is gone fails; either way it is over.
            drop(stopped.wait_for(|is_over| *is_over).await);
        })
    }));
    tell_hub(show, &memory, &hub_door);
    match &*engine {
        Engine::Processes { reason, .. } => {
            show.step("engine", &format!("{reason}: modules run as processes"));
        }
        Engine::Containers { socket, .. } => {
            show.step("engine", &format!("containers, by {}", socket.display()));
        }
    }

    let target = hub::target(place);
    let mut client = Client::connect(&target).await.map_err(|failure| {
        Failure::unreachable(format!(
            "{failure}. The hub runs in this very process: see whether the loopback is up (`ip link set lo up`), and whether a firewall is on it"
        ))
    })?;
    let registered = hub::register(&mut client).await?;
    let is_deployed = hub::deploy(&mut client).await?;
    let word = if registered.is_new { "registered" } else { "known" };
    let manifest =
        if is_deployed { format!("its manifest wants {SENSOR}") } else { "as its manifest was".to_owned() };
    show.step("device", &format!("{DEVICE} is {word}, {manifest}"));

    // Whoever listens first misses nothing.
    let first = Arc::new(Notify::new());
    let listening = Task::start(|_| listen(place.hub(), Arc::clone(show), Arc::clone(&first)));
    device::configure(place, &registered.connection_string, &hub_door, &edge_door, engine)?;
    let running = device::Running {
        directories: place.directories(),
        parts,
        engine: engine.runtime(),
        door: edge_door,
    };
    let edge = started.edge.insert(Task::start(|stopped| running.run(stopped)));
    tell_edge(show, &edge_door);

    let program = std::env::current_exe().map_err(Failure::failed)?;
    let hints = Hints::write(place, &program)?;
    let watching = watch_states(client, place, show);
    let telling = async {
        tokio::select! {
            () = first.notified() => {
                show.step("telemetry", &format!("the first came {:.1} s after the start", began.elapsed().as_secs_f64()));
            }
            () = sleep(PATIENCE) => {
                let log = hints::quoted(&place.path("log"));
                show.step("telemetry", &format!("none has come yet; the end of {log} says why"));
            }
        }
        show.hint(hints.lines());
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        failure = edge.ended() => Err(Failure::failed(format!("the edge does not run: {failure}"))),
        () = watching => Ok(()),
        () = telling => Ok(()),
    };
    listening.task.abort();
    ended
}

/// The name of a hub is for ever: it stands in connection strings.
fn settled(memory: Memory, hub: Door, edge: Door) -> Memory {
    let host_name = match memory.host_name.is_empty() {
        false => memory.host_name,
        true if hub.ip.to_string() == "127.0.0.1" => "localhost".to_owned(),
        true => hub.ip.to_string(),
    };
    Memory { host_name, hub: Some(hub), edge: Some(edge) }
}

fn tell_hub(show: &Show, memory: &Memory, door: &Door) {
    show.step("hub", &format!("{} at {}", memory.host_name, ports(door)));
    let is_there = memory.host_name == door.ip.to_string()
        || (memory.host_name == "localhost" && door.ip.to_string() == "127.0.0.1");
    if !is_there {
        show.step(
            "",
            "its connection strings have a name that stands for another address, where SDKs look for it;",
        );
        show.step("", "--reset begins anew with one that fits");
    }
    if let Some(unusual) = door.unusual(addresses::is_free) {
        for line in unusual.lines() {
            show.step("", &line);
        }
    }
}

fn tell_edge(show: &Show, door: &Door) {
    show.step("edge", &format!("starts at {}", ports(door)));
}

fn ports(door: &Door) -> String {
    let Door { ip, https, mqtt, amqp } = door;
    format!("{ip} (HTTPS {https}, MQTT {mqtt}, AMQP {amqp})")
}

/// Until nobody looks any more.
async fn watch_states(client: Client, place: &Place, show: &Show) {
    let target = hub::target(place);
    let mut client = Some(client);
    let mut looks = 0_u32;
    while !show.is_gone() {
        if client.is_none() {
            client = Client::connect(&target).await.ok();
        }
        let looked = match &mut client {
            Some(client) => hub::look(client).await,
            None => Err(Failure::unreachable("the hub is not there")),
        };
        match looked {
            Ok(state) => show.state(&state),
            Err(failure) => {
                tracing::warn!("The states cannot be shown: {failure}");
                client = None;
            }
        }
        looks = looks.saturating_add(1);
        sleep(if looks < 100 { LOOK_EARLY } else { LOOK_LATER }).await;
    }
}

/// Shows what the device sends; the first message is told to `first`.
async fn listen(data: std::path::PathBuf, show: Arc<Show>, first: Arc<Notify>) -> Result<(), Failure> {
    let target = crate::args::Target { data: Some(data), ..crate::args::Target::default() };
    loop {
        let (show, first) = (Arc::clone(&show), Arc::clone(&first));
        let heard = Arc::new(move |event: serde_json::Value| {
            // What the hub says of connections is told by the states.
            if event["properties"]["iothub-message-schema"].is_null() {
                show.message(&event);
                first.notify_one();
            }
        });
        if let Ok(mut client) = Client::connect(&target).await
            && let Err(failure) = hub::listen(&mut client, heard).await
        {
            tracing::debug!("The stream of telemetry begins anew: {failure}");
        }
        sleep(LOOK_EARLY).await;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
