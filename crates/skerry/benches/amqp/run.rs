//! The order of a run.

use std::fs;
use std::path::Path;

use clap::ValueEnum as _;

use crate::ground::Ground;
use crate::meter::Trouble;
use crate::options::{Name, Options, Section};
use crate::papers::Papers;
use crate::peers::Start;
use crate::report::Report;
use crate::{backlog, delivery, ingest, memory, place, surroundings};

pub(crate) async fn run(options: &Options, folder: &Path) -> Result<(), Trouble> {
    println!("{:?} a measure, {} rounds; {}", options.span(), options.rounds, place::describe(folder));
    let papers = Papers::issue(&folder.join("papers"))?;
    let mut bench = Bench { options, folder, papers, report: Report::default() };
    let done = Box::pin(bench.sections()).await;
    // What was measured until then is worth reading, however it ended.
    bench.report.print();
    done
}

struct Bench<'a> {
    options: &'a Options,
    folder: &'a Path,
    papers: Papers,
    report: Report,
}

impl Bench<'_> {
    async fn sections(&mut self) -> Result<(), Trouble> {
        let sections = [
            (Section::Ingest, Name::value_variants(), self.options.rounds),
            (Section::Delivery, &delivery::NAMES, self.options.rounds),
            (Section::Backlog, &backlog::NAMES, 1),
            // A slope over thousands of connections hardly differs from round to round.
            (Section::Memory, &memory::NAMES, 1),
        ];
        for (section, names, rounds) in sections {
            if !self.options.wants(section) {
                continue;
            }
            for round in 1..=rounds {
                eprintln!("{section:?}, round {round} of {rounds}");
                for name in self.options.names(names) {
                    // One server that fails does not take the others along.
                    if let Err(trouble) = Box::pin(self.turn(section, name)).await {
                        self.report.leave_out(name.title(), format!("{section:?}: {trouble}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Fresh servers on fresh data, which goes away with them.
    async fn turn(&mut self, section: Section, name: Name) -> Result<(), Trouble> {
        let folder = self.folder.join("turn");
        fs::create_dir_all(&folder)?;
        let done = self.measure(section, name, &folder).await;
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        fs::remove_dir_all(&folder)?;
        done.map_err(|trouble| match log.lines().last() {
            Some(last) => format!("{trouble}; its last words: {last}").into(),
            None => trouble,
        })
    }

    async fn measure(&mut self, section: Section, name: Name, folder: &Path) -> Result<(), Trouble> {
        let (options, report) = (self.options, &mut self.report);
        let ground = Ground { papers: &self.papers, folder };
        let start = |devices, partitions| Start { options, ground, devices, partitions }.start(name);
        match section {
            Section::Ingest => {
                for shape in ingest::SHAPES {
                    let disk = surroundings::probe(folder)?;
                    let server = start(shape.connections, 4).await?;
                    ingest::run(&server, name, shape, options.span(), &disk, report).await?;
                    drop(server);
                    fs::remove_dir_all(folder)?;
                    fs::create_dir_all(folder)?;
                }
                Ok(())
            }
            Section::Delivery => {
                for credit in delivery::CREDITS {
                    let server = start(1, 1).await?;
                    delivery::run(&server, name, credit, options, report).await?;
                    drop(server);
                    fs::remove_dir_all(folder)?;
                    fs::create_dir_all(folder)?;
                }
                Ok(())
            }
            Section::Backlog => backlog::run(&start(1, 1).await?, name, options.backlog, report).await,
            Section::Memory => {
                let idle = options.idle()?;
                memory::run(&start(idle.1, 4).await?, name, idle, report).await
            }
        }
    }
}
