//! The order of a run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap::ValueEnum as _;

use crate::above::Above;
use crate::brokers::Broker;
use crate::edge::Upstream;
use crate::goals::Goals;
use crate::ground::Ground;
use crate::meter::Trouble;
use crate::options::{Name, Options, Section};
use crate::papers::Papers;
use crate::report::Report;
use crate::{amqp, backlog, edge, hop, line, place};

pub(crate) async fn run(options: &Options, folder: &Path) -> Result<(), Trouble> {
    println!("{:?} a measure, {} rounds; {}", options.span(), options.rounds, place::describe(folder));
    let papers = Papers::issue(&folder.join("papers"))?;
    let mut bench = Bench { options, folder, papers, report: Report::default(), goals: Goals::default() };
    let done = Box::pin(bench.sections()).await;
    // What was measured until then is worth reading, however it ended.
    bench.report.print();
    bench.goals.print();
    done
}

struct Bench<'a> {
    options: &'a Options,
    folder: &'a Path,
    papers: Papers,
    report: Report,
    goals: Goals,
}

impl Bench<'_> {
    async fn sections(&mut self) -> Result<(), Trouble> {
        for section in Section::value_variants().iter().copied() {
            if !self.options.wants(section) {
                continue;
            }
            let rounds = self.options.rounds(section);
            for round in 1..=rounds {
                eprintln!("{section:?}, round {round} of {rounds}");
                for name in self.options.names(section) {
                    // One peer that fails does not take the others along.
                    match Box::pin(self.turn(section, name)).await {
                        Err(trouble) if name.is_peer() => {
                            self.report.leave_out(name.title(), format!("{section:?}: {trouble}"));
                        }
                        done => done?,
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
        let done = Box::pin(self.measure(section, name, &folder)).await;
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        fs::remove_dir_all(&folder)?;
        done.map_err(|trouble| match log.lines().last() {
            Some(last) => format!("{trouble}; its last words: {last}").into(),
            None => trouble,
        })
    }

    async fn measure(&mut self, section: Section, name: Name, folder: &Path) -> Result<(), Trouble> {
        let ground = Ground { papers: &self.papers, folder };
        let (options, report, goals) = (self.options, &mut self.report, &mut self.goals);
        match (section, name) {
            (_, Name::Skerry) => {}
            (Section::Hop, _) => {
                let broker = Broker::start(name, &ground, options).await?;
                return hop::mqtt(&broker, name, options, folder, (report, goals)).await;
            }
            (Section::Amqp, _) => return amqp::peer(name, &ground, options, report).await,
            (Section::Backlog, _) => return backlog::peer(name, options, folder, report).await,
            (Section::Line, _) => return line::run(name, &ground, options, report).await,
        }
        let [from, to] = hop::MODULES;
        let sender = backlog::SENDER;
        let across = format!(
            "FROM /messages/modules/{from}/outputs/{from} WHERE level = \"high\" \
             INTO BrokeredEndpoint(\"/modules/{to}/inputs/in\")"
        );
        let up = format!("FROM /messages/modules/{sender}/* INTO $upstream");
        let routes = BTreeMap::from([("across", across), ("up", up)]);
        let mut above = Above::start(&self.papers, &routes)?;
        let upstream = Upstream { protocol: "Mqtt", port: above.address().port() };
        let modules = [from, to, sender];
        let known = edge::register(&ground, "", &modules).await?;
        let edge = edge::start(&ground, options, known, &upstream, &modules).await?;
        match section {
            Section::Hop => hop::mqtt(&edge, name, options, folder, (report, goals)).await,
            Section::Amqp => amqp::edge(&edge, folder, options, report).await,
            Section::Backlog => backlog::run(&edge, &mut above, options, folder, report).await,
            Section::Line => Ok(()),
        }
    }
}
