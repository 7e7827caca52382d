//! The only program in the images of the tests: `rustc` makes one static file of it.

use std::io::Write as _;

unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn _exit(code: i32) -> !;
}

const SIGTERM: i32 = 15;

/// Who is asked to end, ends well. The first process of a container ignores what it does not handle.
extern "C" fn end(_: i32) {
    unsafe { _exit(0) }
}

fn main() {
    unsafe { signal(SIGTERM, end) };
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("exit") => std::process::exit(arguments.next().and_then(|code| code.parse().ok()).unwrap_or(1)),
        Some("talk") => {
            println!("one");
            eprintln!("two");
        }
        Some("write") => {
            // As much as asked for, in lines of 100 bytes.
            let lines = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(0);
            let mut out = std::io::stdout().lock();
            for number in 0..lines {
                writeln!(out, "{number:099}").expect("somebody reads");
            }
        }
        _ => {}
    }
    loop {
        std::thread::sleep(std::time::Duration::from_secs(3600));
    }
}
