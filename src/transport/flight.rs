//! The requests in flight: their tasks, their cancellation, and the batches they belong to.

use std::collections::HashMap;

use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::types::error::INTERNAL_ERROR_CODE;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::{self, JoinSet};

use super::cancellation::Cancellation;
use super::dispatch::Answer;
use super::message::{self, Id};

/// Requests at work at once. Beyond it the connection stops reading until one is answered.
pub(super) const MAX_IN_FLIGHT: usize = 256;

/// Bytes of parameters that requests at work hold at once; beyond it the connection stops reading, too.
pub(super) const MAX_BYTES_IN_FLIGHT: usize = 64 * 1024 * 1024;

/// The error of a request that its client cancelled, as in LSP.
const CANCELLED_CODE: i32 = -32800;

/// Owns every request's task: dropping it drops them all.
#[derive(Debug, Default)]
pub(super) struct Flight {
    tasks: JoinSet<Answer>,
    /// Calls that are not answered yet. A task without an entry here has been cancelled.
    calls: HashMap<task::Id, CallInFlight>,
    bytes: usize,
    batches: HashMap<u64, Batch>,
    batches_opened: u64,
}

#[derive(Debug)]
struct CallInFlight {
    ticket: Ticket,
    abort: task::AbortHandle,
}

/// What is to be known of a request until it is answered.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) id: Id,
    /// Bytes of parameters that it holds.
    pub(super) bytes: usize,
    pub(super) seat: Seat,
    pub(super) cancellation: Cancellation,
}

/// Where a reply goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Seat {
    /// Out at once.
    Alone,
    /// Into the array of this batch.
    Batch(u64),
}

/// The replies of one batch, which leave together in the order they came in.
#[derive(Debug, Default)]
struct Batch {
    /// Members still at work, and one more while the batch is being read.
    pending: usize,
    replies: Vec<Box<str>>,
    events: Vec<Events>,
}

pub(super) type Events = mpsc::Receiver<Box<RawValue>>;

/// A text for the client, then the subscriptions that start behind it.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) text: Box<str>,
    pub(super) events: Vec<Events>,
}

impl Flight {
    /// Returns whether another message may be read.
    pub(super) fn has_room(&self) -> bool {
        self.calls.len() < MAX_IN_FLIGHT && self.bytes < MAX_BYTES_IN_FLIGHT
    }

    /// Starts a request.
    pub(super) fn start<F>(&mut self, ticket: Ticket, answer: F)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        if let Seat::Batch(batch) = ticket.seat {
            self.batches.entry(batch).or_default().pending += 1;
        }
        let abort = self.tasks.spawn(answer);
        self.bytes += ticket.bytes;
        self.calls.insert(abort.id(), CallInFlight { ticket, abort });
    }

    /// Returns the next text that is ready; `None` when nothing is in flight. Safe to drop at any moment.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        loop {
            let delivery = match self.tasks.join_next_with_id().await? {
                Ok((task, answer)) => {
                    self.take(task).and_then(|call| self.land(call.ticket.seat, answer))
                }
                Err(error) => self.take(error.id()).and_then(|CallInFlight { ticket, .. }| {
                    tracing::error!(id = %ticket.id, %error, "a request's task failed");
                    let reply = message::error_reply(&ticket.id, &internal_error());
                    self.land(ticket.seat, Answer { reply, events: None })
                }),
            };
            if delivery.is_some() {
                return delivery;
            }
        }
    }

    /// Ends every request of this id and answers it. An id that is not in flight is not an error.
    ///
    /// Ids are the client's: several requests may carry the same, and then all of them are meant.
    pub(super) fn cancel(&mut self, id: &Id) -> Vec<Delivery> {
        // What is done and not yet delivered is answered as what it is: it can no longer be undone.
        let is_meant = |call: &CallInFlight| call.ticket.id == *id && !call.abort.is_finished();
        let meant = self.calls.iter().filter(|(_, call)| is_meant(call));
        let meant: Vec<task::Id> = meant.map(|(task, _)| *task).collect();
        let mut deliveries = Vec::new();
        for task in meant {
            let Some(CallInFlight { ticket, abort }) = self.take(task) else { continue };
            tracing::debug!(id = %ticket.id, "request cancelled");
            // First: what the request drops asks why.
            ticket.cancellation.ask();
            abort.abort();
            let reply = message::error_reply(&ticket.id, &cancelled());
            deliveries.extend(self.land(ticket.seat, Answer { reply, events: None }));
        }
        deliveries
    }

    /// Opens a batch, to be closed when all of its members are seated.
    pub(super) fn open_batch(&mut self) -> Seat {
        let batch = self.batches_opened;
        self.batches_opened += 1;
        self.batches.insert(batch, Batch { pending: 1, ..Batch::default() });
        Seat::Batch(batch)
    }

    /// Closes a batch; returns its array if all of its members are answered already.
    pub(super) fn close_batch(&mut self, seat: Seat) -> Option<Delivery> {
        match seat {
            Seat::Alone => None,
            Seat::Batch(batch) => self.settle(batch),
        }
    }

    /// Seats a reply that no task was needed for.
    pub(super) fn reply(&mut self, seat: Seat, reply: Box<str>) -> Option<Delivery> {
        if let Seat::Batch(batch) = seat {
            self.batches.entry(batch).or_default().pending += 1;
        }
        self.land(seat, Answer { reply, events: None })
    }

    fn take(&mut self, task: task::Id) -> Option<CallInFlight> {
        let call = self.calls.remove(&task)?;
        self.bytes -= call.ticket.bytes;
        Some(call)
    }

    fn land(&mut self, seat: Seat, answer: Answer) -> Option<Delivery> {
        match seat {
            Seat::Alone => {
                Some(Delivery { text: answer.reply, events: answer.events.into_iter().collect() })
            }
            Seat::Batch(number) => {
                let batch = self.batches.get_mut(&number)?;
                batch.replies.push(answer.reply);
                batch.events.extend(answer.events);
                self.settle(number)
            }
        }
    }

    /// Counts one member of a batch as done; returns the array when it was the last. No replies, no array.
    fn settle(&mut self, number: u64) -> Option<Delivery> {
        let batch = self.batches.get_mut(&number)?;
        batch.pending -= 1;
        if batch.pending > 0 {
            return None;
        }
        let batch = self.batches.remove(&number)?;
        let text = format!("[{}]", batch.replies.join(",")).into_boxed_str();
        (!batch.replies.is_empty()).then_some(Delivery { text, events: batch.events })
    }
}

fn cancelled() -> ErrorObjectOwned {
    ErrorObjectOwned::owned(CANCELLED_CODE, "request cancelled", None::<()>)
}

fn internal_error() -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INTERNAL_ERROR_CODE, "internal error; the log has more", None::<()>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_done_is_answered_though_it_is_cancelled_then() {
        let mut flight = Flight::default();
        let (id, cancellation) = (Id::Integer(1), Cancellation::default());
        let ticket = Ticket { id: id.clone(), bytes: 0, seat: Seat::Alone, cancellation };
        flight.start(ticket, async { Answer { reply: "done".into(), events: None } });
        tokio::task::yield_now().await;
        assert!(flight.cancel(&id).is_empty());
        assert_eq!(&*flight.next().await.unwrap().text, "done");
    }
}
