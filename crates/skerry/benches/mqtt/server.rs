//! One server in its turn, and the clients that it lets in.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use skerry_mqtt::client::ClientLimits;
use skerry_mqtt::packet::{Connect, Text};
use skerry_uplink::{Client, Place};
use tokio::task::JoinSet;

use crate::ground::hub::Hub;
use crate::meter::{Trouble, now};
use crate::papers::Papers;
use crate::tree::{Tree, Usage};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(60);
const KEEP_ALIVE_S: u16 = 600;
const START_MAX: Duration = Duration::from_secs(60);
/// Connections that are being opened at a time.
const HANDSHAKES: usize = 32;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) tree: Tree,
    pub(crate) papers: Papers,
    /// Where clients are devices with keys, and more can be asked.
    pub(crate) hub: Option<Hub>,
    /// Processes that the server needs and that are not its work; they end after it.
    pub(crate) _beside: Option<Tree>,
}

/// What one client connects with, and where it publishes.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub(crate) connect: Connect,
    pub(crate) topic: Text,
}

impl Server {
    pub(crate) fn place(&self, with_certificate: bool) -> Result<Place, Trouble> {
        let tls = Some(self.papers.tls(with_certificate)?);
        Ok(Place {
            address: self.address,
            tls,
            websocket: None,
            relay: None,
            connect_timeout: CONNECT_TIMEOUT,
        })
    }

    pub(crate) fn guest(&self, number: usize) -> Guest {
        let named = Guest::named(&format!("d{number}"));
        match &self.hub {
            Some(hub) => {
                let connect = hub.identity(number).connect(hub.ends, Duration::ZERO, KEEP_ALIVE_S);
                Guest { connect, ..named }
            }
            None => named,
        }
    }

    /// Waits until it lets somebody in.
    pub(crate) async fn ready(mut self, with_certificate: bool) -> Result<Self, Trouble> {
        let (place, began) = (self.place(with_certificate)?, now());
        loop {
            let place = Place { connect_timeout: Duration::from_secs(2), ..place.clone() };
            let guest = self.guest(0).connect;
            match Client::<()>::connect(&place, guest, ClientLimits::default()).await {
                Ok(client) => {
                    client.close().await;
                    return Ok(self);
                }
                Err(error) if self.tree.has_ended() || now() - began > START_MAX => {
                    return Err(
                        format!("the server does not start ({error}); its own words are above").into()
                    );
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// So many clients, connected; with numbers from `first` on.
    pub(crate) async fn clients<T: Send + 'static>(
        &self,
        first: usize,
        count: usize,
        window: u16,
    ) -> Result<Vec<(Client<T>, Text)>, Trouble> {
        let (place, doors) = (self.place(false)?, Arc::new(tokio::sync::Semaphore::new(HANDSHAKES)));
        let mut connecting = JoinSet::new();
        for number in first..first + count {
            let (place, guest, doors) = (place.clone(), self.guest(number), doors.clone());
            connecting.spawn(async move {
                let _door = doors.acquire().await?;
                let limits = ClientLimits { window, ..ClientLimits::default() };
                let client = Client::connect(&place, guest.connect, limits).await?;
                Ok::<_, Trouble>((client, guest.topic))
            });
        }
        let mut clients = Vec::with_capacity(count);
        while let Some(connected) = connecting.join_next().await {
            clients.push(connected??);
        }
        Ok(clients)
    }

    pub(crate) fn usage(&self) -> Usage {
        self.tree.usage()
    }

    /// Times that it waited for the disk, where it tells.
    pub(crate) async fn syncs(&self) -> Result<Option<u64>, Trouble> {
        match &self.hub {
            Some(hub) => hub.syncs().await.map(Some),
            None => Ok(None),
        }
    }
}

impl Guest {
    pub(crate) fn named(name: &str) -> Self {
        let connect = Connect {
            clean_session: true,
            keep_alive_s: KEEP_ALIVE_S,
            client_id: Text::from(name),
            ..Connect::default()
        };
        Self { connect, topic: Text::from(format!("devices/{name}/messages/events/").as_str()) }
    }
}
