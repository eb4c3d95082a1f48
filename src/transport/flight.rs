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
use super::parent::Parent;
use super::turn::{Turn, Turns};

/// Bytes that requests hold, at work and waiting; further ones are refused. The connection never stops reading for their
/// sake, since what it would not hear may be what ends them.
pub(super) const MAX_BYTES_IN_FLIGHT: usize = 64 * 1024 * 1024;

/// What a request holds besides its parameters and its id, rounded up: the smallest are limited too, to some ten thousands.
pub(super) const BYTES_EACH: usize = 2 * 1024;

/// Bytes of replies that a batch holds until all of its members are answered: as many as a message may bring. A member
/// that is answered when it holds so many is refused instead, for nothing bounds what 1,000 answers come to.
pub(super) const MAX_BATCH_REPLY_BYTES: usize = 16 * 1024 * 1024;

/// The error of a request that its client cancelled, as in LSP.
const CANCELLED_CODE: i32 = -32800;

/// Owns every request's task: dropping it drops them all.
#[derive(Default)]
pub(super) struct Flight {
    tasks: JoinSet<Answer>,
    turns: Turns,
    /// Calls that are not answered yet, at work or waiting for their turn. A task without an entry here has been
    /// cancelled.
    unanswered: HashMap<task::Id, (Ticket, task::AbortHandle)>,
    bytes: usize,
    batches: HashMap<u64, Batch>,
    batches_opened: u64,
}

/// Whose call it is, and what it holds.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) id: Id,
    /// Bytes of parameters and of the id.
    pub(super) bytes: usize,
    pub(super) seat: Seat,
    pub(super) cancellation: Cancellation,
    pub(super) turn: Turn,
}

impl Ticket {
    fn bytes_held(&self) -> usize {
        self.bytes + BYTES_EACH
    }
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
    /// Of the replies.
    bytes: usize,
    events: Vec<Events>,
    parent: Option<Parent>,
}

pub(super) type Events = mpsc::Receiver<Box<RawValue>>;

/// A text for the client, then the subscriptions that start behind it, and the process that is watched from then on.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) text: Box<str>,
    pub(super) events: Vec<Events>,
    pub(super) parent: Option<Parent>,
}

