//! Commands on their way to connected clients, as the front door asks for them.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use skerry_front::device::{
    Claim, CloseReason, Command, Connected, DeviceService as _, NotSettled, Order, Orders, Proof, Session,
    SessionKind, Settlement, Subscriptions,
};
use skerry_hub::commands::SettleError;
use skerry_mqtt::packet::Qos;
use skerry_mqtt::topic::Subscription;

use crate::commands::{lease, recipient, send, text};
use crate::world::{HOST, World, everywhere};

const SOON: Duration = Duration::from_secs(20);

struct Client {
    session: Arc<dyn Session>,
    orders: Box<dyn Orders>,
}

async fn connect(world: &World) -> Client {
    let claim = Claim {
        device: "d1".parse().unwrap(),
        module: None,
        host: HOST.into(),
        proof: Proof::Token(world.token("device")),
        model: None,
        client: None,
        chain: None,
        session: SessionKind::Clean,
        peer: "127.0.0.1:1".parse().unwrap(),
    };
    let Connected { session, orders, .. } = world.hub.devices().connect(claim).await.unwrap();
    Client { session, orders }
}

impl Client {
    async fn listens(world: &World) -> Self {
        let client = connect(world).await;
        client.subscribe(true).await;
        client.session.room(true);
        client
    }

    async fn subscribe(&self, to_commands: bool) {
        let mut subscriptions = Subscriptions::default();
        subscriptions.set(Subscription::Commands, to_commands.then_some(Qos::AtLeastOnce));
        self.session.subscribe(subscriptions).await.unwrap();
    }

    async fn command(&mut self) -> Command {
        let order = tokio::time::timeout(SOON, poll_fn(|context| self.orders.poll_next(context))).await;
        match order.expect("an order comes") {
            Order::Command(command) => *command,
            other => panic!("{other:?}"),
        }
    }

    /// Whether nothing is ordered, however often others get their turn.
    async fn is_quiet(&mut self) -> bool {
        for _ in 0..200 {
            let polled =
                poll_fn(|context| std::task::Poll::Ready(self.orders.poll_next(context).is_ready())).await;
            if polled {
                return false;
            }
            tokio::task::yield_now().await;
        }
        true
    }
}

#[test]
fn a_client_that_listens_gets_what_waited_and_what_comes() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        send(&world, "d1", text("waited")).await;
        let mut client = connect(&world).await;
        assert!(client.is_quiet().await, "it does not listen yet");
        client.subscribe(true).await;
        assert!(client.is_quiet().await, "it has no room yet");
        client.session.room(true);
        let first = client.command().await;
        assert_eq!((first.message.body.as_ref(), first.again), (&b"waited"[..], false));
        assert_eq!(first.message.system.to.as_deref(), Some("/devices/d1/messages/devicebound"));
        assert!(client.is_quiet().await);
        send(&world, "d1", text("comes")).await;
        let second = client.command().await;
        assert_eq!(second.message.body, "comes");
        for command in [first, second] {
            client.session.settle(command.lease, Settlement::Complete).await.unwrap();
        }
        assert_eq!(world.hub.commands().figures().depth, 0);
    });
}

#[test]
fn one_that_waits_is_woken_by_a_command() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        let mut client = Client::listens(&world).await;
        let waiting = tokio::spawn(async move { client.command().await.message.body });
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        send(&world, "d1", text("at last")).await;
        assert_eq!(waiting.await.unwrap(), "at last");
    });
}

#[test]
fn commands_keep_their_order_and_stop_without_room() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        for n in 0..10 {
            send(&world, "d1", text(&n.to_string())).await;
        }
        let mut client = Client::listens(&world).await;
        for n in 0..5 {
            assert_eq!(client.command().await.message.body, n.to_string());
        }
        client.session.room(false);
        assert!(client.is_quiet().await);
        client.session.room(true);
        for n in 5..10 {
            assert_eq!(client.command().await.message.body, n.to_string());
        }
        client.subscribe(false).await;
        send(&world, "d1", text("unwanted")).await;
        assert!(client.is_quiet().await);
    });
}

#[test]
fn a_connection_that_ends_gives_back_what_it_held_and_not_what_it_completed() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        for message in ["one", "two", "three"] {
            send(&world, "d1", text(message)).await;
        }
        let mut client = Client::listens(&world).await;
        let (one, two) = (client.command().await, client.command().await);
        // The client said so, and went at once.
        drop(client.session.settle(one.lease, Settlement::Complete));
        drop(client);
        let mut client = Client::listens(&world).await;
        let again = client.command().await;
        assert_eq!((again.message.body.as_ref(), again.again), (&b"two"[..], true));
        assert_ne!(again.lease, two.lease);
        let third = client.command().await;
        assert_eq!((third.message.body.as_ref(), third.again), (&b"three"[..], false));
        // A lock of an earlier connection counts no more.
        let lost = client.session.settle(two.lease, Settlement::Complete).await;
        assert_eq!(lost, Err(NotSettled::LockLost));
        client.session.settle(again.lease, Settlement::Complete).await.unwrap();
        client.session.settle(third.lease, Settlement::Complete).await.unwrap();
        drop(client);
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        assert_eq!(lease(&commands, &to).await, None);
        let figures = commands.figures();
        assert_eq!((figures.completed, figures.depth), (3, 0));
    });
}

#[test]
fn the_newer_connection_gets_what_the_older_one_held_and_still_does_not_let_go() {
    everywhere(|world| async move {
        world.device("d1", json!({})).await;
        send(&world, "d1", text("one")).await;
        let mut older = Client::listens(&world).await;
        let held = older.command().await;
        let mut newer = Client::listens(&world).await;
        let command = newer.command().await;
        assert!(command.again);
        send(&world, "d1", text("two")).await;
        let next = poll_fn(|context| older.orders.poll_next(context));
        let told = tokio::time::timeout(SOON, next).await.unwrap();
        assert!(matches!(told, Order::Close(CloseReason::Superseded)), "{told:?}");
        assert_eq!(newer.command().await.message.body, "two");
        let (commands, to) = (world.hub.commands().clone(), recipient(&world, "d1", None).await);
        let lost = commands.complete(&to, skerry_hub::commands::LockToken(held.lease.0)).await;
        assert_eq!(lost, Err(SettleError::LockLost));
    });
}
