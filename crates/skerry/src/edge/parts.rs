//! What of the runtime lives in this process: the agent, and the hub where one is inside. Each is run by a loop of
//! its own, so that one is restarted without the others.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use skerry_edge_daemon::{Part, Parts};
use skerry_model::Clock;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// The one switch for it: without a hub inside, `edgeHub` is a container like the others, as its manifest says.
pub const HUB_IS_INSIDE: bool = true;

/// After a part was told to end.
const GOODBYE: Duration = Duration::from_secs(10);
/// A part that was stopped begins again by then, as the original's watchdog sees to it.
const STOPPED_MAX: Duration = Duration::from_secs(60);
/// After a part that broke off, doubled each time until it has run for a while.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// As the runtime ends a process that panics.
const BROKEN: i64 = 101;

pub const AGENT: &str = "edgeAgent";
pub const HUB: &str = "edgeHub";

pub fn parts() -> Parts {
    let image = concat!("skerry ", env!("CARGO_PKG_VERSION"));
    let names = [Some(AGENT), HUB_IS_INSIDE.then_some(HUB)];
    let named = names.into_iter().flatten().map(|name| Part::new(name, image));
    Parts::new(named.collect())
}

/// The part whose log a line belongs to, by where it comes from; everything else is the daemon's.
pub fn part_of(target: &str) -> Option<&'static str> {
    const OF_AGENT: [&str; 5] = [
        "skerry_edge_agent",
        "skerry_uplink",
        "skerry::edge::way",
        "skerry::edge::uploads",
        "skerry::edge::figures",
    ];
    const OF_HUB: [&str; 2] = ["skerry_edge_hub", "skerry::edge::hub"];
    let is_below = |place: &&str| {
        target.strip_prefix(*place).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    };
    if OF_AGENT.iter().any(is_below) {
        return Some(AGENT);
    }
    OF_HUB.iter().any(is_below).then_some(HUB)
}

/// Runs a part until `stopped`, again and again: when it was asked to restart, and when it broke off. Each run is
/// told to end by what it is given.
pub async fn keep_running<F>(
    part: Arc<Part>,
    clock: Arc<dyn Clock>,
    mut stopped: watch::Receiver<bool>,
    mut run: impl FnMut(watch::Receiver<bool>) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut pause = PAUSE_FIRST;
    loop {
        let round = part.round();
        let (ending, is_ending) = watch::channel(false);
        let began = Instant::now();
        part.started(clock.now());
        let mut task = tokio::spawn(run(is_ending));
        let broke = tokio::select! {
            ended = &mut task => ended.err(),
            () = part.asked_to_end(round) => end(&mut task, &ending).await,
            () = over(&mut stopped) => end(&mut task, &ending).await,
        };
        part.ended(clock.now(), if broke.is_some() { BROKEN } else { 0 });
        let wait = async {
            match broke {
                Some(error) => {
                    tracing::error!(%error, part = part.name(), "It broke off, and begins anew.");
                    if began.elapsed() > PAUSE_MAX {
                        pause = PAUSE_FIRST;
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                None => {
                    pause = PAUSE_FIRST;
                    // Late is soon enough.
                    let _ = timeout(STOPPED_MAX, part.asked_to_run()).await;
                    part.want_again();
                }
            }
        };
        tokio::select! {
            biased;
            () = over(&mut stopped) => return,
            () = wait => {}
        }
    }
}

pub async fn over(stopped: &mut watch::Receiver<bool>) {
    // Only a sender that is gone fails; either way it is over.
    let _ = stopped.wait_for(|is_over| *is_over).await;
}

/// It says goodbye, or is given up.
async fn end(task: &mut JoinHandle<()>, ending: &watch::Sender<bool>) -> Option<tokio::task::JoinError> {
    ending.send_replace(true);
    match timeout(GOODBYE, &mut *task).await {
        Ok(ended) => ended.err(),
        Err(_) => {
            task.abort();
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use skerry_edge_daemon::PartState;

    use super::*;
    use crate::world::MachineClock;

    #[test]
    fn lines_belong_to_where_they_come_from() {
        for (target, part) in [
            ("skerry_edge_agent::agent::update", Some("edgeAgent")),
            ("skerry_edge_agent", Some("edgeAgent")),
            ("skerry_edge_agents", None),
            ("skerry::edge::way", Some("edgeAgent")),
            ("skerry_edge_hub::routes", Some("edgeHub")),
            ("skerry_edge_daemon::daemon", None),
            ("skerry::edge::run", None),
        ] {
            assert_eq!(part_of(target), part, "{target}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_runs_again_when_it_was_stopped_too_long_and_when_it_broke_off() {
        let part = Part::new("edgeAgent", "skerry");
        let (stop, stopped) = watch::channel(false);
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let kept = tokio::spawn(keep_running(
            Arc::clone(&part),
            Arc::new(MachineClock),
            stopped,
            move |mut ending| {
                let run = counted.fetch_add(1, Ordering::SeqCst);
                async move {
                    assert!(run != 1, "the second run breaks off");
                    over(&mut ending).await;
                }
            },
        ));
        part.start().await;
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        part.stop().await;
        assert!(matches!(part.state(), PartState::Ended { code: 0, .. }));
        sleep(STOPPED_MAX / 2).await;
        assert_eq!(runs.load(Ordering::SeqCst), 1, "not yet");
        sleep(STOPPED_MAX).await;
        // The second began by itself and broke off, the third runs.
        assert_eq!(runs.load(Ordering::SeqCst), 3);
        assert!(matches!(part.state(), PartState::Running { .. }));
        stop.send_replace(true);
        kept.await.unwrap();
        assert!(matches!(part.state(), PartState::Ended { code: 0, .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_until_a_part_has_run_for_a_while() {
        let part = Part::new("edgeAgent", "skerry");
        let (stop, stopped) = watch::channel(false);
        let begins = Arc::new(Mutex::new(Vec::new()));
        let (noted, first) = (Arc::clone(&begins), Instant::now());
        let kept = tokio::spawn(keep_running(part, Arc::new(MachineClock), stopped, move |mut ending| {
            let mut noted = noted.lock().unwrap();
            noted.push(first.elapsed().as_secs());
            let lives = if noted.len() == 5 { PAUSE_MAX * 2 } else { Duration::ZERO };
            async move {
                let _ = timeout(lives, over(&mut ending)).await;
                assert!(*ending.borrow(), "it breaks off");
            }
        }));
        sleep(PAUSE_MAX * 4).await;
        stop.send_replace(true);
        kept.await.unwrap();
        let begins = begins.lock().unwrap();
        // The fifth has run for two minutes; a second later comes the next, and so on from there.
        assert_eq!(begins[..8], [0, 1, 3, 7, 15, 136, 138, 142], "{begins:?}");
    }
}
