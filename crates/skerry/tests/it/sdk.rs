//! The unmodified SDKs, as they are installed by their users. What takes long has a hub of its own, and
//! whatever is not named here belongs to the rest.

use crate::world;

/// Suites that read events, or wait for what becomes of commands.
const LONG_OF_PYTHON: [&str; 1] = ["test_events.py"];
/// Suites that have an edge beside the hub, and stop both.
const EDGE_OF_PYTHON: [&str; 1] = ["test_gateway.py"];
/// Suites that have two, one behind the other.
const NESTED_OF_PYTHON: [&str; 1] = ["test_nested.py"];
const EDGE_OF_NODE: [&str; 1] = ["gateway.test.js"];
/// What the edge's hub speaks to its own.
const UPSTREAM: &str = "SKERRY_TEST_UPSTREAM";
const LONG_OF_NODE: [&str; 4] =
    ["certificates.test.js", "events.test.js", "faults.test.js", "service.test.js"];

#[test]
fn the_python_sdks_are_content() {
    let others = [LONG_OF_PYTHON, EDGE_OF_PYTHON, NESTED_OF_PYTHON]
        .as_flattened()
        .iter()
        .map(|file| format!("--ignore={file}"));
    let others: Vec<String> = others.collect();
    python(&others.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn the_python_sdk_works_behind_an_edge() {
    python(&EDGE_OF_PYTHON);
}

#[test]
fn the_python_sdk_works_behind_an_edge_that_speaks_amqp() {
    python_with(&EDGE_OF_PYTHON, &[(UPSTREAM, "Amqp")]);
}

#[test]
fn the_python_sdk_works_behind_an_edge_that_speaks_amqp_inside_a_websocket() {
    python_with(&EDGE_OF_PYTHON, &[(UPSTREAM, "AmqpWs")]);
}

#[test]
fn the_python_sdk_works_behind_an_edge_behind_an_edge() {
    python(&NESTED_OF_PYTHON);
}

#[test]
fn the_python_sdk_works_behind_an_edge_behind_an_edge_over_amqp() {
    python_with(&NESTED_OF_PYTHON, &[(UPSTREAM, "Amqp")]);
}

#[test]
fn the_python_sdk_reads_events() {
    python(&LONG_OF_PYTHON);
}

#[test]
fn the_node_sdks_are_content() {
    let others = LONG_OF_NODE.iter().chain(&EDGE_OF_NODE).map(|file| format!("--ignore={file}"));
    let others: Vec<String> = others.collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    node(&[&others[..], &["*.test.js"]].concat());
}

#[test]
fn the_node_sdk_works_behind_an_edge() {
    node(&EDGE_OF_NODE);
}

#[test]
fn the_node_sdk_works_behind_an_edge_that_speaks_amqp() {
    node_with(&EDGE_OF_NODE, &[(UPSTREAM, "Amqp")]);
}

#[test]
fn the_node_sdks_read_events_hear_of_commands_and_stand_faults() {
    node(&LONG_OF_NODE);
}

fn python(files: &[&str]) {
    python_with(files, &[]);
}

fn python_with(files: &[&str], more: &[(&str, &str)]) {
    let python = world::provided("SKERRY_TEST_PYTHON");
    let command =
        [python.as_str(), "-m", "pytest", "--quiet", "--no-header", "-p", "no:cacheprovider", "-rfE"];
    let variables = [&[("PYTHONDONTWRITEBYTECODE", "1")], more].concat();
    world::run(&[&command, files].concat(), &variables, &world::suite("python"));
}

fn node(files: &[&str]) {
    node_with(files, &[]);
}

fn node_with(files: &[&str], more: &[(&str, &str)]) {
    let node = world::provided("SKERRY_TEST_NODE");
    let modules = world::provided("SKERRY_TEST_NODE_MODULES");
    let mocha = format!("{modules}/mocha/bin/mocha.js");
    let command = [node.as_str(), mocha.as_str(), "--timeout", "20000", "--exit"];
    let variables = [&[("NODE_PATH", modules.as_str())], more].concat();
    world::run(&[&command, files].concat(), &variables, &world::suite("node"));
}
