//! JSON texts in, JSON texts out: framing, requests in flight, cancellation and the life of one connection.
//!
//! ```text
//! bytes ─▶ frame ─▶ message ─▶ connection ─▶ flight ─▶ dispatch ─▶ methods
//! bytes ◀─ frame ◀─ writer ◀── connection ◀─ flight ◀──────────────┘
//! ```
//!
//! It imports nothing else of this project; it is handed [`jsonrpsee::Methods`] and calls them by name.
//!
//! What a method may rely on:
//! - `params` is always a JSON object or a non-empty array: absent, `null`, `{}` and `[]` all arrive as `{}`.
//! - Its future is dropped when the request is cancelled or the connection ends, at whichever `.await` it stands.
//! - `extensions.get::<Progress>()` is there in every call; see [`Progress`]. The `workDoneToken` that asked for it
//!   has been taken out of `params`.
//! - `extensions.get::<Cancellation>()` tells which of the two it was.
//! - `extensions.get::<Turn>()` is there too: one that has nothing to do but to wait gives its [`Turn`] up.
//! - `extensions.get::<Reply>()` likewise: one with a large result writes its [`Reply`] itself.
//! - A subscription's sink closes when the client stops listening, at `shutdown` and at the end of input.
//! - Unsubscribing works with `{"subscription": id}` and with `[id]`.
//! - A reply may be as large as it likes.
//!
//! What is answered here, without any method: `shutdown`, `exit`, `initialized`, `$/…`. The `processId` of an
//! `initialize` on its way to its method is noted, and once that is answered the connection ends when the process does.

mod cancellation;
mod connection;
mod dispatch;
mod flight;
pub mod frame;
mod hangup;
mod message;
mod parent;
mod progress;
mod reply;
mod stream;
mod turn;

pub use cancellation::Cancellation;
pub use connection::{Exit, Options, serve};
pub use frame::Framing;
pub use hangup::reader_gone;
pub use progress::Progress;
pub use reply::Reply;
pub use turn::Turn;
