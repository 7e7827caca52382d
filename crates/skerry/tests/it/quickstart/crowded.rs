//! On machines where others have been before.

use super::world::{Running, SOMEBODY, World};

/// A hub of somebody else, on these ports of every address.
fn occupy(world: &World, ports: [Option<u16>; 3]) -> Running {
    let mut command = world.command(None, &world.program());
    command.args(["dev", "--hostname", "somebody.else"]);
    for (head, port) in ["--https", "--mqtt", "--amqp"].iter().zip(ports) {
        let place = port.map_or_else(|| "off".to_owned(), |port| format!("0.0.0.0:{port}"));
        command.args([*head, &place]);
    }
    let mut running = Running::start(command);
    running.line("that it is ready", |line| line == "# skerry dev ready");
    running
}

#[test]
fn an_ordinary_user_without_a_home_where_every_usual_port_is_taken() {
    let world = World::new();
    let others = occupy(&world, [Some(443), Some(8883), Some(5671)]);
    let mut running = world.quickstart(Some(SOMEBODY), &[]);
    let data = world.path("tmp/skerry-quickstart-1000");
    assert_eq!(running.step("data"), format!("{}, with a log in it", data.display()));
    assert_eq!(running.step("hub"), "localhost at 127.0.0.1 (HTTPS 8443, MQTT 18883, AMQP 15671)");
    running.line("what that means", |line| line.contains("SDKs do not find its HTTPS, MQTT and AMQP,"));
    running.line("what to free", |line| line.ends_with("- free 8883 and 5671, which others have"));
    running.line("what is for root", |line| line.ends_with("- run it as root, who alone may have 443"));
    assert_eq!(running.step("edge"), "starts at 127.0.0.2 (HTTPS 8443, MQTT 18883, AMQP 15671)");
    running.message();
    running.says("that the sensor runs", |line| line.starts_with("sensor      running, connected"));
    running.message();
    let env = data.join("env");
    for command in ["skerry iotedge list", "skerry method invoke edge-1 reset --module sensor"] {
        world.sh(Some(SOMEBODY), &format!(". '{}' && {command}", env.display()));
    }
    running.interrupt();
    others.signal("TERM");
    assert_eq!(others.end().0, Some(0));
    world.until_alone();

    // They have gone: the device is still the same, on the usual ports as far as it may have them.
    let mut running = world.quickstart(Some(SOMEBODY), &[]);
    let hub = running.step("hub");
    assert!(hub.ends_with("MQTT 8883, AMQP 5671)"), "{hub}");
    running.line("what is for root", |line| line.ends_with("- run it as root, who alone may have 443"));
    assert_eq!(running.step("device"), "edge-1 is known, as its manifest was");
    running.message();
    running.interrupt();
}

#[test]
fn somebody_elses_broker_moves_both_to_other_addresses() {
    let world = World::new();
    let mut command = world.command(None, &world.program());
    command.args(["dev", "--https", "off", "--amqp", "off", "--mqtt", "127.0.0.1:8883"]);
    let mut broker = Running::start(command);
    broker.line("that it is ready", |line| line == "# skerry dev ready");
    let mut running = world.quickstart(None, &["--data", "data"]);
    assert_eq!(running.step("hub"), "127.0.0.2 at 127.0.0.2 (HTTPS 443, MQTT 8883, AMQP 5671)");
    assert_eq!(running.step("edge"), "starts at 127.0.0.3 (HTTPS 443, MQTT 8883, AMQP 5671)");
    running.message();
    // SDKs find it by its connection string as it is, since the name is the address.
    let said = world.sh(None, "cd data && . ./env && skerry hub connection-string");
    assert!(said.starts_with("HostName=127.0.0.2;"), "{said}");
    running.interrupt();
    broker.signal("TERM");
    broker.end();

    // A device keeps its hub's name.
    let mut running = world.quickstart(None, &["--data", "data"]);
    assert_eq!(running.step("hub"), "127.0.0.2 at 127.0.0.2 (HTTPS 443, MQTT 8883, AMQP 5671)");
    running.message();
    running.interrupt();
}

#[test]
fn two_at_once_do_not_know_of_each_other() {
    let world = World::new();
    let mut first = world.quickstart(None, &["--data", "first one"]);
    first.message();
    let (code, said) = world.quickstart(None, &["--data", "first one"]).end();
    assert_eq!(code, Some(4), "{said}");
    let data = world.path("first one");
    let told = format!(
        "skerry: a quickstart runs on {} already. Stop it with Ctrl-C in its terminal, or run another beside it: skerry quickstart --data DIR",
        data.display()
    );
    assert_eq!(said, told);
    let (code, said) = world.quickstart(None, &["--data", "first one", "--reset"]).end();
    assert_eq!(code, Some(4), "{said}");

    let mut second = world.quickstart(None, &["--data", "second one"]);
    assert_eq!(second.step("hub"), "127.0.0.3 at 127.0.0.3 (HTTPS 443, MQTT 8883, AMQP 5671)");
    second.message();
    first.message();
    second.interrupt();
    first.message();
    first.interrupt();
    world.until_alone();
}
