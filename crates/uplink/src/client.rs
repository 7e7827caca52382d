//! One connection to a server, driven by whoever owns it.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use skerry_mqtt::client::{self as machine, ClientLimits, Event, NotSent, Unsent};
use skerry_mqtt::packet::{Connect, Filter, PacketId, Qos, Text};
use tokio::time::{Instant, Sleep, timeout};

use crate::wire::Wire;
use crate::{Error, Place};

/// As WebSockets call what is spoken here.
const PROTOCOL: &str = "mqtt";
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Everything that is sent is written, and everything that comes is read, while [`Client::event`]
/// is awaited; it may be dropped and called again at any time. After an error nothing works until
/// [`Client::reconnect`]. `T` is kept with each publish until it is acknowledged.
#[derive(Debug)]
pub struct Client<T> {
    machine: machine::Client<T>,
    wire: Wire,
    out: Vec<u8>,
    session_present: bool,
    /// From here the machine counts time.
    began: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<T> Client<T> {
    /// Connects, and is let in.
    pub async fn connect(place: &Place, connect: Connect, limits: ClientLimits) -> Result<Self, Error> {
        let machine = machine::Client::new(limits);
        in_time(place, async {
            let wire = Wire::new(place.link(PROTOCOL).await?);
            let began = Instant::now();
            let mut client = Self {
                machine,
                wire,
                out: Vec::new(),
                session_present: false,
                began,
                timer: Box::pin(tokio::time::sleep(place.connect_timeout)),
            };
            client.greet(connect).await?;
            Ok(client)
        })
        .await
    }

    /// Once more from the beginning. What was published and not acknowledged waits for
    /// [`Client::resend`].
    pub async fn reconnect(&mut self, place: &Place, connect: Connect) -> Result<(), Error> {
        self.machine.restart();
        in_time(place, async {
            (self.wire, self.out) = (Wire::new(place.link(PROTOCOL).await?), Vec::new());
            self.greet(connect).await
        })
        .await
    }

    async fn greet(&mut self, connect: Connect) -> Result<(), Error> {
        let now = self.now();
        self.machine.connect(connect, now, &mut self.out);
        self.set_timer();
        // Nothing else comes first: the machine sees to that.
        if let Event::Connected { session_present } = self.event().await? {
            self.session_present = session_present;
        }
        self.set_timer();
        Ok(())
    }

    /// Whether the server remembered an earlier session when it let the client in.
    pub fn session_present(&self) -> bool {
        self.session_present
    }

    /// Whether a publish would be taken.
    pub fn has_room(&self) -> bool {
        self.machine.has_room() && self.has_buffer()
    }

    /// Beyond it, publishes are refused as when the window is full.
    fn has_buffer(&self) -> bool {
        self.wire.has_room(&self.out)
    }

    /// What waits for the server's answer.
    pub fn pending_count(&self) -> usize {
        self.machine.pending_count()
    }

    /// Sends with QoS 0.
    pub fn send(&mut self, topic: Text, payload: Bytes) -> Result<(), NotSent> {
        if !self.has_buffer() {
            return Err(NotSent::Full);
        }
        self.machine.send(topic, payload, &mut self.out)
    }

    /// Sends with QoS 1; [`Event::Published`] brings the item back.
    pub fn publish(&mut self, topic: Text, payload: Bytes, item: T) -> Result<(), Unsent<T>> {
        if !self.has_buffer() {
            return Err(Unsent { item, reason: NotSent::Full });
        }
        self.machine.publish(topic, payload, item, &mut self.out)
    }

    /// Sends what was not acknowledged on an earlier connection once more.
    pub fn resend(&mut self, message: impl Fn(&T) -> (Text, Bytes)) {
        self.machine.resend(message, &mut self.out);
    }

    pub fn subscribe(&mut self, filters: Vec<(Filter, Qos)>) -> Result<PacketId, NotSent> {
        self.machine.subscribe(filters, &mut self.out)
    }

    pub fn unsubscribe(&mut self, filters: Vec<Filter>) -> Result<PacketId, NotSent> {
        self.machine.unsubscribe(filters, &mut self.out)
    }

    /// Acknowledges a message.
    pub fn settle(&mut self, id: PacketId) {
        self.machine.settle(id, &mut self.out);
    }

    /// The next thing that happens.
    pub async fn event(&mut self) -> Result<Event<T>, Error> {
        loop {
            if let Some(event) = self.ready_event()? {
                return Ok(event);
            }
            self.wire.rest();
            poll_fn(|cx| self.poll_turn(cx)).await?;
        }
    }

    /// An event that has come already; nothing is read for it.
    pub fn ready_event(&mut self) -> Result<Option<Event<T>>, Error> {
        Ok(self.machine.poll_event(&mut self.wire.input)?)
    }

    /// Says goodbye; who does not listen is left after a while.
    pub async fn close(mut self) {
        self.machine.disconnect(&mut self.out);
        let goodbye = async {
            poll_fn(|cx| self.wire.poll_write(cx, &mut self.out)).await?;
            poll_fn(|cx| self.wire.poll_shutdown(cx)).await
        };
        // Whether it was heard changes nothing.
        drop(timeout(CLOSE_TIMEOUT, goodbye).await);
    }

    /// Writes what there is to write, and ends when something was read.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_timer(cx)?;
        // Reading goes on while the server takes nothing, or both sides would wait for each other.
        if let Poll::Ready(done) = self.wire.poll_write(cx, &mut self.out) {
            done?;
        }
        ready!(self.wire.poll_read(cx))?;
        self.machine.hear();
        Poll::Ready(Ok(()))
    }

    /// The timer stands at a deadline of the past or of now: deadlines only move away, so it is set
    /// again when it has rung, and not at each packet.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        while self.machine.deadline().is_some() && self.timer.as_mut().poll(cx).is_ready() {
            let now = self.now();
            self.machine.handle_time(now, &mut self.out)?;
            self.set_timer();
        }
        Ok(())
    }

    fn set_timer(&mut self) {
        if let Some(deadline) = self.machine.deadline() {
            self.timer.as_mut().reset(self.began + deadline);
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Everything until the client is let in.
pub(crate) async fn in_time<R>(
    place: &Place,
    work: impl Future<Output = Result<R, Error>>,
) -> Result<R, Error> {
    let after = place.connect_timeout;
    // The way in is long, and walked once.
    match timeout(after, Box::pin(work)).await {
        Ok(done) => done,
        Err(_) => Err(Error::Late { place: place.to_string(), after }),
    }
}
