//! The daemon: made of its options, run until it is told to end.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use skerry_keys::{EdgeCa, Renewed};
use skerry_model::Clock;
use skerry_runtime::{NetworkOptions, SubnetOptions};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::adopt::Adoption;
use crate::api::{Api, Server, ServerFigures, ServerLimits};
use crate::caller::{Callers, EngineProcesses, Processes};
use crate::config::{Config, Reprovisioning, SocketPlace};
use crate::handle::Handle;
use crate::local::{CertificateService, Handles, IdentityService, KeyService};
use crate::management::{Management, Request, Shared, SystemFacts, Witness};
use crate::options::Options;
use crate::outcome::{Outcome, StartError};
use crate::parts::Parts;
use crate::prepare::{Prepared, prepare};
use crate::sockets::{Activated, ModuleSockets, bind, notify};
use crate::workload::Workload;

/// The Edge CA is looked at so often; the operator's new files count within this time.
const CHECK_EVERY: Duration = Duration::from_secs(60);
const MANAGEMENT_MODE: u32 = 0o660;
const WORKLOAD_MODE: u32 = 0o666;
const SERVICE_MODE: u32 = 0o660;

/// What the daemon counts.
#[derive(Debug, Default)]
pub struct Figures {
    /// Of all local sockets together.
    pub sockets: Arc<ServerFigures>,
    pub renewals: AtomicU64,
    pub renewals_failed: AtomicU64,
}

pub struct Daemon {
    handle: Handle,
    adoption: Adoption,
    adopted: watch::Sender<bool>,
    edge_ca: Arc<EdgeCa>,
    clock: Arc<dyn Clock>,
    figures: Arc<Figures>,
    requests: mpsc::Receiver<Request>,
    servers: Vec<JoinHandle<()>>,
    sockets: ModuleSockets,
    stop: watch::Sender<bool>,
    notify_socket: Option<String>,
}

impl Daemon {
    /// Opens keys, certificates and sockets; from here on clients are answered. Neither the hub nor the
    /// container engine has to be there.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let (options, prepared) =
            spawn_blocking(move || prepare(&options).map(|prepared| (options, prepared)))
                .await
                .map_err(|_| StartError::Broken)??;
        if options.config.auto_reprovisioning == Reprovisioning::AlwaysOnStartup {
            prepared.identities.forget_all().await?;
        }
        let figures = Arc::new(Figures::default());
        let (stop, stopped) = watch::channel(false);
        let (requests, received) = mpsc::channel(1);
        let mut start = Start { figures: Arc::clone(&figures), stopped, servers: Vec::new() };
        let wiring = Wiring::new(&options, prepared, requests);
        let sockets = wiring.serve(&options.config, options.activated, &options.places, &mut start)?;
        let device = wiring.prepared.identities.device().clone();
        let adoption = Adoption {
            runtime: Arc::clone(&options.runtime),
            sockets: sockets.clone(),
            network: network(&options.config),
            device,
            directory: options.places.home.join("cache"),
        };
        make_directory(&adoption.directory)?;
        let (adopted, is_adopted) = watch::channel(false);
        let handle = Handle::new(&wiring, sockets.clone(), is_adopted, Arc::clone(&figures));
        Ok(Self {
            handle,
            adoption,
            adopted,
            edge_ca: Arc::clone(&wiring.prepared.edge_ca),
            clock: options.clock,
            figures,
            requests: received,
            servers: start.servers,
            sockets,
            stop,
            notify_socket: options.notify_socket,
        })
    }

    /// For those who live in the same process.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Runs until `shutdown` is done, or the daemon is asked to begin anew. Modules run on either way.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Outcome {
        let renewing = tokio::spawn(renew(self.edge_ca, self.clock, Arc::clone(&self.figures)));
        let adopted = self.adopted;
        let adopting = tokio::spawn(async move {
            self.adoption.run().await;
            adopted.send_replace(true);
            // The receivers keep what was said last.
        });
        tell(self.notify_socket.as_deref(), "READY=1\nSTATUS=The local APIs are open.");
        tracing::info!("The edge daemon is ready.");
        let outcome = tokio::select! {
            () = shutdown => Outcome::Stopped,
            request = self.requests.recv() => match request {
                Some(Request::Reprovision) => {
                    if let Err(error) = self.handle.identities().forget_all().await {
                        tracing::warn!(%error, "What is remembered of modules could not be forgotten.");
                    }
                    Outcome::Reprovision
                }
                Some(Request::Refused) => Outcome::Reprovision,
                Some(Request::Reload) => Outcome::Reload,
                None => Outcome::Stopped,
            },
        };
        tell(self.notify_socket.as_deref(), "STOPPING=1");
        renewing.abort();
        adopting.abort();
        self.stop.send_replace(true);
        for server in self.servers {
            // A panic in it was counted where it happened.
            let _ = server.await;
        }
        self.sockets.finish().await;
        tracing::info!(?outcome, "The edge daemon has ended, modules run on.");
        outcome
    }
}

