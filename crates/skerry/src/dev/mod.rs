//! `skerry dev`: a hub in memory for the tests of other programs.
//!
//! It is the hub of `skerry hub run` behind the same door, on engines that forget. Keys, certificates and
//! `hub.json` lie in a folder of its own that goes with the process, so that clients find the trust anchor
//! and every other command finds the hub.

mod command;
mod edge;
mod facts;
mod fault;
mod folder;
mod options;
mod seed;
mod seeded;
mod stop;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use skerry_hub::access::Policies;
use skerry_model::{Clock, Identity, Random};
use tokio::sync::oneshot;

use crate::failure::Failure;
use crate::hub::{DataDirectory, Engines, HubFile, Parts, Serving, Settings, settle_identity};
use crate::logging;
use crate::world::{MachineClock, MachineRandom};
use command::Running;
use edge::{Above, Edge, Plan};
use facts::Facts;
use folder::Folder;
pub use options::DevArgs;
use options::{DevOptions, DevVerb};
use seed::Seed;
use seeded::Seeded;
pub use stop::Stop;

pub fn run(args: DevArgs) -> Result<ExitCode, Failure> {
    match args.verb {
        Some(DevVerb::Fault(fault)) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(Failure::failed)?.block_on(fault::run(&fault)).map(|()| ExitCode::SUCCESS)
        }
        None => host(&args.options),
    }
}

fn host(options: &DevOptions) -> Result<ExitCode, Failure> {
    let settings = Settings::in_memory(options.run_options())?;
    logging::start(&settings.log, settings.log_format)?;
    let mut seed = options.seed.as_deref().map(Seed::read).transpose()?.unwrap_or_default();
    let edge = Plan::read(&options.edge)?;
    if let Some(edge) = &edge {
        edge.sow(&mut seed)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    runtime.block_on(Box::pin(serve(options, settings, seed, edge)))
}

async fn serve(
    options: &DevOptions,
    settings: Settings,
    seed: Seed,
    edge: Option<Plan>,
) -> Result<ExitCode, Failure> {
    // From here on nothing ends this process before it has tidied up, short of kill -9.
    let mut stop = Stop::new()?;
    let clock: Arc<dyn Clock> = Arc::new(MachineClock);
    let random: Arc<dyn Random> = Arc::new(MachineRandom::new());
    let seeded = options.deterministic.as_deref().map(Seeded::new);
    let folder = Folder::make(random.as_ref())?;
    let data = DataDirectory::new(folder.path().to_owned());
    let _held = data.hold()?;
    let mut file = HubFile { process_epoch: 1, partitions: settings.partitions, ..HubFile::default() };
    let (identity, keys) = match &seeded {
        Some(seeded) => (seeded.stream("hub"), seeded.stream("policies")),
        None => (Arc::clone(&random), Arc::clone(&random)),
    };
    settle_identity(&mut file, &settings, identity.as_ref());
    let sealer = data.open_sealer(None, &mut file, random.as_ref())?;
    let policies = Policies::open(&data.file("policies.json"), keys.as_ref()).map_err(Failure::failed)?;
    let policies = Arc::new(policies);
    let engines = Engines::in_memory(&settings, &clock);
    let serving = Serving::open(Parts {
        settings: &settings,
        data: &data,
        file: &mut file,
        sealer,
        policies: Arc::clone(&policies),
        engines: &engines,
        clock: &clock,
        random: &random,
    });
    let serving = Box::pin(serving).await?;
    let identities = seed.plant(serving.hub.registry(), seeded.as_ref()).await?;
    if seeded.is_some() && file.listens_elsewhere() {
        tracing::warn!(
            "The keys of this hub follow from a text, and it listens where other machines reach it: whoever knows the text is let in."
        );
    }
    let hub = Arc::clone(&serving.hub);
    let (ended, until) = oneshot::channel::<()>();
    let running = tokio::spawn(serving.run(async { drop(until.await) }));
    // Whatever comes of it, the hub ends in good order, and its folder goes after it.
    let code = async {
        // The edge and its modules are told by names of their own.
        let is_others = |one: &&Identity| edge.is_none() || one.device.as_str() != edge::DEVICE;
        let others: Vec<Identity> = identities.iter().filter(is_others).cloned().collect();
        let mut facts = Facts::new(&data, &file, &policies.all(), &others)?;
        let Some(plan) = edge else { return attend(options, &facts, &mut stop).await };
        let above = Above {
            registry: hub.registry(),
            file: &file,
            root: data.file("tls/root-ca.pem"),
            identities: &identities,
        };
        let edge = Box::pin(Edge::start(plan, above, &data.file("edge"), &clock, &random)).await?;
        facts = facts.with_edge(edge.variables()?);
        let code = attend(options, &facts, &mut stop).await;
        edge.stop().await;
        code
    };
    let code = Box::pin(code).await;
    drop(ended);
    running.await.map_err(Failure::failed)?;
    engines.close().await?;
    tracing::info!("The hub has stopped.");
    code
}

/// Until the command has ended, or without one until somebody asks.
async fn attend(options: &DevOptions, facts: &Facts, stop: &mut Stop) -> Result<ExitCode, Failure> {
    let Some((program, arguments)) = options.command.split_first() else {
        show(facts, options.json)?;
        stop.asked().await;
        return Ok(ExitCode::SUCCESS);
    };
    Running::start(program, arguments, &facts.variables())?.wait(stop).await
}

/// Whoever reads the last line may begin.
fn show(facts: &Facts, json: bool) -> Result<(), Failure> {
    let text = if json { format!("{}\n", facts.json()) } else { facts.lines() };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::failed(format!("cannot print: {error}")))
}
