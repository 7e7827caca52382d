//! Faults that a message asks for: each breaks what it names, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use skerry_amqp::address::Node;
use skerry_amqp::performative::condition;
use skerry_uplink::amqp::{Client, Event, Fault, LinkId, Offer, Outcome, SessionId};
use skerry_uplink::{Error, Identity};

use super::{HOUR, Settled, authorize, connect, message, next, sender};
use crate::mqtt::new_device;
use crate::process::Hub;

const TYPE: &str = "AzIoTHub_FaultOperationType";
const LASTS: &str = "AzIoTHub_FaultOperationDurationInSecs";
const FAULTY: &str = "faulty";
const OTHER: &str = "other";
/// What a device has, and what both share.
const PARTS: [&str; 6] =
    ["events", "commands", "twin requests", "twin answers", "method answers", "method calls"];
const TOKENS: [&str; 2] = ["token requests", "token answers"];

/// Two devices on one connection, with everything that devices have.
struct Both {
    client: Client<()>,
    links: BTreeMap<LinkId, String>,
    /// A session for each device.
    sessions: [SessionId; 2],
}

impl Both {
    async fn connect(hub: &Hub, devices: &[Identity; 2]) -> Self {
        let mut client: Client<()> = connect(hub).await;
        let mut links = BTreeMap::new();
        // Beside the pair on which the tokens are shown.
        links.insert(client.attach(Offer::sender("t1", "$cbs")).unwrap(), TOKENS[0].to_owned());
        links.insert(client.attach(Offer::receiver("t2", "$cbs", 10)).unwrap(), TOKENS[1].to_owned());
        for device in devices {
            authorize(&mut client, device, HOUR).await;
        }
        let sessions = [client.begin().unwrap(), client.begin().unwrap()];
        for (device, session) in devices.iter().zip(sessions) {
            let (events, commands) = (Node::Events(device.id()), Node::Devicebound(device.id()));
            let (twin, methods) = (Node::Twin(device.id()), Node::Methods(device.id()));
            let offers = [
                Offer::sender(PARTS[0], &events.to_string()),
                Offer::receiver(PARTS[1], &commands.to_string(), 5),
                Offer::sender(PARTS[2], &twin.to_string()),
                Offer::receiver(PARTS[3], &twin.to_string(), 5),
                Offer::sender(PARTS[4], &methods.to_string()),
                Offer::receiver(PARTS[5], &methods.to_string(), 5),
            ];
            for (offer, part) in offers.into_iter().zip(PARTS) {
                let name = format!("{part} of {}", device.device);
                links.insert(client.attach_in(session, offer).unwrap(), name);
            }
        }
        let mut both = Self { client, links, sessions };
        let mut attached = 0;
        while attached < both.links.len() || !both.client.is_ready(both.events(FAULTY)) {
            match next(&mut both.client).await.unwrap() {
                Event::Attached { .. } => attached += 1,
                Event::Ready { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        both
    }

    fn events(&self, device: &str) -> LinkId {
        let name = format!("events of {device}");
        *self.links.iter().find(|(_, known)| **known == name).unwrap().0
    }

    fn ask(&mut self, properties: &[(&str, &str)]) {
        let to = self.events(FAULTY);
        self.client.send(to, message("break", properties), ()).unwrap();
    }

    /// Until so many links are gone.
    async fn gone(&mut self, count: usize) -> BTreeMap<String, Fault> {
        let mut gone = BTreeMap::new();
        while gone.len() < count {
            match next(&mut self.client).await.unwrap() {
                Event::Detached { link, fault, .. } => {
                    drop(gone.insert(self.links.remove(&link).unwrap(), fault.unwrap_or_default()));
                }
                Event::Sent { .. } | Event::Ready { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        gone
    }

    /// What is left works, and nothing more goes.
    async fn check_alive(&mut self) {
        let open: Vec<LinkId> = self.links.keys().copied().collect();
        for link in open.into_iter().filter(|link| self.links[link].starts_with("events")) {
            self.client.send(link, message("alive", &[]), ()).unwrap();
            loop {
                match next(&mut self.client).await.unwrap() {
                    Event::Sent { link: sent, outcome, .. } if sent == link => {
                        assert_eq!(outcome, Outcome::Accepted);
                        break;
                    }
                    Event::Ready { .. } | Event::Sent { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    }

    /// How the connection ended.
    async fn end(&mut self) -> Error {
        loop {
            if let Err(error) = next(&mut self.client).await {
                return error;
            }
        }
    }
}

fn of(device: &str, parts: &[&str]) -> BTreeSet<String> {
    parts.iter().map(|part| format!("{part} of {device}")).collect()
}

fn faulty_hub() -> (Settled, Hub, [Identity; 2]) {
    let settled = Settled::new("");
    let hub = settled.start(&["--fault-injection"]);
    let devices = [FAULTY, OTHER].map(|id| new_device(&hub, id));
    (settled, hub, devices)
}

#[test]
fn links_and_sessions_break_alone() {
    let (_settled, hub, devices) = faulty_hub();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let token = |at: usize| BTreeSet::from([TOKENS[at].to_owned()]);
    for (word, expected) in [
        ("KillAmqpSession", of(FAULTY, &PARTS)),
        ("KillAmqpCBSLinkReq", token(0)),
        ("KillAmqpCBSLinkResp", token(1)),
        ("KillAmqpD2CLink", of(FAULTY, &[PARTS[0]])),
        ("KillAmqpC2DLink", of(FAULTY, &[PARTS[1]])),
        ("KillAmqpTwinLinkReq", of(FAULTY, &[PARTS[2]])),
        ("KillAmqpTwinLinkResp", of(FAULTY, &[PARTS[3]])),
        ("KillAmqpMethodRespLink", of(FAULTY, &[PARTS[4]])),
        ("KillAmqpMethodReqLink", of(FAULTY, &[PARTS[5]])),
    ] {
        runtime.block_on(async {
            let mut both = Both::connect(&hub, &devices).await;
            both.ask(&[(TYPE, word)]);
            let gone = both.gone(expected.len()).await;
            assert_eq!(gone.keys().cloned().collect::<BTreeSet<_>>(), expected, "{word}");
            both.check_alive().await;
            // A session that was ended frees its place; the others go on.
            if word == "KillAmqpSession" {
                let offer = Offer::sender("x", "$cbs");
                assert!(both.client.attach_in(both.sessions[0], offer.clone()).is_none());
                assert!(both.client.attach_in(both.sessions[1], offer).is_some());
            }
            both.client.close().await;
        });
    }
    hub.stop();
}

#[test]
fn connections_break_with_and_without_a_word() {
    let (_settled, hub, devices) = faulty_hub();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (word, has_word) in [("KillTcp", false), ("ShutDownAmqp", true), ("KillAmqpConnection", true)] {
        runtime.block_on(async {
            let mut beside: Client<()> = connect(&hub).await;
            let third = new_device(&hub, &format!("beside-{word}"));
            authorize(&mut beside, &third, HOUR).await;
            let to = sender(&mut beside, &third).await;
            let mut both = Both::connect(&hub, &devices).await;
            both.ask(&[(TYPE, word)]);
            match both.end().await {
                Error::Farewell(Some(fault)) if has_word => {
                    assert_eq!(fault.condition.as_str(), condition::CONNECTION_FORCED, "{word}");
                }
                Error::Closed | Error::Broken(_) if !has_word => {}
                other => panic!("{word}: {other:?}"),
            }
            // Other connections do not notice.
            beside.send(to, message("alive", &[]), ()).unwrap();
            let told = next(&mut beside).await.unwrap();
            assert!(matches!(told, Event::Sent { outcome: Outcome::Accepted, .. }), "{told:?}");
            // Who was thrown out comes back.
            Both::connect(&hub, &devices).await.check_alive().await;
        });
    }
    hub.stop();
}

#[test]
fn a_device_is_refused_for_a_while_and_no_other() {
    let (_settled, hub, devices) = faulty_hub();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (word, refusal) in [
        ("InvokeThrottling", "com.microsoft:timeout"),
        ("InvokeMaxMessageQuota", "com.microsoft:timeout"),
        ("InvokeAuthError", condition::UNAUTHORIZED_ACCESS),
    ] {
        runtime.block_on(async {
            let mut both = Both::connect(&hub, &devices).await;
            both.ask(&[(TYPE, word), (LASTS, "3")]);
            let gone = both.gone(PARTS.len()).await;
            assert_eq!(gone.keys().cloned().collect::<BTreeSet<_>>(), of(FAULTY, &PARTS), "{word}");
            both.check_alive().await;
            // As long as it lasts the device is refused; then it is back.
            let offer = Offer::sender("again", &Node::Events(devices[0].id()).to_string());
            let mut refusals = Vec::new();
            'tries: loop {
                let link = both.client.attach(offer.clone()).unwrap();
                loop {
                    match next(&mut both.client).await.unwrap() {
                        Event::Detached { link: gone, fault, .. } if gone == link => {
                            refusals.push(fault.unwrap().condition.to_string());
                            break;
                        }
                        Event::Ready { link: ready } if ready == link => break 'tries,
                        Event::Attached { .. } | Event::Ready { .. } => {}
                        other => panic!("{other:?}"),
                    }
                }
            }
            assert!(
                !refusals.is_empty() && refusals.iter().all(|known| known == refusal),
                "{word}: {refusals:?}"
            );
            both.check_alive().await;
        });
    }
    hub.stop();
}
