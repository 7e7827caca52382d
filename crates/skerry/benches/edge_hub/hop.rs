//! Messages from one client to another, acknowledged both ways: many on their way, and one.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::goals::Goals;
use crate::meter::{Measure, Trouble, now, processor_time, processor_time_since};
use crate::numbers::Unit;
use crate::options::{Name, Options};
use crate::pair::{Pair, Server};
use crate::report::Report;
use crate::surroundings::{machine_time, probe, shown};
use crate::tree::Tree;

/// Before anything is counted: queues fill, and files open.
const WARM_UP: Duration = Duration::from_millis(1000);

/// Who sends, and who hears it.
pub(crate) const MODULES: [&str; 2] = ["from", "to"];

/// Who sends and who hears, connected.
pub(crate) trait Ends {
    /// Keeps as many on their way as the window has until `end`; how long those took that arrived from
    /// `begin` on. What is on its way then still arrives.
    async fn run(&mut self, begin: Instant, end: Instant) -> Result<Vec<Duration>, Trouble>;

    /// Says goodbye, after the last acknowledgements: what a server does not know as delivered comes again.
    async fn close(self);
}

/// What hops, and through whom.
pub(crate) struct Hop<'a> {
    pub(crate) name: Name,
    /// As the rows begin.
    pub(crate) what: &'static str,
    /// Messages on their way, in the order of the measures.
    pub(crate) windows: [u16; 2],
    pub(crate) tree: &'a Tree,
    /// A hub that the server leads to, where there is one.
    pub(crate) above: Option<&'a Tree>,
    pub(crate) options: &'a Options,
    /// Of the server's disk.
    pub(crate) folder: &'a Path,
}

pub(crate) async fn mqtt(
    server: &impl Server,
    name: Name,
    options: &Options,
    folder: &Path,
    (report, goals): (&mut Report, &mut Goals),
) -> Result<(), Trouble> {
    let windows = [options.window, 1];
    let hop = Hop { name, what: "hop, QoS 1", windows, tree: server.tree(), above: None, options, folder };
    let payload = options.payload as usize;
    run(&hop, async |window| Pair::connect(server, MODULES, window, payload).await, report, Some(goals)).await
}

pub(crate) async fn run<E: Ends>(
    hop: &Hop<'_>,
    connect: impl AsyncFn(u16) -> Result<E, Trouble>,
    report: &mut Report,
    mut goals: Option<&mut Goals>,
) -> Result<(), Trouble> {
    let Hop { name, what, windows, tree, above, options, folder } = *hop;
    let payload = options.payload;
    for window in windows {
        let row = |found: &str| format!("{what}, {payload} B, TLS, {window} on the way: {found}");
        let disk = probe(folder)?;
        let mut ends = connect(window).await?;
        ends.run(now(), now() + WARM_UP).await?;
        let (before, own, all) = (tree.usage(), processor_time(), machine_time());
        let above_before = above.map(Tree::usage);
        let begin = now();
        let latencies = ends.run(begin, begin + options.span()).await?;
        let elapsed = now() - begin;
        let after = tree.usage();
        let above = above.zip(above_before).map(|(tree, before)| tree.usage().processor - before.processor);
        ends.close().await;
        let computed = (after.processor - before.processor).as_secs_f64();
        let own = processor_time_since(own).unwrap_or_default().as_secs_f64();
        let all = all.zip(machine_time()).map_or(0.0, |(before, after)| (after - before).as_secs_f64());
        let seconds = elapsed.as_secs_f64();
        let measure = Measure::whole(options.span(), vec![latencies]);
        let hub = above.unwrap_or_default().as_secs_f64();
        let others = (all - own - computed - hub).max(0.0) / seconds;
        let note = format!(
            "server {:.2} processors, generator {:.2}, {}others {others:.2}; {}",
            computed / seconds,
            own / seconds,
            above.map(|_| format!("hub {:.2}, ", hub / seconds)).unwrap_or_default(),
            shown(&disk)
        );
        let rate = measure.count() as f64 / computed.max(0.01);
        let (p50, p99) = (measure.percentile(50.0), measure.percentile(99.0));
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        for (found, unit, number, note) in [
            ("arrived", Unit::PerSecond, measure.rate(), note),
            ("per second that the server computes", Unit::PerSecond, rate, String::new()),
            ("p50", Unit::Milliseconds, milliseconds(p50), String::new()),
            ("p99", Unit::Milliseconds, milliseconds(p99), String::new()),
        ] {
            report.row(&row(found), unit);
            report.number(&row(found), name.title(), number, note);
        }
        if let Some(goals) = &mut goals {
            goals.hop(name, window > 1, rate, milliseconds(p50), milliseconds(p99));
        }
    }
    Ok(())
}
