//! The second view: two buyers whose steps are played in the order that a tab asks for.

use std::collections::BTreeMap;
use std::sync::Arc;

use flash_lab_crowd::Seller;
use flash_lab_interleave::{Finish, Schedule, Stage, Transcript, start_stores};
use flash_sandbox::Sandbox;
use serde::Serialize;

use crate::source::{self, Source};

/// What came of an order of steps.
#[derive(Serialize)]
pub(crate) struct Played {
    #[serde(flatten)]
    pub(crate) transcript: Transcript,
    /// The code of who sold; null where it is not there.
    source: Option<Source>,
}

/// The stages that were needed so far, on stores of their own.
pub(crate) struct Stages {
    sources: BTreeMap<&'static str, Source>,
    stages: Vec<Stage>,
    // After what depends on it, so that it ends last.
    stores: Option<Arc<Sandbox>>,
}

impl Stages {
    pub(crate) fn new() -> Self {
        Self {
            sources: source::read(),
            stages: Vec::new(),
            stores: None,
        }
    }

    /// Plays with a seller, after starting its servers where they are not there.
    ///
    /// # Cancel safety
    ///
    /// A dropped future ends the servers that it was using; whoever asks next gets new
    /// ones, as after an error.
    pub(crate) async fn play(
        &mut self,
        seller: &Seller,
        schedule: &Schedule,
        finish: Finish,
    ) -> anyhow::Result<Played> {
        let mut stage = self.take(seller).await?;
        let transcript = stage.play(schedule, finish).await?;
        self.stages.push(stage);
        // A program of somebody's own has none, whatever it is called.
        let source = self.sources.get(seller.slug()).cloned();
        Ok(Played { transcript, source })
    }

    async fn take(&mut self, seller: &Seller) -> anyhow::Result<Stage> {
        let known = self.stages.iter().position(|it| it.seller() == seller);
        if let Some(place) = known {
            return Ok(self.stages.swap_remove(place));
        }
        let stores = match &self.stores {
            Some(stores) => stores,
            None => self.stores.insert(start_stores().await?),
        };
        Stage::open(Arc::clone(stores), seller).await
    }
}