fn tell(socket: Option<&str>, state: &str) {
    if let Err(error) = notify(socket, state) {
        tracing::warn!(%error, "It is not told to systemd how the daemon is.");
    }
}

async fn renew(edge_ca: Arc<EdgeCa>, clock: Arc<dyn Clock>, figures: Arc<Figures>) {
    let mut told = None;
    loop {
        tokio::time::sleep(CHECK_EVERY).await;
        let (ca, now) = (Arc::clone(&edge_ca), clock.now());
        match spawn_blocking(move || ca.check(now)).await {
            Ok(Ok(Renewed::Yes)) => {
                figures.renewals.fetch_add(1, Ordering::Relaxed);
                told = None;
            }
            Ok(Ok(Renewed::No)) => {}
            Ok(Err(error)) => {
                figures.renewals_failed.fetch_add(1, Ordering::Relaxed);
                let text = error.to_string();
                if told.as_ref() != Some(&text) {
                    tracing::warn!(%error, until = %edge_ca.chain().validity.not_after, "The Edge CA stays as it was.");
                    told = Some(text);
                }
            }
            Err(_) => tracing::error!("A look at the Edge CA panicked; the next one follows."),
        }
    }
}

fn network(config: &Config) -> NetworkOptions {
    let network = &config.moby_runtime.network;
    let subnets = network.subnets.iter().map(|subnet| SubnetOptions {
        gateway: subnet.gateway.clone(),
        subnet: subnet.subnet.clone(),
        ip_range: subnet.ip_range.clone(),
    });
    NetworkOptions { name: network.name.clone(), ipv6: network.ipv6, subnets: subnets.collect() }
}

fn make_directory(path: &Path) -> Result<(), StartError> {
    std::fs::create_dir_all(path)
        .map_err(|source| skerry_keys::FileError::Write { path: path.to_owned(), source }.into())
}

/// Servers that have been started.
struct Start {
    figures: Arc<Figures>,
    stopped: watch::Receiver<bool>,
    servers: Vec<JoinHandle<()>>,
}

impl Start {
    fn server(&self, api: Arc<dyn Api>, per_user: usize) -> Server {
        Server::new(api, ServerLimits { per_user }, Arc::clone(&self.figures.sockets))
    }

    fn listen(&mut self, server: Server, listener: UnixListener) {
        self.servers.push(tokio::spawn(server.run(listener, self.stopped.clone())));
    }
}

/// What the APIs share.
pub(crate) struct Wiring {
    pub(crate) prepared: Prepared,
    pub(crate) server_names: Vec<String>,
    callers: Callers,
    pub(crate) runtime: Arc<dyn skerry_runtime::Runtime>,
    pub(crate) parts: Parts,
    pub(crate) witness: Option<Arc<dyn Witness>>,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) clock: Arc<dyn Clock>,
    random: Arc<dyn skerry_model::Random>,
    version: String,
    pub(crate) root: PathBuf,
    home: PathBuf,
    pub(crate) workload_uri: String,
}

impl Wiring {
    fn new(options: &Options, prepared: Prepared, requests: mpsc::Sender<Request>) -> Self {
        let config = &options.config;
        let asked: Arc<dyn Processes> = match &options.processes {
            Some(processes) => Arc::clone(processes),
            None => Arc::new(EngineProcesses(Arc::clone(&options.runtime))),
        };
        let mut server_names = vec![config.hostname.clone().unwrap_or_else(|| options.host_name.clone())];
        server_names.extend(config.own.server_names.iter().cloned());
        Self {
            prepared,
            server_names,
            callers: Callers::new(asked, options.pid, options.owners.clone()),
            runtime: Arc::clone(&options.runtime),
            parts: options.parts.clone(),
            witness: options.witness.clone(),
            requests,
            clock: Arc::clone(&options.clock),
            random: Arc::clone(&options.random),
            version: options.version.clone(),
            root: options.places.root.clone(),
            home: options.places.home.clone(),
            workload_uri: uri(&config.connect.workload),
        }
    }

