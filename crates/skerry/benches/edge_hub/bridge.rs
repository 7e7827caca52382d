//! The way from the edge to its hub: bytes, as they are. It can be cut.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::TcpStream;

use crate::door::{Door, Host};
use crate::meter::Trouble;

const BLOCK: usize = 64 << 10;

pub(crate) type Bridge = Door<Across>;

pub(crate) struct Across {
    pub(crate) hub: SocketAddr,
}

impl Host for Across {
    async fn converse(&self, mut edge: TcpStream) -> Result<(), Trouble> {
        let mut hub = TcpStream::connect(self.hub).await?;
        edge.set_nodelay(true)?;
        hub.set_nodelay(true)?;
        copy_bidirectional_with_sizes(&mut edge, &mut hub, BLOCK, BLOCK).await?;
        Ok(())
    }
}
