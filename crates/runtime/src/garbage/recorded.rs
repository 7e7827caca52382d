//! An engine that notes which images are of use.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::record::Record;
use crate::{
    Answer, Container, CreateError, CreateRequest, EngineError, EngineInfo, Events, LogQuery, LogStream,
    NetworkOptions, OnProgress, PullError, PullRequest, Runtime,
};

/// An image is noted when it is pulled, when a container is made of it, and when one is removed.
/// Everything else is the engine's.
pub struct RecordedRuntime {
    engine: Arc<dyn Runtime>,
    record: Record,
}

impl RecordedRuntime {
    pub fn new(engine: Arc<dyn Runtime>, record: Record) -> Self {
        Self { engine, record }
    }
}

impl Runtime for RecordedRuntime {
    fn pull<'a>(
        &'a self,
        request: &'a PullRequest,
        progress: OnProgress<'a>,
    ) -> Answer<'a, String, PullError> {
        Box::pin(async move {
            let id = self.engine.pull(request, progress).await?;
            self.record.touch(&id);
            Ok(id)
        })
    }

    fn create<'a>(&'a self, request: &'a CreateRequest) -> Answer<'a, (), CreateError> {
        Box::pin(async move {
            self.engine.create(request).await?;
            if let Ok(Some(id)) = self.engine.image(&request.image).await {
                self.record.touch(&id);
            }
            Ok(())
        })
    }

    fn remove<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        Box::pin(async move {
            // A container that is gone already has told its image before.
            let image = self.engine.inspect(name).await.map(|container| container.image_id);
            self.engine.remove(name).await?;
            if let Ok(id) = image {
                self.record.touch(&id);
            }
            Ok(())
        })
    }

    fn list(&self) -> Answer<'_, Vec<Container>, EngineError> {
        self.engine.list()
    }

    fn inspect<'a>(&'a self, name: &'a str) -> Answer<'a, Container, EngineError> {
        self.engine.inspect(name)
    }

    fn document<'a>(&'a self, name: &'a str) -> Answer<'a, Value, EngineError> {
        self.engine.document(name)
    }

    fn image<'a>(&'a self, reference: &'a str) -> Answer<'a, Option<String>, EngineError> {
        self.engine.image(reference)
    }

    fn remove_image<'a>(&'a self, id: &'a str) -> Answer<'a, (), EngineError> {
        self.engine.remove_image(id)
    }

    fn start<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        self.engine.start(name)
    }

    fn stop<'a>(&'a self, name: &'a str, grace: Option<Duration>) -> Answer<'a, (), EngineError> {
        self.engine.stop(name, grace)
    }

    fn restart<'a>(&'a self, name: &'a str) -> Answer<'a, (), EngineError> {
        self.engine.restart(name)
    }

    fn logs<'a>(&'a self, name: &'a str, query: &'a LogQuery) -> Answer<'a, LogStream, EngineError> {
        self.engine.logs(name, query)
    }

    fn stats<'a>(&'a self, name: &'a str) -> Answer<'a, Value, EngineError> {
        self.engine.stats(name)
    }

    fn processes<'a>(&'a self, name: &'a str) -> Answer<'a, Vec<u32>, EngineError> {
        self.engine.processes(name)
    }

    fn ensure_network<'a>(&'a self, options: &'a NetworkOptions) -> Answer<'a, (), EngineError> {
        self.engine.ensure_network(options)
    }

    fn networks(&self) -> Answer<'_, Vec<Value>, EngineError> {
        self.engine.networks()
    }

    fn info(&self) -> Answer<'_, EngineInfo, EngineError> {
        self.engine.info()
    }

    fn events(&self) -> Answer<'_, Events, EngineError> {
        self.engine.events()
    }
}
