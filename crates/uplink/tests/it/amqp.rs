//! The AMQP client against a server's machine that a test plays.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use skerry_amqp::codec::{CodecLimits, Value};
use skerry_amqp::connection::{Connection, Event as Told, Reply, unit_length};
use skerry_amqp::message::{Properties, Sections, Writer};
use skerry_amqp::performative::{Attach, Role, SaslCode, condition};
use skerry_uplink::amqp::{
    Client, Credentials, Delivery, Event, Fault, LinkId, NotShown, Offer, Opening, Options, Outcome, Outgoing,
};
use skerry_uplink::{Error, Place};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::peer::{Listener, PATIENCE, Peer};

/// A server's side of one connection.
struct Server {
    peer: Peer,
    machine: Connection,
    input: BytesMut,
    told: VecDeque<Told>,
    /// Signs of life that came.
    signs: usize,
}

impl Server {
    fn new(peer: Peer, options: Options) -> Self {
        let machine = Connection::server(options);
        Self { peer, machine, input: BytesMut::new(), told: VecDeque::new(), signs: 0 }
    }

    async fn say(&mut self) {
        self.peer.stream.write_all(&std::mem::take(&mut self.machine.out)).await.unwrap();
        self.peer.stream.flush().await.unwrap();
    }

    /// Whether something came.
    async fn hear(&mut self) -> bool {
        if self.peer.stream.read_buf(&mut self.input).await.unwrap() == 0 {
            return false;
        }
        while let Some(len) =
            unit_length(&self.input, 64 << 10).unwrap().filter(|len| *len <= self.input.len())
        {
            self.signs += usize::from(len == 8 && !self.input.starts_with(b"AMQP"));
            self.machine.handle_unit(self.input.split_to(len).freeze()).unwrap();
            self.told.extend(std::iter::from_fn(|| self.machine.poll_event()));
        }
        true
    }

    /// What happens next; what is to be said is said before.
    async fn next(&mut self) -> Told {
        loop {
            self.say().await;
            if let Some(told) = self.told.pop_front() {
                return told;
            }
            assert!(self.hear().await, "the client has gone");
        }
    }

