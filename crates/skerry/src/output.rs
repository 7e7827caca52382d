//! What commands print: JSON for machines, lines for people.

use std::io::Write as _;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::failure::Failure;

/// Prints JSON, indented, on stdout.
pub fn json(value: &Value) -> Result<(), Failure> {
    line(&serde_json::to_string_pretty(value).expect("JSON values are JSON"))
}

/// Prints one line. A reader that has gone away ends the command in silence.
pub fn line(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => other.map_err(|error| Failure::failed(format!("cannot print: {error}"))),
    }
}

/// Waits until nobody reads stdout any more; for ever where that cannot be seen, as with a file.
pub async fn reader_gone() {
    let (tell, told) = oneshot::channel();
    // A thread that waits in the kernel, and ends with the process.
    std::thread::spawn(move || {
        let stdout = std::io::stdout();
        // Errors and hang-ups are told to everybody who asks.
        let mut watched = [PollFd::new(&stdout, PollFlags::empty())];
        while poll(&mut watched, None) == Err(Errno::INTR) {}
        if !watched[0].revents().is_empty() {
            // Whoever asked may be done meanwhile.
            let _ = tell.send(());
        }
    });
    if told.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Prints rows below headings, in columns as wide as they need to be.
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> Result<(), Failure> {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let print = |cells: &[String]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}", width = *width))
            .collect();
        line(padded.join("  ").trim_end())
    };
    print(&headings.iter().map(|heading| heading.to_uppercase()).collect::<Vec<_>>())?;
    rows.iter().try_for_each(|row| print(row))
}

/// A member as people read it: text without quotes, nothing for null.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
