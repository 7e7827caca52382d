//! In a terminal the end of the screen is drawn anew.

use super::world::{Running, World};

#[test]
fn a_terminal_shows_a_picture_and_ctrl_c_ends_it() {
    let world = World::new();
    // `script` gives it a terminal; what is typed there comes from a pipe.
    let line = format!("stty rows 30 cols 100; exec '{}' quickstart --data data", world.program().display());
    let mut command = world.command(None, "script".as_ref());
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("TERM", "xterm");
    command.stdin(std::process::Stdio::piped());
    let mut running = Running::start(command);
    running.step("device");
    running.line("the first picture", |line| line.contains("Ctrl-C stops everything"));
    running.line("a message in a picture", |line| line.contains("edge-1/sensor  {\"machine\""));
    // Drawn over what was there before: up, and away with the rest.
    let up = running.line("another picture", |line| line.contains("\u{1b}[J"));
    assert!(up.contains("A\r\u{1b}[J"), "{up:?}");
    let count = running.line("how many messages", |line| line.trim_end().ends_with(" messages"));
    assert!(!count.starts_with('0'), "{count}");
    running.type_in(b"\x03");
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("stopped     everything is kept"), "{said}");
    let widest =
        said.lines().filter(|line| line.contains("{\"machine\"")).map(|line| line.trim_end().chars().count());
    assert!(widest.max() <= Some(100), "{said}");
    world.until_alone();
}
