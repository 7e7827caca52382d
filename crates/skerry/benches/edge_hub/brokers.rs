//! Brokers beside the edge, which keep nothing: who publishes and who subscribes have the same topic, without a rule.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustls::pki_types::ServerName;
use skerry_mqtt::client::ClientLimits;
use skerry_mqtt::packet::{Connect, Text};
use skerry_uplink::{Client, Place};

use crate::ground::{Ground, free_port, rumqttd};
use crate::hop::MODULES;
use crate::meter::{Trouble, now};
use crate::options::{Name, Options};
use crate::pair::{Guest, Server};
use crate::papers::{HOST, Papers};
use crate::tree::Tree;

const START_MAX: Duration = Duration::from_secs(10);

pub(crate) struct Broker {
    address: SocketAddr,
    papers: Papers,
    tree: Tree,
}

impl Broker {
    pub(crate) async fn start(name: Name, ground: &Ground<'_>, options: &Options) -> Result<Self, Trouble> {
        let port = free_port()?;
        let tree = match name {
            Name::Rumqttd => rumqttd::start(ground, &options.rumqttd, port)?,
            _ => mosquitto(ground, &options.mosquitto, port)?,
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut broker = Self { address, papers: ground.papers.clone(), tree };
        let began = now();
        loop {
            let guest = broker.guest(MODULES[0])?.connect;
            match Client::<()>::connect(&broker.place()?, guest, ClientLimits::default()).await {
                Ok(client) => {
                    client.close().await;
                    return Ok(broker);
                }
                Err(error) if broker.tree.has_ended() || now() - began > START_MAX => {
                    return Err(format!("the broker does not start: {error}").into());
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// As Debian has it.
fn mosquitto(ground: &Ground<'_>, program: &Path, port: u16) -> Result<Tree, Trouble> {
    let papers = ground.papers;
    let settings = format!(
        "user root\nlistener {port} 127.0.0.1\ncertfile {}\nkeyfile {}\nallow_anonymous true\n\
         set_tcp_nodelay true\nlog_type error\nmax_inflight_messages 0\nmax_queued_messages 0\n\
         persistence false\n",
        papers.certificate().display(),
        papers.key().display(),
    );
    let file = ground.folder.join("mosquitto.conf");
    fs::write(&file, settings)?;
    ground.launch(Command::new(program).arg("-c").arg(&file))
}

impl Server for Broker {
    fn tree(&self) -> &Tree {
        &self.tree
    }

    fn place(&self) -> Result<Place, Trouble> {
        let (_, config) = self.papers.tls(false)?;
        let tls = Some((ServerName::try_from(HOST)?, config));
        Ok(Place { address: self.address, tls, websocket: None, relay: None, connect_timeout: START_MAX })
    }

    fn guest(&self, name: &str) -> Result<Guest, Trouble> {
        let topic = "devices/gate/modules/from/messages/events/level=high&%24.on=from".to_owned();
        let client_id = Text::from(name);
        let connect = Connect { clean_session: true, keep_alive_s: 600, client_id, ..Connect::default() };
        Ok(Guest { connect, filter: topic.clone(), topic })
    }
}
