//! What a line promises, whatever is spoken on it.

use std::time::Duration;

use serde_json::json;
use skerry_edge_hub::LinesOptions;
use skerry_front::device::Settlement;
use skerry_model::message::{Ack, Message, SystemProperties};
use skerry_mqtt::topic::Subscription;
use tokio::time::sleep;

use super::door::Spoken;
use super::{Bed, PATIENCE};
use crate::sim::{Acks, Settling};

pub async fn letters_arrive_as_they_were_sent(spoken: Spoken) {
    let bed = Bed::new(spoken).await;
    let text = |text: &str| Some(text.to_owned());
    let full = SystemProperties {
        message_id: text("m#1"),
        correlation_id: text("c:1"),
        user_id: text("u"),
        content_type: text("application/json"),
        content_encoding: text("utf-8"),
        creation_time: Some("2026-01-02T03:04:05.1234567Z".parse().unwrap()),
        expiry: Some("2036-01-02T03:04:05.123Z".parse().unwrap()),
        ack: Some(Ack::Full),
        schema: text("schema"),
        interface_id: text("urn:azureiot:Security:SecurityAgent:1"),
        component: text("thermostat"),
        output: text("alerts"),
        ..SystemProperties::default()
    };
    let application =
        vec![("level".to_owned(), "high & low".to_owned()), ("\u{fc}".to_owned(), String::new())];
    let bodies = [r#"{"n": 1}"#.to_owned(), String::new(), "x".repeat(200_000)];
    let messages = bodies.map(|body| Message {
        body: body.into(),
        system: full.clone().into(),
        application: application.clone(),
    });
    for id in ["a", "edge/m"] {
        let client = bed.world.connect(id).await;
        for message in &messages {
            client.publish_whole(message.clone()).await;
        }
        let last = Message { body: "bare".into(), ..Message::default() };
        client.publish_whole(last.clone()).await;
        bed.until_all_is_there().await;
        let state = bed.door.state();
        let arrived = state.messages.iter().filter(|(from, _)| from == id).map(|(_, message)| message);
        let sent: Vec<&Message> = messages.iter().chain([&last]).collect();
        assert_eq!(arrived.collect::<Vec<_>>(), sent, "{id}");
    }
    let chains = &bed.door.state().chains;
    let chain = |id: &str| chains[id].as_deref();
    assert_eq!(
        (chain("a"), chain("edge/m"), chain("edge/$edgeHub")),
        (Some("a;edge"), Some("edge/m;edge"), None)
    );
}

pub async fn letters_keep_their_order_over_a_line_that_flaps(spoken: Spoken) {
    const LETTERS: u64 = 400;
    const CUTS: usize = 6;
    let options = LinesOptions { hang: Duration::from_secs(3), ..LinesOptions::default() };
    let mut bed = Bed::with(spoken, options, Duration::from_secs(3600));
    bed.world.hub.acknowledge(Acks::After(Duration::from_millis(30)));
    bed.world.start().await;
    let mut senders = Vec::new();
    for id in ["a", "b", "edge/m"] {
        let client = bed.world.connect(id).await;
        senders.push(tokio::spawn(async move {
            for number in 0..LETTERS {
                client.publish(number).await.unwrap();
                sleep(Duration::from_millis(5)).await;
            }
        }));
    }
    let hub = bed.world.hub.clone();
    for turn in 0..CUTS as u64 {
        sleep(Duration::from_millis(150 + 90 * turn)).await;
        match turn % 3 {
            0 => hub.cut(),
            1 => {
                hub.go_away();
                sleep(Duration::from_millis(100 * turn)).await;
                hub.come_back();
            }
            _ => {
                hub.acknowledge(Acks::Swallowed);
                sleep(Duration::from_millis(150)).await;
                hub.cut();
                hub.acknowledge(Acks::After(Duration::from_millis(30)));
            }
        }
    }
    for sender in senders {
        sender.await.unwrap();
    }
    bed.until_all_is_there().await;
    let mut again = 0;
    for id in ["a", "b", "edge/m"] {
        hub.assert_in_order(id, LETTERS, CUTS * 512);
        again += hub.letters(id).len() as u64 - LETTERS;
    }
    let counted = bed.world.edge().figures().sent_again.get();
    assert!(again <= counted, "{again} letters came again, and {counted} were counted");
}

pub async fn a_hub_that_acknowledges_nothing_is_left_and_found_again(spoken: Spoken) {
    let options = LinesOptions { hang: Duration::from_millis(700), ..LinesOptions::default() };
    let mut bed = Bed::with(spoken, options, Duration::from_secs(3600));
    bed.world.start().await;
    let client = bed.world.connect("a").await;
    client.publish_all(0..10).await;
    bed.until_all_is_there().await;
    bed.world.hub.acknowledge(Acks::Swallowed);
    let dials = bed.world.hub.dials("a");
    client.publish_all(10..50).await;
    bed.until("it was left twice", |world| {
        world.edge().figures().stalls.get() >= 2 && world.hub.dials("a") >= dials + 2
    })
    .await;
    assert_eq!(bed.world.hub.count("a"), 10);
    bed.world.hub.acknowledge(Acks::After(Duration::from_millis(5)));
    bed.until_all_is_there().await;
    bed.world.hub.assert_in_order("a", 50, 0);
}

pub async fn many_letters_are_under_way_at_a_time(spoken: Spoken) {
    let bed = Bed::new(spoken).await;
    let client = bed.world.connect("a").await;
    client.publish(0).await.unwrap();
    bed.until_all_is_there().await;
    bed.world.hub.acknowledge(Acks::Never);
    // As many as the client of MQTT has in its window here.
    let letters = if spoken.is_amqp() { 401 } else { 65 };
    client.publish_batch(1..letters, 1).await;
    bed.until("all came, and none is acknowledged", |world| world.hub.letters("a").len() as u64 == letters)
        .await;
    assert_eq!(bed.world.waiting(), letters - 1);
    assert_eq!(bed.world.edge().figures().stalls.get(), 0);
}

pub async fn who_is_not_let_in_keeps_nobody_waiting(spoken: Spoken) {
    let bed = Bed::new(spoken).await;
    let hub = bed.world.hub.clone();
    let (barred, good) = (bed.world.connect("a").await, bed.world.connect("b").await);
    // Once before it has a line, and once while it has one.
    for turn in 0..2 {
        hub.bar("a");
        let range = 50 * turn..50 * (turn + 1);
        barred.publish_all(range.clone()).await;
        good.publish_all(range).await;
        let all = 50 * (turn as usize + 1);
        bed.until("the others' letters are there", |world| world.hub.count("b") == all).await;
        assert_eq!(hub.count("a"), 50 * turn as usize);
        hub.let_in("a");
        bed.until("its letters are there, too", |world| world.hub.count("a") == all).await;
    }
    bed.until_all_is_there().await;
    hub.assert_in_order("a", 100, 100);
    hub.assert_in_order("b", 100, 100);
}

pub async fn a_hub_that_turns_letters_away_for_now_gets_them_in_the_end(spoken: Spoken) {
    let bed = Bed::new(spoken).await;
    let client = bed.world.connect("a").await;
    for turn in 0..3 {
        bed.door.state().throttles = 3;
        // One after the other: what is behind one that is turned away may be there before it.
        for number in 10 * turn..10 * (turn + 1) {
            client.publish(number).await.unwrap();
            bed.until_all_is_there().await;
        }
        assert_eq!(bed.door.state().throttles, 0);
    }
    bed.world.hub.assert_in_order("a", 30, 0);
    let dropped = bed.world.edge().figures().messages_dropped.series();
    assert!(dropped.is_empty(), "{dropped:?}");
    if spoken.is_amqp() {
        // MQTT has no word for it.
        bed.world.hub.refuses("31");
        for number in 30..33 {
            client.publish(number).await.unwrap();
            bed.until_all_is_there().await;
        }
        assert_eq!(bed.world.hub.letters("a")[30..], ["30", "32"]);
        let dropped = bed.world.edge().figures().messages_dropped.series();
        assert!(dropped.len() == 1 && dropped[0].0.contains("refused") && dropped[0].1 == 1, "{dropped:?}");
    }
}

pub async fn twins_are_asked_told_and_followed(spoken: Spoken) {
    let bed = Bed::new(spoken).await;
    let hub = bed.world.hub.clone();
    for id in ["a", "edge/m"] {
        hub.desire(id, &json!({"colour": "red"}));
        let client = bed.world.connect(id).await;
        client.subscribe(&[Subscription::Desired]).await;
        while client.twin().await["desired"]["colour"] != "red" {
            sleep(Duration::from_millis(20)).await;
        }
        client.report(&json!({"x": 1})).await;
        bed.until("it is told", |world| world.hub.reported(id)["x"] == 1).await;
        for number in 0..10 {
            hub.desire(id, &json!({"number": number}));
        }
        let is_told = || client.desired().last().is_some_and(|patch| patch["number"] == 9);
        bed.until("changes come", |_| is_told()).await;
        // What happens without a line is made up for.
        hub.go_away();
        hub.desire(id, &json!({"colour": "blue"}));
        client.report(&json!({"x": 2})).await;
        hub.come_back();
        bed.until("it is told", |world| world.hub.reported(id)["x"] == 2).await;
        bed.until("the change came", |_| {
            client.desired().iter().any(|patch| patch["colour"] == "blue" && patch["$version"] == 13)
        })
        .await;
        let versions: Vec<u64> =
            client.desired().iter().map(|patch| patch["$version"].as_u64().unwrap()).collect();
        assert!(versions.is_sorted_by(|one, next| one < next), "{versions:?}");
    }
}

pub async fn calls_are_answered(spoken: Spoken) {
    let bed = Bed::new(spoken).await;
    for id in ["a", "edge/m"] {
        let client = bed.world.connect(id).await;
        client.subscribe(&[Subscription::Methods]).await;
        for turn in 0..3 {
            let call = format!("{}{turn}", &id[..1]);
            // Who is called before it listens is not there; its caller tries again.
            let asks = async {
                while bed.world.hub.answer(&call) != Some(200) {
                    if bed.world.hub.dials(id) > 0 {
                        bed.world.hub.call(id, &call, "m");
                    }
                    sleep(Duration::from_millis(100)).await;
                }
            };
            tokio::time::timeout(PATIENCE, asks).await.expect("the call is answered");
        }
    }
    bed.world.hub.call("edge/$edgeHub", "own", "RefreshDeviceScopeIdentityCache");
    bed.until("the edge hub answers", |world| world.hub.answer("own") == Some(400)).await;
}

pub async fn commands_are_settled_by_whoever_gets_them(spoken: Spoken) {
    let bed = Bed::new(spoken).await;
    let hub = bed.world.hub.clone();
    let client = bed.world.connect_as("a", Settling::RejectOdd).await;
    client.subscribe(&[Subscription::Commands]).await;
    bed.until("its line is up", |world| world.hub.dials("a") == 1).await;
    for number in 0..6 {
        hub.command("a", number, &number.to_string());
    }
    bed.until("they are settled", |world| world.hub.settled().len() == 6).await;
    assert_eq!(client.bodies(), ["0", "1", "2", "3", "4", "5"]);
    let mut settled = bed.door.state().settled.clone();
    settled.sort_unstable_by_key(|(number, _)| *number);
    // MQTT has one word for both.
    let odd = if spoken.is_amqp() { Settlement::Reject } else { Settlement::Complete };
    let expected = (0..6).map(|number| (number, if number % 2 == 1 { odd } else { Settlement::Complete }));
    assert_eq!(settled, expected.collect::<Vec<_>>());
    if spoken.is_amqp() {
        let client = bed.world.connect_as("b", Settling::Abandon(1)).await;
        client.subscribe(&[Subscription::Commands]).await;
        bed.until("its line is up", |world| world.hub.dials("b") == 1).await;
        hub.command("b", 10, "10");
        bed.until("it is abandoned", |_| bed.door.state().settled.contains(&(10, Settlement::Abandon))).await;
    }
}

pub async fn a_command_that_nobody_could_be_given_is_given_again(spoken: Spoken) {
    let bed = Bed::new(spoken).await;
    let hub = bed.world.hub.clone();
    let client = bed.world.connect_as("a", Settling::Never).await;
    client.subscribe(&[Subscription::Commands]).await;
    bed.until("its line is up", |world| world.hub.dials("a") == 1).await;
    hub.command("a", 1, "one");
    bed.until("it comes", |_| client.bodies() == ["one"]).await;
    // It goes without a word, and comes back.
    drop(client);
    let client = bed.world.connect("a").await;
    client.subscribe(&[Subscription::Commands]).await;
    bed.until("it comes again, and is settled", |world| world.hub.settled() == [1]).await;
    assert_eq!(client.bodies(), ["one"]);
    // A delivery that did not happen is none that failed.
    let abandoned = bed.door.state().settled.iter().filter(|(_, how)| *how == Settlement::Abandon).count();
    assert_eq!(abandoned, 0);
}

pub async fn tokens_end_and_lines_go_on(spoken: Spoken) {
    const LETTERS: u64 = 100;
    let life = Duration::from_secs(1);
    let options = LinesOptions { connection_life: life, ..LinesOptions::default() };
    let mut bed = Bed::with(spoken, options, life);
    bed.door.state().token_lasts = Some(Duration::from_secs(8));
    bed.world.start().await;
    let (a, module) = (bed.world.connect("a").await, bed.world.connect("edge/m").await);
    // As long as a token counts, and longer.
    for number in 0..LETTERS {
        a.publish(number).await.unwrap();
        module.publish(number).await.unwrap();
        sleep(Duration::from_millis(100)).await;
    }
    bed.until_all_is_there().await;
    let hub = &bed.world.hub;
    // On a machine that stood still for so long a token ends, and all begin anew.
    let stood_still = bed.door.state().expired > 0;
    for id in ["a", "edge/m"] {
        hub.assert_in_order(id, LETTERS, if stood_still { LETTERS as usize } else { 0 });
    }
    let dials = ["a", "edge/m", "edge/$edgeHub"].map(|id| hub.dials(id));
    if spoken.is_amqp() {
        assert!(bed.door.state().renewals >= 3, "tokens are shown anew");
        assert!(stood_still || dials == [1, 1, 1], "nobody is dropped for a token: {dials:?}");
    } else {
        assert!(dials.iter().all(|dials| *dials > 1), "connections begin anew: {dials:?}");
    }
}
