//! Lines over real sockets: what they promise, they promise over each protocol, inside a WebSocket or not.

mod door;
mod scenes;
mod session;

use std::time::Duration;

use skerry_edge_hub::LinesOptions;

use crate::sim::World;
use door::{Door, Spoken};

/// Longer than any machine needs; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(100);

/// An edge hub with a leaf and a module in its scope, and the door of its hub.
struct Bed {
    world: World,
    door: Door,
}

impl Bed {
    async fn new(spoken: Spoken) -> Self {
        let mut bed = Self::with(spoken, LinesOptions::default(), Duration::from_secs(3600));
        bed.world.start().await;
        bed
    }

    /// Not started yet; over AMQP tokens are shown anew after this.
    fn with(spoken: Spoken, options: LinesOptions, renew_after: Duration) -> Self {
        let mut world = World::new();
        ["a", "b", "edge/m"].iter().for_each(|id| world.register(id));
        let door = Door::open(&world.hub, spoken);
        world.dialer = door.dialer(renew_after);
        world.rules.lines = LinesOptions {
            pause_first: Duration::from_millis(50),
            pause_last: Duration::from_millis(400),
            barred: Duration::from_secs(1),
            ..options
        };
        Self { world, door }
    }

    async fn until(&self, what: &str, is_so: impl Fn(&World) -> bool) {
        self.world.until_after(what, PATIENCE, is_so).await;
    }

    async fn until_all_is_there(&self) {
        self.until("everything is with the hub", |world| world.waiting() == 0).await;
    }
}

macro_rules! over_each {
    ($($scene:ident,)*) => {
        over_each!(mqtt is Mqtt: $($scene,)*);
        over_each!(mqtt_inside_a_websocket is MqttWs: $($scene,)*);
        over_each!(amqp is Amqp: $($scene,)*);
        over_each!(amqp_inside_a_websocket is AmqpWs: $($scene,)*);
    };
    ($module:ident is $spoken:ident: $($scene:ident,)*) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $scene() {
                    Box::pin(super::scenes::$scene(super::Spoken::$spoken)).await;
                }
            )*
        }
    };
}

over_each! {
    letters_arrive_as_they_were_sent,
    letters_keep_their_order_over_a_line_that_flaps,
    a_hub_that_acknowledges_nothing_is_left_and_found_again,
    many_letters_are_under_way_at_a_time,
    who_is_not_let_in_keeps_nobody_waiting,
    a_hub_that_turns_letters_away_for_now_gets_them_in_the_end,
    twins_are_asked_told_and_followed,
    calls_are_answered,
    commands_are_settled_by_whoever_gets_them,
    a_command_that_nobody_could_be_given_is_given_again,
    tokens_end_and_lines_go_on,
}
