//! Letters that go past the log: never written where they are settled at once, in order and once where not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use skerry_mqtt::topic::Subscription;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::sim::{Client, Settling, Syncs, World};

/// What comes to the output `both` goes to two modules, `up` to the hub, everything else to one module.
async fn world(mut world: World) -> World {
    for id in ["edge/a", "edge/b", "edge/first", "edge/second"] {
        world.register(id);
    }
    world.start().await;
    world
}

fn routed() -> World {
    let mut routes = serde_json::Map::new();
    for sender in ["a", "b"] {
        for (output, sink) in [
            ("one", "BrokeredEndpoint(\"/modules/first/inputs/in\")"),
            ("both", "BrokeredEndpoint(\"/modules/first/inputs/in\")"),
            ("both", "BrokeredEndpoint(\"/modules/second/inputs/in\")"),
            ("up", "$upstream"),
        ] {
            let route = format!("FROM /messages/modules/{sender}/outputs/{output} INTO {sink}");
            routes.insert(format!("{sender}{output}{}", routes.len()), route.into());
        }
    }
    World::with_routes(&routes.into())
}

async fn module(world: &World, id: &str, settling: Settling) -> Client {
    let module = world.connect_as(id, settling).await;
    module.subscribe(&[Subscription::Inputs]).await;
    // Its pump has seen it.
    sleep(Duration::from_millis(1)).await;
    module
}

fn records(world: &World) -> u64 {
    world.log().figures().records
}