    fn serve(
        &self,
        config: &Config,
        mut activated: Activated,
        places: &crate::options::Places,
        start: &mut Start,
    ) -> Result<ModuleSockets, StartError> {
        let workload = start.server(self.workload(config), config.throttle.workload);
        let file = socket_name(&config.connect.workload);
        let mnt = places.home.join("mnt");
        make_directory(&mnt)?;
        let sockets = ModuleSockets::new(mnt, file, workload.clone(), start.stopped.clone());
        let management = start.server(self.management(sockets.clone()), config.throttle.management);
        let mut open = |place: &SocketPlace, mode| match place {
            SocketPlace::Unix(path) => Ok::<_, StartError>(bind(path, mode)?),
            SocketPlace::Activated(name) => Ok(activated.take(name)?),
        };
        let on_management = open(&config.listen.management, MANAGEMENT_MODE)?;
        let on_workload = open(&config.listen.workload, WORKLOAD_MODE)?;
        start.listen(management, on_management);
        start.listen(workload, on_workload);
        if let Some(directory) = &places.services {
            let handles = Arc::new(Handles::new(Arc::clone(&self.prepared.keys), Arc::clone(&self.random)));
            let services: [(&str, Arc<dyn Api>, usize); 3] = [
                ("identityd.sock", self.identity_service(&handles), config.throttle.identityd),
                ("keyd.sock", self.key_service(&handles), config.throttle.keyd),
                ("certd.sock", self.certificate_service(&handles), config.throttle.certd),
            ];
            for (name, api, per_user) in services {
                let server = start.server(api, per_user);
                start.listen(server, bind(&directory.join(name), SERVICE_MODE)?);
            }
        }
        Ok(sockets)
    }

    fn workload(&self, config: &Config) -> Arc<dyn Api> {
        Arc::new(Workload {
            identities: Arc::clone(&self.prepared.identities),
            keys: Arc::clone(&self.prepared.keys),
            edge_ca: Arc::clone(&self.prepared.edge_ca),
            trust: self.prepared.trust.clone(),
            callers: self.callers.clone(),
            runtime: Arc::clone(&self.runtime),
            parts: self.parts.clone(),
            server_names: self.server_names.clone(),
            module_keys: config.own.module_keys,
        })
    }

    fn management(&self, sockets: ModuleSockets) -> Arc<dyn Api> {
        let system = SystemFacts {
            version: self.version.clone(),
            additional: self.prepared.additional.clone(),
            root: self.root.clone(),
            home: self.home.clone(),
        };
        Arc::new(Management {
            shared: Arc::new(Shared {
                runtime: Arc::clone(&self.runtime),
                parts: self.parts.clone(),
                witness: self.witness.clone(),
                identities: Arc::clone(&self.prepared.identities),
                edge_ca: Arc::clone(&self.prepared.edge_ca),
                certificates: Arc::clone(&self.prepared.certificates),
                callers: self.callers.clone(),
                sockets,
                requests: self.requests.clone(),
                clock: Arc::clone(&self.clock),
                system,
            }),
        })
    }

    fn identity_service(&self, handles: &Arc<Handles>) -> Arc<dyn Api> {
        Arc::new(IdentityService {
            identities: Arc::clone(&self.prepared.identities),
            callers: self.callers.clone(),
            handles: Arc::clone(handles),
            requests: self.requests.clone(),
        })
    }

    fn key_service(&self, handles: &Arc<Handles>) -> Arc<dyn Api> {
        Arc::new(KeyService {
            keys: Arc::clone(&self.prepared.keys),
            callers: self.callers.clone(),
            handles: Arc::clone(handles),
        })
    }

    fn certificate_service(&self, handles: &Arc<Handles>) -> Arc<dyn Api> {
        Arc::new(CertificateService {
            keys: Arc::clone(&self.prepared.keys),
            handles: Arc::clone(handles),
            clock: Arc::clone(&self.clock),
            random: Arc::clone(&self.random),
            certificates: Arc::clone(&self.prepared.certificates),
            edge_ca: Arc::clone(&self.prepared.edge_ca),
            callers: self.callers.clone(),
        })
    }
}

fn uri(place: &SocketPlace) -> String {
    match place {
        SocketPlace::Unix(path) => format!("unix://{}", path.display()),
        SocketPlace::Activated(name) => format!("fd://{name}"),
    }
}

/// How modules know their socket: the last part of `connect.workload_uri`.
fn socket_name(place: &SocketPlace) -> String {
    let name = match place {
        SocketPlace::Unix(path) => path.file_name().and_then(|name| name.to_str()),
        SocketPlace::Activated(_) => None,
    };
    name.unwrap_or("workload.sock").to_owned()
}
