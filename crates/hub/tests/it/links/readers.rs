//! Who may read at a partition beside whom.

use skerry_amqp::performative::Role;

use super::client::{Receiver, attach, condition, from_filter, with_epoch};
use super::events::{ADDRESS, fill};
use crate::world::{World, everywhere};

async fn plain(world: &World) -> Result<Receiver, skerry_amqp::performative::Fault> {
    Receiver::open(world, ADDRESS, attach(Role::Receiver)).await
}

async fn epoch(world: &World, epoch: i64) -> Result<Receiver, skerry_amqp::performative::Fault> {
    Receiver::open(world, ADDRESS, with_epoch(epoch)).await
}

#[test]
fn the_highest_epoch_has_the_partition_and_the_others_are_told() {
    everywhere(|world| async move {
        fill(&world, 3).await;
        let (mut shared, mut low) = (plain(&world).await.unwrap(), epoch(&world, 1).await.unwrap());
        let fault = shared.fault().await;
        assert_eq!(condition(&fault), "amqp:link:stolen", "it had no credit, and is told all the same");
        low.one().await;
        let mut high = epoch(&world, 5).await.unwrap();
        let fault = low.next(10).await.unwrap_err();
        assert_eq!(condition(&fault), "amqp:link:stolen");
        let text = fault.description.unwrap();
        assert!(text.starts_with("New receiver ") && text.contains("with higher epoch of '5'"), "{text}");
        assert!(text.contains("epoch '1'"), "{text}");
        for refused in [epoch(&world, 4).await, plain(&world).await] {
            let fault = refused.err().unwrap();
            assert_eq!(condition(&fault), "amqp:link:stolen");
            assert!(fault.description.unwrap().contains("higher epoch '5' already exists"));
        }
        high.one().await;
        let mut same = epoch(&world, 5).await.unwrap();
        assert_eq!(condition(&high.fault().await), "amqp:link:stolen", "of one epoch the newest has it");
        same.one().await;
        let figures = world.hub.links().figures();
        assert_eq!((figures.epochs_stolen, figures.readers_refused, figures.readers_open), (3, 2, 1));
        drop((shared, low, high, same));
        assert_eq!(world.hub.links().figures().readers_open, 0);
        assert!(plain(&world).await.is_ok(), "nobody is there any more");
    });
}

#[test]
fn epochs_are_of_one_partition_in_one_group() {
    everywhere(|world| async move {
        world.hub.groups().create("other").await.unwrap();
        let mut here = epoch(&world, 1).await.unwrap();
        for address in ["hub1/ConsumerGroups/$Default/Partitions/1", "hub1/ConsumerGroups/OTHER/Partitions/0"]
        {
            assert!(Receiver::open(&world, address, attach(Role::Receiver)).await.is_ok(), "{address}");
        }
        assert!(here.is_quiet().await);
        let same = "amqps://hub1.skerry.test/HUB1/consumergroups/$default/partitions/0/";
        assert!(Receiver::open(&world, same, attach(Role::Receiver)).await.is_err(), "in other letters");
    });
}

#[test]
fn five_readers_share_a_partition_in_a_group() {
    everywhere(|world| async move {
        fill(&world, 1).await;
        let mut all = Vec::new();
        for _ in 0..5 {
            all.push(plain(&world).await.unwrap());
        }
        let fault = plain(&world).await.err().unwrap();
        assert_eq!(condition(&fault), "amqp:resource-limit-exceeded");
        for reader in &mut all {
            reader.one().await;
        }
        all.pop();
        all.push(plain(&world).await.unwrap());
        all.last_mut().unwrap().one().await;
    });
}

#[test]
fn an_epoch_is_a_whole_number() {
    everywhere(|world| async move {
        let fault = epoch(&world, -1).await.err().unwrap();
        assert_eq!(condition(&fault), "com.microsoft:argument-error");
        let mut refused = from_filter("amqp.annotation.x-opt-offset > '-1'");
        refused.properties = with_epoch(1).properties;
        assert!(Receiver::open(&world, ADDRESS, refused).await.is_ok());
    });
}
