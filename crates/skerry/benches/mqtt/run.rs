//! The order of a run.

use std::fs;
use std::path::Path;

use clap::ValueEnum as _;

use crate::ground::Ground;
use crate::meter::Trouble;
use crate::options::{Name, Options, Section};
use crate::papers::Papers;
use crate::peers::{self, Start};
use crate::report::Report;
use crate::{ingest, memory, place, storm, surroundings};

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
            // A slope over thousands of connections hardly differs from round to round.
            (Section::Memory, &memory::NAMES, 1),
            (Section::Storm, &storm::NAMES, self.options.rounds),
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

    /// A fresh server on fresh data, which goes away with it.
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
        let idle = self.options.idle()?;
        let devices = match section {
            Section::Ingest => ingest::SHAPES.iter().map(|shape| shape.connections).max().unwrap_or_default(),
            Section::Memory => idle.1,
            Section::Storm => storm::DEVICES,
        };
        let (options, papers) = (self.options, &self.papers);
        let ground = Ground { papers, folder };
        let start = Start { options, ground, devices, mutual: section == Section::Storm };
        match section {
            Section::Ingest => {
                for shape in ingest::SHAPES {
                    let disk = surroundings::probe(folder)?;
                    let server = start.start(name).await?;
                    ingest::run(&server, name, shape, options.span(), &disk, &mut self.report).await?;
                    peers::check_kept(&server, name).await?;
                    drop(server);
                    clear(folder)?;
                }
                Ok(())
            }
            Section::Memory => memory::run(&start.start(name).await?, name, idle, &mut self.report).await,
            Section::Storm => {
                storm::run(&start.start(name).await?, name, options.span(), &mut self.report).await
            }
        }
    }
}

fn clear(folder: &Path) -> Result<(), Trouble> {
    fs::remove_dir_all(folder)?;
    Ok(fs::create_dir_all(folder)?)
}