#[tokio::test(start_paused = true)]
async fn what_modules_settle_at_once_never_comes_into_the_log() {
    for store in [routed(), routed().on_files()] {
        let world = world(store).await;
        let (first, second) = (
            module(&world, "edge/first", Settling::Complete).await,
            module(&world, "edge/second", Settling::Complete).await,
        );
        let sender = world.connect("edge/a").await;
        for number in 0..500 {
            sender.publish_to("both", &number.to_string()).await.unwrap();
            // What goes to the hub is none of their business.
            sender.publish_to("up", "0").await.unwrap();
        }
        let all: Vec<String> = (0..500).map(|number: u64| number.to_string()).collect();
        assert_eq!((first.bodies(), second.bodies()), (all.clone(), all));
        assert_eq!(records(&world), 500);
        let sent = world.edge().figures().messages_sent.series();
        let to = |module: &str| {
            let of = sent.iter().filter(|(labels, _)| labels.contains(&format!("to=\"edge/{module}\"")));
            of.map(|(_, count)| count).sum::<u64>()
        };
        assert_eq!((to("first"), to("second")), (500, 500), "{sent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_module_keeps_is_in_the_log_soon_and_is_handed_on_once_in_each_life() {
    for store in [routed(), routed().on_files()] {
        let mut world = world(store).await;
        let first = module(&world, "edge/first", Settling::Never).await;
        let sender = world.connect("edge/a").await;
        for number in 0..5 {
            sender.publish_to("one", &number.to_string()).await.unwrap();
            sleep(Duration::from_secs(3 * (number % 2))).await;
        }
        sleep(Duration::from_secs(600)).await;
        assert_eq!(first.bodies(), ["0", "1", "2", "3", "4"]);
        assert_eq!((records(&world), world.waiting()), (5, 5));
        drop((first, sender));
        world.kill().await;
        world.start().await;
        let first = module(&world, "edge/first", Settling::Complete).await;
        world.until("they are settled", |world| world.waiting() == 0).await;
        assert_eq!(first.bodies(), ["0", "1", "2", "3", "4"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_module_that_settles_late_settles_what_the_log_has_by_then() {
    for store in [routed(), routed().on_files()] {
        let world = world(store).await;
        let first = module(&world, "edge/first", Settling::After(Duration::from_millis(30))).await;
        let sender = world.connect("edge/a").await;
        for number in 0..40 {
            sender.publish_to("one", &number.to_string()).await.unwrap();
        }
        world.until("all are settled", |world| first.bodies().len() == 40 && world.waiting() == 0).await;
        sleep(Duration::from_secs(60)).await;
        let all: Vec<String> = (0..40).map(|number: u64| number.to_string()).collect();
        assert_eq!(first.bodies(), all);
        let sent = world.edge().figures().messages_sent.total();
        assert_eq!(sent, 40, "each is counted once");
    }
}

#[tokio::test(start_paused = true)]
async fn a_module_that_is_gone_when_letters_come_back_gets_them_later() {
    let world = world(routed().on_files()).await;
    let sender = world.connect("edge/a").await;
    let first = module(&world, "edge/first", Settling::Never).await;
    world.plug.set(Syncs::Held);
    let publishing = tokio::spawn(sender.publishing_to("one", "1"));
    while first.bodies().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(first);
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(!publishing.is_finished(), "nobody has it but memory");
    world.plug.set(Syncs::Done);
    publishing.await.unwrap().unwrap();
    let first = module(&world, "edge/first", Settling::Complete).await;
    world.until("it is settled", |world| world.waiting() == 0).await;
    assert_eq!(first.bodies(), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_log_cannot_keep_is_told_to_its_sender() {
    let world = world(routed().on_files()).await;
    let sender = world.connect("edge/a").await;
    let first = module(&world, "edge/first", Settling::Never).await;
    world.plug.set(Syncs::Failing);
    let refused = sender.publish_to("one", "1").await.unwrap_err().to_string();
    assert!(refused.contains("may have been delivered"), "{refused}");
    assert_eq!(first.bodies(), ["1"]);
}

/// Numbers that differ from run to run of a test, and are the same in each.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// What a module saw over all its connections and lives, by sender.
#[derive(Default)]
struct Saw(BTreeMap<String, Vec<u64>>);

impl Saw {
    fn take(&mut self, module: &Client) {
        for (_, from, body) in module.letters() {
            self.0.entry(from).or_default().push(body.parse().unwrap());
        }
    }

    /// Each letter comes for the first time in the order in which it was sent.
    fn check(&self, sent: &BTreeMap<String, Vec<u64>>, seed: u64) {
        for (sender, acknowledged) in sent {
            let mut seen = BTreeSet::new();
            let came = self.0.get(sender).map(Vec::as_slice).unwrap_or_default();
            let firsts: Vec<u64> = came.iter().copied().filter(|number| seen.insert(*number)).collect();
            assert!(firsts.is_sorted(), "seed {seed}, {sender}: {came:?}");
            for number in acknowledged {
                assert!(seen.contains(number), "seed {seed}, {sender}: {number} is not in {came:?}");
            }
        }
    }
}

/// Senders with many letters under way, modules that settle as they like and come and go, and a process that
/// is killed.
async fn mixed(seed: u64) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let store = if seed.is_multiple_of(2) { routed() } else { routed().on_files() };
    let mut world = world(store).await;
    let mut saw = [Saw::default(), Saw::default()];
    let mut acknowledged = [BTreeMap::<String, Vec<u64>>::new(), BTreeMap::new()];
    let mut next = 0;
    for _ in 0..4 {
        let senders = [world.connect("edge/a").await, world.connect("edge/b").await];
        let mut modules: [Option<Client>; 2] = [None, None];
        let mut under_way: Vec<(String, bool, u64, JoinHandle<bool>)> = Vec::new();
        for _ in 0..60 {
            let at = usize::from(chance.below(2) == 1);
            match chance.below(12) {
                0 => {
                    let settling = match chance.below(5) {
                        0 => Settling::Never,
                        1 => Settling::After(Duration::from_millis(chance.below(9))),
                        2 => Settling::Abandon(1),
                        _ => Settling::Complete,
                    };
                    let id = ["edge/first", "edge/second"][at];
                    let module = world.connect_as(id, settling).await;
                    module.subscribe(&[Subscription::Inputs]).await;
                    if let Some(before) = modules[at].replace(module) {
                        saw[at].take(&before);
                    }
                }
                1 => {
                    if let Some(gone) = modules[at].take() {
                        saw[at].take(&gone);
                    }
                }
                2 => sleep(Duration::from_micros(500 * chance.below(20))).await,
                _ => {
                    let is_both = chance.below(3) > 0;
                    let sender = &senders[at];
                    let output = if is_both { "both" } else { "one" };
                    for _ in 0..chance.below(6) {
                        // Sent in order, without a wait for what is before.
                        let mut publishing = sender.publishing_to(output, &next.to_string());
                        let now = timeout(Duration::ZERO, &mut publishing).await;
                        let rest = tokio::spawn(async move {
                            match now {
                                Ok(published) => published.is_ok(),
                                Err(_) => publishing.await.is_ok(),
                            }
                        });
                        under_way.push((sender.id.clone(), is_both, next, rest));
                        next += 1;
                    }
                }
            }
        }
        let is_killed = chance.below(2) == 0;
        for (sender, is_both, number, rest) in under_way {
            if is_killed && !rest.is_finished() {
                rest.abort();
                continue;
            }
            assert!(rest.await.unwrap(), "seed {seed}: {number}");
            let sides = if is_both { &mut acknowledged[..] } else { &mut acknowledged[..1] };
            sides.iter_mut().for_each(|side| side.entry(sender.clone()).or_default().push(number));
        }
        for (at, module) in modules.iter_mut().enumerate() {
            if let Some(gone) = module.take() {
                saw[at].take(&gone);
            }
        }
        drop(senders);
        if is_killed {
            world.kill().await;
        } else {
            world.stop().await;
        }
        world.start().await;
    }
    let (first, second) = (
        module(&world, "edge/first", Settling::Complete).await,
        module(&world, "edge/second", Settling::Complete).await,
    );
    world.until("nothing waits", |world| world.waiting() == 0).await;
    saw[0].take(&first);
    saw[1].take(&second);
    saw[0].check(&acknowledged[0], seed);
    saw[1].check(&acknowledged[1], seed);
}

#[tokio::test(start_paused = true)]
async fn whatever_modules_do_nothing_is_lost_and_nothing_overtakes() {
    for seed in 0..60 {
        mixed(seed).await;
    }
}
