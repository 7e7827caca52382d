//! A hub on its data directory: opened, bound, and run until it is told to stop.

use std::sync::Arc;

use skerry_hub::access::Policies;
use skerry_model::{Clock, Random};

use super::data::{Addresses, DataDirectory, Held, HubFile};
use super::engines::Engines;
use super::serving::{Parts, Serving, settle_identity};
use super::settings::Settings;
use crate::failure::Failure;
use crate::world::{MachineClock, MachineRandom};

pub struct StoredHub {
    data: DataDirectory,
    file: HubFile,
    engines: Engines,
    serving: Serving,
    _held: Held,
}

impl StoredHub {
    /// Takes the directory, makes what is missing in it, and binds.
    pub async fn open(settings: &Settings) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(MachineClock);
        let random: Arc<dyn Random> = Arc::new(MachineRandom::new());
        let data = DataDirectory::new(settings.data.clone());
        data.create()?;
        let held = data.hold()?;
        let mut file = data.read_hub_file()?.unwrap_or_default();
        settle_identity(&mut file, settings, random.as_ref());
        let sealer = data.open_sealer(settings.device_key_file.as_deref(), &mut file, random.as_ref())?;
        if settings.partitions < file.partitions {
            return Err(Failure::usage(format!(
                "telemetry.partitions is {}, but this hub has messages in {}; their number can only grow",
                settings.partitions, file.partitions
            )));
        }
        file.partitions = settings.partitions;
        file.process_epoch += 1;
        file.addresses = Addresses::default();
        data.write_hub_file(&file)?;

        let policies =
            Policies::open(&data.file("policies.json"), random.as_ref()).map_err(Failure::failed)?;
        let engines = Engines::on_disk(settings, &data, &clock, &random).await?;
        let serving = Serving::open(Parts {
            settings,
            data: &data,
            file: &mut file,
            sealer,
            policies: Arc::new(policies),
            engines: &engines,
            clock: &clock,
            random: &random,
        });
        let serving = Box::pin(serving).await?;
        serving.hub.show_disk(Arc::new(data.clone()));
        Ok(Self { data, file, engines, serving, _held: held })
    }

    pub fn data(&self) -> &DataDirectory {
        &self.data
    }

    pub fn file(&self) -> &HubFile {
        &self.file
    }

    /// Where HTTPS listens.
    pub fn https_port(&self) -> Option<u16> {
        self.serving.https_port()
    }

    /// Serves until `stop` is done, everything that was begun is finished, and the files are closed.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), Failure> {
        let Self { engines, serving, _held, .. } = self;
        serving.run(stop).await;
        engines.close().await
    }
}
