//! The order of a run.

use std::path::Path;

use crate::bench::Bench;
use crate::meter::Trouble;
use crate::options::{Options, Section};
use crate::report::Report;
use crate::stop::Stop;
use crate::{append, backlog, cap, cold, forward, paced, place, reading};

pub(crate) async fn run(options: &Options, folder: &Path, stop: &Stop) -> Result<(), Trouble> {
    println!(
        "{} records a measure or {:?}, {} rounds; {}",
        options.records,
        options.span(),
        options.rounds,
        place::describe(folder)
    );
    let mut bench = Bench { options, folder, stop, report: Report::default() };
    let done = Box::pin(sections(&mut bench)).await;
    // What was measured until then is worth reading, however it ended.
    bench.report.print();
    done
}

async fn sections(bench: &mut Bench<'_>) -> Result<(), Trouble> {
    let options = bench.options;
    if options.wants(Section::Append) {
        Box::pin(append::run(bench)).await?;
    }
    if options.wants(Section::Paced) {
        Box::pin(paced::run(bench)).await?;
    }
    if options.wants(Section::Read) {
        Box::pin(reading::run(bench)).await?;
    }
    if options.wants(Section::Forward) {
        Box::pin(forward::run(bench)).await?;
    }
    if options.wants(Section::Backlog) || options.wants(Section::Kill) {
        // One backlog serves both: memory first, for the killed writers add to it.
        let turn = bench.turn("backlog")?;
        let records = backlog::fill(bench, turn.path()).await?;
        if options.wants(Section::Backlog) {
            backlog::run(bench, turn.path(), records).await?;
        }
        if options.wants(Section::Kill) {
            Box::pin(cold::run(bench, turn.path(), records)).await?;
        }
    }
    if options.wants(Section::Cap) {
        Box::pin(cap::run(bench)).await?;
    }
    Ok(())
}
