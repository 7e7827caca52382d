//! What a simulated device needs of a protocol: a connection that comes back, and messages with their
//! answers.

use std::future::Future;

use bytes::Bytes;
use skerry_uplink::{Error, Identity, Place};
use tokio::time::Instant;

pub trait Line: Sized + Send {
    /// Connects, and is let in.
    fn connect(place: &Place, identity: &Identity) -> impl Future<Output = Result<Self, Error>> + Send;

    /// Once more; what was not acknowledged goes out again.
    fn reconnect(
        &mut self,
        place: &Place,
        identity: &Identity,
        body: &Bytes,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Sends a message; whether there was room for it.
    fn send(&mut self, body: &Bytes) -> bool;

    /// When the message was sent that is acknowledged next.
    fn acknowledged(&mut self, body: &Bytes) -> impl Future<Output = Result<Instant, Error>> + Send;

    /// Messages that wait for it.
    fn pending_count(&self) -> usize;

    fn close(self) -> impl Future<Output = ()> + Send;
}
