//! The pager: reads chunks and pages for the queues, and writes their pages, on a thread of its own.
//!
//! Invariants: what it is asked is done in order, so a page is there before it is read; pending bytes grow before a page is
//! sent here and shrink when it is written.

use super::chunk;
use super::engine::{Reader, Space};
use super::error::Error;
use super::handle::Shared;
use super::load::{Load, Request, Unreadable};
use super::pages::Pages;
use super::room::Written;
use super::submission::StoredMessage;
use crate::message::runs::Runs;
use crate::message::{Position, QueueId};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::Receiver;

/// Does what it is asked.
pub(super) struct Pager {
    reader: Box<dyn Reader>,
    pages: Pages,
    shared: Arc<Shared>,
    written: Written,
}

impl Pager {
    pub(super) fn new(reader: Box<dyn Reader>, pages: Pages, shared: Arc<Shared>) -> Self {
        Self { reader, pages, shared, written: Written::default() }
    }

    /// Serves until it is closed, or nobody can ask any more; `progress` is called after each page written.
    ///
    /// # Errors
    /// Whatever cannot be written, or read for another reason than that the bytes are damaged: messages would be missing, and
    /// the broker must not go on.
    pub(super) fn run(&mut self, requests: &Receiver<Request>, progress: &dyn Fn()) -> Result<(), Error> {
        while let Ok(request) = requests.recv() {
            match request {
                Request::Close => break,
                request @ Request::Write { .. } => {
                    self.serve(request)?;
                    progress();
                }
                request => self.serve(request)?,
            }
        }
        Ok(())
    }

    /// Does one thing.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(super) fn serve(&mut self, request: Request) -> Result<(), Error> {
        match request {
            Request::Read { load, chunks } => return self.read(load, &chunks),
            Request::Write { queue, page, entries, cost } => {
                let written = self.pages.write(queue, page, entries);
                self.shared.pending_page_bytes.fetch_sub(cost, Relaxed);
                if self.written.add(cost as u64) {
                    self.pages.free().into_iter().for_each(|free| self.shared.disk.look_at_free(free));
                }
                return written;
            }
            Request::Forget { queue, page } => self.pages.forget(queue, page),
            Request::ForgetAll { queue } => self.pages.forget_all(queue),
            Request::Close => {}
        }
        Ok(())
    }

    fn read(&mut self, load: Load, chunks: &[Position]) -> Result<(), Error> {
        let Load { queue, positions, page, keeps_page, done, .. } = load;
        let read = self.entries(queue, &positions, page, chunks);
        if let Some(page) = page.filter(|_| !keeps_page) {
            self.pages.forget(queue, page);
        }
        match read {
            Ok(entries) => done(Ok(entries)),
            // Only this queue has lost anything, if it has.
            Err(error) if error.is_about_stored_bytes() => {
                done(Err(Unreadable(self.explain(queue, chunks, &error))))
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn entries(
        &mut self,
        queue: QueueId,
        positions: &Runs,
        page: Option<u64>,
        chunks: &[Position],
    ) -> Result<Vec<StoredMessage>, Error> {
        let mut entries = match page {
            Some(page) => self.pages.read(queue, page, positions)?,
            None => Vec::new(),
        };
        for first in chunks {
            let value = self.reader.read(Space::Messages, &chunk::chunk_key(queue, *first))?;
            // A chunk that went meanwhile had only messages that nobody waits for any more: its queue was purged.
            let Some(value) = value else { continue };
            let read_body = |number| self.reader.read(Space::Messages, &chunk::body_key(number));
            match chunk::decode_chunk(queue, *first, value, Some(positions), &read_body) {
                Ok(mut of_chunk) => entries.append(&mut of_chunk),
                // It went between the two reads, and with it what it shared.
                Err(_) if self.is_gone(queue, *first)? => {}
                Err(error) => return Err(error),
            }
        }
        if !entries.is_sorted_by_key(|entry| entry.position) {
            entries.sort_by_key(|entry| entry.position);
        }
        Ok(entries)
    }

    /// The error with the files in which what it is about lies.
    fn explain(&self, queue: QueueId, chunks: &[Position], error: &Error) -> String {
        let keys = chunks.iter().map(|first| chunk::chunk_key(queue, *first));
        let damage = keys.into_iter().find_map(|key| self.reader.damage_at(Space::Messages, &key));
        damage.unwrap_or_else(|| error.detail())
    }

    fn is_gone(&self, queue: QueueId, first: Position) -> Result<bool, Error> {
        Ok(self.reader.read(Space::Messages, &chunk::chunk_key(queue, first))?.is_none())
    }
}