impl Flight {
    /// Returns whether a request of so many bytes may be started.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes + BYTES_EACH <= MAX_BYTES_IN_FLIGHT
    }

    /// Returns whether every request is answered.
    pub(super) fn is_empty(&self) -> bool {
        self.unanswered.is_empty()
    }

    /// Starts a request as soon as it is its turn.
    pub(super) fn start<F>(&mut self, ticket: Ticket, answer: F)
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        if let Seat::Batch(batch) = ticket.seat {
            self.batches.entry(batch).or_default().pending += 1;
        }
        self.bytes += ticket.bytes_held();
        let abort = self.tasks.spawn(self.turns.take(ticket.turn.clone(), answer));
        self.unanswered.insert(abort.id(), (ticket, abort));
    }

    /// Returns the next text that is ready; `None` when nothing is in flight. Safe to drop at any moment.
    pub(super) async fn next(&mut self) -> Option<Delivery> {
        loop {
            let delivery = match self.tasks.join_next_with_id().await? {
                Ok((task, answer)) => {
                    self.take(task).and_then(|ticket| self.answer(&ticket, answer))
                }
                Err(error) => self.take(error.id()).and_then(|ticket| {
                    tracing::error!(id = %ticket.id, %error, "a request's task failed");
                    let reply = message::error_reply(&ticket.id, &internal_error());
                    self.land(ticket.seat, Answer::of(reply))
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
        let meant =
            self.unanswered.extract_if(|_, (it, abort)| it.id == *id && !abort.is_finished());
        let cancelled: Vec<_> = meant.map(|(_, it)| it).collect();
        let mut deliveries = Vec::new();
        for (ticket, abort) in cancelled {
            tracing::debug!(id = %ticket.id, "request cancelled");
            // First: what the request drops asks why.
            ticket.cancellation.ask();
            abort.abort();
            self.bytes -= ticket.bytes_held();
            let reply = message::error_reply(&ticket.id, &cancelled_error());
            deliveries.extend(self.land(ticket.seat, Answer::of(reply)));
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
        self.land(seat, Answer::of(reply))
    }

    /// Takes what has ended out of the flight.
    fn take(&mut self, task: task::Id) -> Option<Ticket> {
        let (ticket, _) = self.unanswered.remove(&task)?;
        self.bytes -= ticket.bytes_held();
        Some(ticket)
    }

    /// Seats the answer of a request, for which its batch may have no room.
    fn answer(&mut self, ticket: &Ticket, answer: Answer) -> Option<Delivery> {
        let is_full = match ticket.seat {
            Seat::Alone => false,
            Seat::Batch(number) => {
                self.batches.get(&number).is_some_and(|it| it.bytes >= MAX_BATCH_REPLY_BYTES)
            }
        };
        if is_full {
            let reply = message::error_reply(&ticket.id, &batch_is_full());
            return self.land(ticket.seat, Answer::of(reply));
        }
        self.land(ticket.seat, answer)
    }

    fn land(&mut self, seat: Seat, answer: Answer) -> Option<Delivery> {
        match seat {
            Seat::Alone => Some(Delivery {
                text: answer.reply,
                events: answer.events.into_iter().collect(),
                parent: answer.parent,
            }),
            Seat::Batch(number) => {
                let batch = self.batches.get_mut(&number)?;
                batch.bytes += answer.reply.len();
                batch.replies.push(answer.reply);
                batch.events.extend(answer.events);
                batch.parent = answer.parent.or(batch.parent);
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
        let Batch { replies, events, parent, .. } = self.batches.remove(&number)?;
        let text = format!("[{}]", replies.join(",")).into_boxed_str();
        (!replies.is_empty()).then_some(Delivery { text, events, parent })
    }
}

fn cancelled_error() -> ErrorObjectOwned {
    ErrorObjectOwned::owned(CANCELLED_CODE, "request cancelled", None::<()>)
}

fn batch_is_full() -> ErrorObjectOwned {
    message::over_limit(&format!(
        "the replies of this batch hold {MAX_BATCH_REPLY_BYTES} bytes already; ask for fewer at once"
    ))
}

fn internal_error() -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INTERNAL_ERROR_CODE, "internal error; the log has more", None::<()>)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket(id: &str, seat: Seat) -> Ticket {
        let (cancellation, turn) = (Cancellation::default(), Turn::default());
        Ticket { id: Id::Text(id.into()), bytes: 0, seat, cancellation, turn }
    }

    /// Answers the next request of a batch, after those before it.
    async fn answer(flight: &mut Flight, seat: Seat, id: &str, reply: String) {
        flight.start(ticket(id, seat), async move { Answer::of(reply.into()) });
        assert!(flight.next().await.is_none(), "the batch is open");
    }

    #[tokio::test]
    async fn a_batch_whose_replies_are_too_long_is_answered_in_part() {
        let mut flight = Flight::default();
        let seat = flight.open_batch();
        answer(&mut flight, seat, "1", "1".repeat(MAX_BATCH_REPLY_BYTES - 1)).await;
        answer(&mut flight, seat, "2", "2".into()).await;
        answer(&mut flight, seat, "3", "3".into()).await;
        let text = flight.close_batch(seat).unwrap().text;
        let (_, behind) = text.split_at(MAX_BATCH_REPLY_BYTES);
        let refusal = message::error_reply(&Id::Text("3".into()), &batch_is_full());
        assert_eq!(behind, format!(",2,{refusal}]"));
        assert!(refusal.contains("-32600") && refusal.contains("16777216"), "{refusal}");
    }

    #[tokio::test]
    async fn what_is_done_is_answered_though_it_is_cancelled_then() {
        let mut flight = Flight::default();
        flight.start(ticket("1", Seat::Alone), async { Answer::of("done".into()) });
        tokio::task::yield_now().await;
        assert!(flight.cancel(&Id::Text("1".into())).is_empty());
        assert_eq!(&*flight.next().await.unwrap().text, "done");
    }
}
