//! A place of the loopback that others come to, which can be closed with all who are there, and opened again.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::meter::Trouble;

/// Who is behind the door.
pub(crate) trait Host: Send + Sync + 'static {
    /// With one guest, until it goes.
    fn converse(&self, tcp: TcpStream) -> impl Future<Output = Result<(), Trouble>> + Send;
}

pub(crate) struct Door<H> {
    pub(crate) address: SocketAddr,
    pub(crate) host: Arc<H>,
    accepting: Option<JoinHandle<()>>,
}

impl<H: Host> Door<H> {
    pub(crate) fn open(host: H) -> Result<Self, Trouble> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut door = Self { address, host: Arc::new(host), accepting: None };
        door.come()?;
        Ok(door)
    }

    /// Comes back, to the same place.
    pub(crate) fn come(&mut self) -> Result<(), Trouble> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        let listener = socket.listen(64)?;
        self.address = listener.local_addr()?;
        self.accepting = Some(tokio::spawn(accept(listener, Arc::clone(&self.host))));
        Ok(())
    }

    /// Goes, with all its connections.
    pub(crate) async fn leave(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            // It was told to end.
            drop(accepting.await);
        }
    }
}

impl<H> Drop for Door<H> {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
    }
}

async fn accept<H: Host>(listener: TcpListener, host: Arc<H>) {
    // They end with it.
    let mut guests = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        let host = Arc::clone(&host);
        // A guest that breaks off is none of our business.
        guests.spawn(async move { drop(host.converse(tcp).await) });
        while guests.try_join_next().is_some() {}
    }
}
