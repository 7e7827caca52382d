//! Messages from one client to another, acknowledged both ways: many on their way, and one.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use skerry_mqtt::client::ClientLimits;
use skerry_mqtt::packet::{Connect, Text};
use skerry_uplink::{Client, Place};

use crate::goals::Goals;
use crate::ground::{Ground, free_port};
use crate::meter::{Measure, Trouble, now, processor_time, processor_time_since};
use crate::numbers::Unit;
use crate::options::{Name, Options};
use crate::pair::{Guest, Pair, Server};
use crate::papers::Papers;
use crate::report::Report;
use crate::surroundings::{machine_time, probe, shown};
use crate::tree::Tree;

/// Before anything is counted: queues fill, and files open.
const WARM_UP: Duration = Duration::from_millis(1000);
const START_MAX: Duration = Duration::from_secs(10);

/// Who sends, and who hears it.
pub(crate) const MODULES: [&str; 2] = ["from", "to"];

/// mosquitto, as Debian has it.
pub(crate) struct Mosquitto {
    address: SocketAddr,
    papers: Papers,
    tree: Tree,
}

impl Mosquitto {
    pub(crate) async fn start(ground: &Ground<'_>, options: &Options) -> Result<Self, Trouble> {
        let (port, papers) = (free_port()?, ground.papers);
        let settings = format!(
            "user root\nlistener {port} 127.0.0.1\ncertfile {}\nkeyfile {}\nallow_anonymous true\n\
             set_tcp_nodelay true\nlog_type error\nmax_inflight_messages 0\nmax_queued_messages 0\n\
             persistence false\n",
            papers.certificate().display(),
            papers.key().display(),
        );
        let file = ground.folder.join("mosquitto.conf");
        fs::write(&file, settings)?;
        let tree = ground.launch(Command::new(&options.mosquitto).arg("-c").arg(&file))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut mosquitto = Self { address, papers: papers.clone(), tree };
        let began = now();
        loop {
            let guest = mosquitto.guest(MODULES[0])?.connect;
            match Client::<()>::connect(&mosquitto.place()?, guest, ClientLimits::default()).await {
                Ok(client) => {
                    client.close().await;
                    return Ok(mosquitto);
                }
                Err(error) if mosquitto.tree.has_ended() || now() - began > START_MAX => {
                    return Err(format!("mosquitto does not start: {error}").into());
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

impl Server for Mosquitto {
    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn place(&self) -> Result<Place, Trouble> {
        let (_, config) = self.papers.tls(false)?;
        let tls = Some((ServerName::try_from(crate::papers::HOST)?, config));
        Ok(Place { address: self.address, tls, websocket: None, relay: None, connect_timeout: START_MAX })
    }

    fn guest(&self, name: &str) -> Result<Guest, Trouble> {
        let topic = "devices/gate/modules/from/messages/events/level=high&%24.on=from".to_owned();
        let client_id = Text::from(name);
        let connect = Connect { clean_session: true, keep_alive_s: 600, client_id, ..Connect::default() };
        Ok(Guest { connect, filter: topic.clone(), topic })
    }
}

/// Who sends and who hears, connected.
pub(crate) trait Ends {
    /// Keeps as many on their way as the window has until `end`; how long those took that arrived from
    /// `begin` on. What is on its way then still arrives.
    async fn run(&mut self, begin: Instant, end: Instant) -> Result<Vec<Duration>, Trouble>;

    /// Says goodbye, after the last acknowledgements: what a server does not know as delivered comes again.
    async fn close(self);
}

/// What hops, and through whom.
pub(crate) struct Hop<'a> {
    pub(crate) name: Name,
    pub(crate) protocol: &'static str,
    pub(crate) tree: &'a Tree,
    pub(crate) options: &'a Options,
    /// Of the server's disk.
    pub(crate) folder: &'a Path,
}

pub(crate) async fn mqtt(
    server: &impl Server,
    name: Name,
    options: &Options,
    folder: &Path,
    (report, goals): (&mut Report, &mut Goals),
) -> Result<(), Trouble> {
    let hop = Hop { name, protocol: "QoS 1", tree: server.tree(), options, folder };
    let payload = options.payload as usize;
    run(&hop, async |window| Pair::connect(server, MODULES, window, payload).await, report, Some(goals)).await
}

pub(crate) async fn run<E: Ends>(
    hop: &Hop<'_>,
    connect: impl AsyncFn(u16) -> Result<E, Trouble>,
    report: &mut Report,
    mut goals: Option<&mut Goals>,
) -> Result<(), Trouble> {
    let Hop { name, protocol, tree, options, folder } = *hop;
    let payload = options.payload;
    for window in [options.window, 1] {
        let row = |what: &str| format!("hop, {protocol}, {payload} B, TLS, {window} on the way: {what}");
        let disk = probe(folder)?;
        let mut ends = connect(window).await?;
        ends.run(now(), now() + WARM_UP).await?;
        let (before, own, all) = (tree.usage(), processor_time(), machine_time());
        let begin = now();
        let latencies = ends.run(begin, begin + options.span()).await?;
        let elapsed = now() - begin;
        let after = tree.usage();
        ends.close().await;
        let computed = (after.processor - before.processor).as_secs_f64();
        let own = processor_time_since(own).unwrap_or_default().as_secs_f64();
        let all = all.zip(machine_time()).map_or(0.0, |(before, after)| (after - before).as_secs_f64());
        let seconds = elapsed.as_secs_f64();
        let measure = Measure::whole(options.span(), vec![latencies]);
        let others = (all - own - computed).max(0.0) / seconds;
        let note = format!(
            "server {:.2} processors, generator {:.2}, others {others:.2}; {}",
            computed / seconds,
            own / seconds,
            shown(&disk)
        );
        let rate = measure.count() as f64 / computed.max(0.01);
        let (p50, p99) = (measure.percentile(50.0), measure.percentile(99.0));
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        for (what, unit, number, note) in [
            ("arrived", Unit::PerSecond, measure.rate(), note),
            ("per second that the server computes", Unit::PerSecond, rate, String::new()),
            ("p50", Unit::Milliseconds, milliseconds(p50), String::new()),
            ("p99", Unit::Milliseconds, milliseconds(p99), String::new()),
        ] {
            report.row(&row(what), unit);
            report.number(&row(what), name.title(), number, note);
        }
        if let Some(goals) = &mut goals {
            goals.hop(name, window > 1, rate, milliseconds(p50), milliseconds(p99));
        }
    }
    Ok(())
}
