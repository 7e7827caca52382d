//! The unmodified service SDKs, as they are installed by their users.

use crate::world;

#[test]
fn the_python_service_sdk_is_content() {
    let python = world::provided("SKERRY_TEST_PYTHON");
    let command =
        [python.as_str(), "-m", "pytest", "--quiet", "--no-header", "-p", "no:cacheprovider", "-rfE"];
    world::run(&command, &[("PYTHONDONTWRITEBYTECODE", "1")], &world::suite("python"));
}

#[test]
fn the_node_service_sdk_is_content() {
    let node = world::provided("SKERRY_TEST_NODE");
    let modules = world::provided("SKERRY_TEST_NODE_MODULES");
    let mocha = format!("{modules}/mocha/bin/mocha.js");
    let command = [node.as_str(), mocha.as_str(), "--timeout", "20000", "--exit", "*.test.js"];
    world::run(&command, &[("NODE_PATH", modules.as_str())], &world::suite("node"));
}