    async fn opened(&mut self) {
        loop {
            match self.next().await {
                Told::Sasl(_) => self.machine.answer_sasl(SaslCode::Ok),
                Told::Opened(_) => return self.say().await,
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next link that is asked for.
    async fn asked(&mut self) -> (LinkId, Box<Attach>) {
        loop {
            match self.next().await {
                Told::Attach { link, attach } => return (link, attach),
                // What was on its way to another link is of no interest here.
                Told::Credit { .. } | Told::Delivery { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Accepts it.
    async fn attached(&mut self) -> LinkId {
        let (link, attach) = self.asked().await;
        self.machine.accept(link, Reply::to(&attach, 10, 1 << 20));
        self.say().await;
        link
    }

    async fn delivered(&mut self) -> (LinkId, Delivery) {
        loop {
            match self.next().await {
                Told::Delivery { link, delivery } => return (link, delivery),
                Told::Credit { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Says of a token what the status says.
    async fn answer_token(&mut self, answers: LinkId, status: i32) -> Sections {
        let (_, delivery) = self.delivered().await;
        let request = Sections::decode(delivery.payload, CodecLimits::default()).unwrap();
        let mut payload = Vec::new();
        let mut writer = Writer::new(&mut payload);
        let correlation_id = request.properties.message_id.clone();
        writer.properties(&Properties { correlation_id, ..Properties::default() });
        writer
            .application()
            .string("status-code", &Value::Int(status))
            .string_text("status-description", "so it is");
        self.send(answers, payload.into()).await;
        request
    }

    /// Sends as soon as there is credit.
    async fn send(&mut self, link: LinkId, payload: Bytes) {
        while !self.machine.is_ready(link) {
            assert!(self.hear().await, "the client has gone");
        }
        self.machine.send(link, Outgoing { payload, is_settled: true, ..Outgoing::default() }).unwrap();
        self.say().await;
    }
}

fn opening() -> Opening {
    let options = Options { hostname: Some("hub1.skerry.test".into()), ..Options::new("c1".into()) };
    Opening { options, credentials: Some(Credentials::anonymous()) }
}

async fn connect(place: &Place) -> Result<Client<u32>, Error> {
    timeout(PATIENCE, Client::connect(place, opening())).await.expect("it hangs")
}

async fn served(listener: &Listener) -> Server {
    let mut server = Server::new(listener.accept().await, Options::new("server".into()));
    server.opened().await;
    server
}

async fn connected() -> (Listener, Client<u32>, Server) {
    let listener = Listener::open().await;
    let place = listener.place();
    let (client, server) = tokio::join!(connect(&place), served(&listener));
    (listener, client.unwrap(), server)
}

async fn event(client: &mut Client<u32>) -> Event<u32> {
    timeout(PATIENCE, client.event()).await.expect("nothing happens").unwrap()
}

/// A link on which the client sends, with credit for ten.
async fn sender(client: &mut Client<u32>, server: &mut Server) -> (LinkId, LinkId) {
    let ours = client.attach(Offer::sender("s", "/devices/d1/messages/events")).unwrap();
    let ready = async {
        assert!(matches!(event(client).await, Event::Attached { link, .. } if link == ours));
        assert_eq!(event(client).await, Event::Ready { link: ours });
    };
    let (theirs, ()) = tokio::join!(server.attached(), ready);
    (ours, theirs)
}

#[tokio::test]
async fn what_is_sent_comes_back_with_its_outcome() {
    let (_listener, mut client, mut server) = connected().await;
    let (ours, theirs) = sender(&mut client, &mut server).await;
    let mut sent = 0;
    while client.is_ready(ours) {
        client.send(ours, Bytes::from_static(b"m"), sent).unwrap();
        sent += 1;
    }
    assert_eq!((sent, client.pending_count()), (10, 10));
    assert_eq!(client.send(ours, Bytes::new(), 77).unwrap_err().item, 77);
    let serve = async {
        let mut ids = Vec::new();
        while ids.len() < 10 {
            ids.push(server.delivered().await.1.id);
        }
        let fault = Fault::new(condition::NOT_ALLOWED, "no");
        server.machine.settle(theirs, ids[4], ids[4], Outcome::rejected(fault));
        server.machine.settle(theirs, ids[0], ids[3], Outcome::Accepted);
        server.machine.settle(theirs, ids[5], ids[9], Outcome::Accepted);
        server.say().await;
    };
    let hear = async {
        let mut heard = Vec::new();
        while heard.len() < 10 {
            if let Event::Sent { item, outcome, .. } = event(&mut client).await {
                heard.push((item, outcome == Outcome::Accepted));
            }
        }
        heard
    };
    let ((), heard) = tokio::join!(serve, hear);
    let expected: Vec<(u32, bool)> = [4, 0, 1, 2, 3, 5, 6, 7, 8, 9].map(|item| (item, item != 4)).into();
    assert_eq!((heard, client.pending_count()), (expected, 0));
}

#[tokio::test]
async fn tokens_are_shown_and_answered_and_nothing_else_is_lost_meanwhile() {
    let (_listener, mut client, mut server) = connected().await;
    let receiver = client.attach(Offer::receiver("r", "/devices/d1/messages/devicebound", 5)).unwrap();
    let serve = async {
        let from = server.attached().await;
        let (answers, asked) = server.asked().await;
        assert_eq!(
            (asked.role, asked.source.as_ref().unwrap().address.as_text()),
            (Role::Receiver, Some("$cbs"))
        );
        server.machine.accept(answers, Reply::to(&asked, 10, 1 << 20));
        server.attached().await;
        server.send(from, Bytes::from_static(b"first")).await;
        let request = server.answer_token(answers, 200).await;
        assert_eq!(request.property("name").and_then(Value::as_text), Some("hub1/devices/d1"));
        assert_eq!(request.property("operation").and_then(Value::as_text), Some("put-token"));
        assert_eq!(request.body_value().unwrap().as_text(), Some("a token"));
        server.answer_token(answers, 401).await;
        server
    };
    let show = async {
        client.authorize("hub1/devices/d1", "a token").await.unwrap();
        let error = client.authorize("hub1/devices/d1", "another").await.unwrap_err();
        assert!(!error.is_passing(), "{error}");
        let Error::NotShown(NotShown::Refused { status, what }) = error else { panic!("{error}") };
        assert_eq!((status, what.as_str()), (401, "so it is"));
    };
    let (mut server, ()) = tokio::join!(serve, show);
    assert!(matches!(event(&mut client).await, Event::Attached { link, .. } if link == receiver));
    let Event::Delivery { delivery, .. } = event(&mut client).await else { panic!("the first message") };
    assert_eq!(delivery.payload, "first");
    // The links for tokens go: what was shown is answered, and the next token has new ones.
    let number = client.show_token("hub1/devices/d1", "a third").unwrap();
    let hear = async { event(&mut client).await };
    let lose = async {
        let (requests, _) = server.delivered().await;
        server.machine.detach(requests, None);
        server.say().await;
    };
    let (told, ()) = tokio::join!(hear, lose);
    assert_eq!(told, Event::Shown { token: number, outcome: Err(NotShown::Gone) });
    client.show_token("hub1/devices/d1", "a fourth").unwrap();
    let again = async {
        loop {
            if let Told::Attach { attach, .. } = server.next().await {
                return attach;
            }
        }
    };
    tokio::select! {
        attach = again => assert_eq!(attach.role, Role::Receiver),
        event = event(&mut client) => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn what_a_lost_link_or_connection_leaves_without_outcome_comes_back() {
    let (listener, mut client, mut server) = connected().await;
    let (ours, theirs) = sender(&mut client, &mut server).await;
    for item in 0..3 {
        client.send(ours, Bytes::from_static(b"m"), item).unwrap();
    }
    let serve = async {
        let (_, first) = server.delivered().await;
        server.machine.settle(theirs, first.id, first.id, Outcome::Accepted);
        server.machine.detach(theirs, Some(Fault::new(condition::DETACH_FORCED, "away")));
        server.say().await;
    };
    let hear = async {
        assert!(matches!(event(&mut client).await, Event::Sent { item: 0, .. }));
        event(&mut client).await
    };
    let ((), detached) = tokio::join!(serve, hear);
    let Event::Detached { link, fault: Some(fault), unsettled } = detached else { panic!("{detached:?}") };
    assert_eq!((link, fault.condition.as_str(), unsettled), (ours, condition::DETACH_FORCED, vec![1, 2]));
    let (ours, _) = sender(&mut client, &mut server).await;
    for item in 5..8 {
        client.send(ours, Bytes::from_static(b"m"), item).unwrap();
    }
    drop(server);
    let error = timeout(PATIENCE, client.event()).await.unwrap().unwrap_err();
    assert!(error.is_passing(), "{error}");
    let place = listener.place();
    let (again, mut server) = tokio::join!(client.reconnect(&place), served(&listener));
    again.unwrap();
    assert_eq!(client.take_unsettled(), [5, 6, 7]);
    assert_eq!(client.pending_count(), 0);
    let (ours, _) = sender(&mut client, &mut server).await;
    client.send(ours, Bytes::from_static(b"m"), 9).unwrap();
    assert_eq!(client.detach(ours), [9]);
}

#[tokio::test]
async fn messages_come_as_far_as_the_window_goes() {
    let (_listener, mut client, mut server) = connected().await;
    let ours = client.attach(Offer::receiver("r", "q", 2)).unwrap();
    let (theirs, attached) = tokio::join!(server.attached(), event(&mut client));
    assert!(matches!(attached, Event::Attached { link, .. } if link == ours));
    let credit = async { while !matches!(server.next().await, Told::Credit { .. }) {} };
    tokio::select! {
        () = credit => {}
        event = event(&mut client) => panic!("{event:?}"),
    }
    assert_eq!(server.machine.credit(theirs), 2);
    let payload = Bytes::from_static(b"m");
    let unsettled = server.machine.send(theirs, Outgoing { payload, ..Outgoing::default() }).unwrap();
    server.say().await;
    let Event::Delivery { delivery, .. } = event(&mut client).await else { panic!("a message") };
    client.recall(ours);
    client.settle(ours, &delivery, Outcome::Accepted);
    let serve = async {
        let mut has_outcome = false;
        loop {
            match server.next().await {
                Told::Outcome { delivery, outcome, .. } => {
                    has_outcome = (delivery, outcome) == (unsettled, Some(Outcome::Accepted));
                }
                Told::Credit { .. } if server.machine.wants_drain(theirs) => server.machine.drain(theirs),
                other => panic!("{other:?}"),
            }
            if has_outcome && server.machine.credit(theirs) == 0 {
                return server.say().await;
            }
        }
    };
    let ((), told) = tokio::join!(serve, event(&mut client));
    assert_eq!(told, Event::Recalled { link: ours });
}

#[tokio::test]
async fn a_quiet_client_gives_signs_of_life() {
    let listener = Listener::open().await;
    let place = listener.place();
    let patient = Options { idle_timeout: Duration::from_secs(1), ..Options::new("server".into()) };
    let serve = async {
        let mut server = Server::new(listener.accept().await, patient);
        server.opened().await;
        while server.signs < 2 {
            assert!(server.hear().await);
        }
    };
    let wait = async {
        let mut client = connect(&place).await.unwrap();
        client.event().await
    };
    tokio::select! {
        done = timeout(PATIENCE, serve) => done.expect("no sign of life"),
        event = wait => panic!("{event:?}"),
    }
}

#[tokio::test]
async fn why_a_server_will_not_have_a_client_is_told() {
    let listener = Listener::open().await;
    let place = listener.place();
    let refuse = async {
        let mut server = Server::new(listener.accept().await, Options::new("server".into()));
        assert!(matches!(server.next().await, Told::Sasl(_)));
        server.machine.answer_sasl(SaslCode::Auth);
        server.say().await;
        server
    };
    let (_server, refused) = tokio::join!(refuse, connect(&place));
    let error = refused.unwrap_err();
    assert!(!error.is_passing(), "{error}");
    let (mut server, client) = tokio::join!(served(&listener), connect(&place));
    server.machine.close(Some(Fault::new(condition::CONNECTION_FORCED, "the server stops")));
    server.say().await;
    let error = client.unwrap().event().await.unwrap_err();
    assert!(error.is_passing());
    assert_eq!(
        error.to_string(),
        "the server ended the connection: the server stops (amqp:connection:forced)"
    );
}

#[tokio::test]
async fn a_client_says_goodbye_and_waits_for_the_answer() {
    let (_listener, client, mut server) = connected().await;
    let serve = async {
        assert_eq!(server.next().await, Told::Closed { fault: None });
        server.say().await;
        assert!(!server.hear().await, "nothing comes behind it");
    };
    tokio::join!(serve, client.close());
}
