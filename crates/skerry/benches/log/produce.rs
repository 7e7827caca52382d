//! Producers of our log: as fast as it takes records, or at a pace.

use std::sync::Arc;
use std::time::Duration;

use skerry_store::log::{AppendError, Batch, CursorId, Log};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::case::{Case, Payloads, Supply};
use crate::journal::Ours;
use crate::meter::{Measure, Trouble, now, processor_time};
use crate::pace::Pace;
use crate::taken::Taken;

/// Appends until the supply is used up.
pub(crate) async fn saturate(
    ours: &Ours,
    case: Case,
    supply: Supply,
    wanted_by: &[CursorId],
) -> Result<Taken, Trouble> {
    // Not the same bytes for all, whose count of owners the processors would hand to and fro; as
    // many as the raw peer writes from.
    let own = [(); 4].map(|()| Payloads::new(case.size));
    let before = (processor_time(), ours.device().written(), ours.figures());
    let began = now();
    let mut tasks = JoinSet::new();
    for number in 0..case.shape.tasks() {
        let (log, supply, payloads) = (ours.log(), supply.clone(), own[number % own.len()].clone());
        let wanted_by = Arc::<[CursorId]>::from(wanted_by);
        tasks.spawn(async move {
            let mut waits = Vec::new();
            let mut records = 0;
            while let Some(numbers) = supply.take(case.shape.records()) {
                let drafts = numbers.map(|number| payloads.draft(&case, number, &wanted_by)).collect();
                let began = now();
                records += append(&*log, Batch::new(drafts, case.durability)).await?;
                waits.push(now() - began);
            }
            Ok::<_, AppendError>((records, waits))
        });
    }
    let (mut records, mut waits) = (0, Vec::new());
    while let Some(done) = tasks.join_next().await {
        let (appended, waited) = done??;
        records += appended;
        waits.push(waited);
    }
    let measure = Measure::whole(now() - began, waits);
    let measure = measure.with_processor(before.0);
    Ok(Taken {
        records,
        payload: records * case.size as u64,
        waits: measure.with_writes(ours.device(), before.1),
        wrote: Some(ours.wrote_since(&before.2)),
        ..Taken::default()
    })
}

/// Answers how many records were placed: all of them, or the first reason why not.
pub(crate) async fn append(log: &dyn Log, batch: Batch) -> Result<u64, AppendError> {
    let outcomes = log.append(batch).await;
    let records = outcomes.len() as u64;
    outcomes.into_iter().try_for_each(|outcome| outcome.map(drop))?;
    Ok(records)
}

/// One record a call, `rate` of them a second, however long the answers take.
pub(crate) async fn paced(ours: &Ours, case: Case, rate: u64, span: Duration) -> Result<Taken, Trouble> {
    let (payloads, wanted_by) = (Payloads::new(case.size), Arc::<[CursorId]>::from([]));
    let before = (processor_time(), ours.device().written(), ours.figures());
    let (began, mut pace) = (now(), Pace::new(rate));
    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut waiting = JoinSet::new();
    let mut waits = Vec::new();
    while now() - began < span {
        ticks.tick().await;
        for number in pace.due() {
            let (log, draft) = (ours.log(), payloads.draft(&case, number, &wanted_by));
            let began = now();
            waiting.spawn(async move {
                append(&*log, Batch::new(vec![draft], case.durability)).await?;
                Ok::<_, AppendError>(now() - began)
            });
        }
        while let Some(done) = waiting.try_join_next() {
            waits.push(done??);
        }
    }
    while let Some(done) = waiting.join_next().await {
        waits.push(done??);
    }
    let records = waits.len() as u64;
    let measure = Measure::whole(now() - began, vec![waits]);
    let measure = measure.with_processor(before.0);
    Ok(Taken {
        records,
        payload: records * case.size as u64,
        waits: measure.with_writes(ours.device(), before.1),
        wrote: Some(ours.wrote_since(&before.2)),
        ..Taken::default()
    })
}
