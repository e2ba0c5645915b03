//! A catalogue that does one thing more than the one below it.

use super::{Catalogue, CatalogueError, EventRange, HistoryQuery, Outside};
use crate::model::audit::AuditReport;
use crate::model::catalogue_copy::{CatalogueCopies, CatalogueCopy};
use crate::model::chain::ChainLink;
use crate::model::event::{ChainHead, Event, NewEvent};
use crate::model::fingerprint::VolumeLeaves;
use crate::model::identity::VolumeId;
use crate::model::records::{Change, OperationEnd, OperationId, PastGeneration, Records};
use futures_util::future::BoxFuture;
use std::path::PathBuf;

/// What is put around a catalogue. What it does not do by itself the one below does: nothing of a catalogue can be forgotten
/// here, and a new part of it is forwarded in this one place. A catalogue has no part with a default, which a layer would
/// answer with in the place of what is below.
pub trait Layer: Send + Sync {
    fn below(&self) -> &dyn Catalogue;

    fn load(&self) -> BoxFuture<'_, Result<Records, CatalogueError>> {
        self.below().load()
    }

    fn commit(&self, changes: Vec<Change>, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Event>, CatalogueError>> {
        self.below().commit(changes, events)
    }

    fn events(&self, range: EventRange) -> BoxFuture<'_, Result<Vec<Event>, CatalogueError>> {
        self.below().events(range)
    }

    fn links(&self, range: EventRange) -> BoxFuture<'_, Result<Vec<ChainLink>, CatalogueError>> {
        self.below().links(range)
    }

    fn head(&self) -> BoxFuture<'_, Result<ChainHead, CatalogueError>> {
        self.below().head()
    }

    fn history(&self, query: HistoryQuery) -> BoxFuture<'_, Result<Vec<PastGeneration>, CatalogueError>> {
        self.below().history(query)
    }

    fn operation_end(&self, id: OperationId) -> BoxFuture<'_, Result<Option<OperationEnd>, CatalogueError>> {
        self.below().operation_end(id)
    }

    fn leaves(&self, backup_volume: VolumeId) -> BoxFuture<'_, Result<Option<VolumeLeaves>, CatalogueError>> {
        self.below().leaves(backup_volume)
    }

    fn check(&self) -> BoxFuture<'_, Result<(), CatalogueError>> {
        self.below().check()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.below().close()
    }

    fn verify(&self, outside: Outside) -> BoxFuture<'_, Result<AuditReport, CatalogueError>> {
        self.below().verify(outside)
    }

    fn copy_to(&self, file: PathBuf) -> BoxFuture<'_, Result<ChainHead, CatalogueError>> {
        self.below().copy_to(file)
    }

    fn save_copy(&self) -> BoxFuture<'_, Result<CatalogueCopy, CatalogueError>> {
        self.below().save_copy()
    }

    fn copy_failed(&self) -> Option<String> {
        self.below().copy_failed()
    }

    fn copies(&self) -> std::io::Result<CatalogueCopies> {
        self.below().copies()
    }
}

impl<L: Layer> Catalogue for L {
    fn load(&self) -> BoxFuture<'_, Result<Records, CatalogueError>> {
        Layer::load(self)
    }

    fn commit(&self, changes: Vec<Change>, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Event>, CatalogueError>> {
        Layer::commit(self, changes, events)
    }

    fn events(&self, range: EventRange) -> BoxFuture<'_, Result<Vec<Event>, CatalogueError>> {
        Layer::events(self, range)
    }

    fn links(&self, range: EventRange) -> BoxFuture<'_, Result<Vec<ChainLink>, CatalogueError>> {
        Layer::links(self, range)
    }

    fn head(&self) -> BoxFuture<'_, Result<ChainHead, CatalogueError>> {
        Layer::head(self)
    }

    fn history(&self, query: HistoryQuery) -> BoxFuture<'_, Result<Vec<PastGeneration>, CatalogueError>> {
        Layer::history(self, query)
    }

    fn operation_end(&self, id: OperationId) -> BoxFuture<'_, Result<Option<OperationEnd>, CatalogueError>> {
        Layer::operation_end(self, id)
    }

    fn leaves(&self, backup_volume: VolumeId) -> BoxFuture<'_, Result<Option<VolumeLeaves>, CatalogueError>> {
        Layer::leaves(self, backup_volume)
    }

    fn check(&self) -> BoxFuture<'_, Result<(), CatalogueError>> {
        Layer::check(self)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Layer::close(self)
    }

    fn verify(&self, outside: Outside) -> BoxFuture<'_, Result<AuditReport, CatalogueError>> {
        Layer::verify(self, outside)
    }

    fn copy_to(&self, file: PathBuf) -> BoxFuture<'_, Result<ChainHead, CatalogueError>> {
        Layer::copy_to(self, file)
    }

    fn save_copy(&self) -> BoxFuture<'_, Result<CatalogueCopy, CatalogueError>> {
        Layer::save_copy(self)
    }

    fn copy_failed(&self) -> Option<String> {
        Layer::copy_failed(self)
    }

    fn copies(&self) -> std::io::Result<CatalogueCopies> {
        Layer::copies(self)
    }
}
