//! The codes and kinds of errors, which are stable.

use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::data::{
    Ambiguity, Claimed, ErrorData, KnownAgents, LaunchFailure, Member, NoDetails, Owned,
};

/// A kind of error as the wire names it; code and kind are stable.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    pub code: i32,
    /// The machine word, `data.kind`.
    pub kind: &'static str,
    /// When a request is answered with it.
    pub when: &'static str,
    /// What comes with it.
    pub data: fn(&mut SchemaGenerator) -> Schema,
}

const fn code<Details: JsonSchema>(code: i32, kind: &'static str, when: &'static str) -> Code {
    Code { code, kind, when, data: SchemaGenerator::subschema_for::<ErrorData<Details>> }
}

pub(super) const INVALID_PARAMS: Code = code::<Member>(
    -32602,
    "invalid_params",
    "a parameter is missing, unknown or cannot be what it is",
);
pub(super) const INTERNAL: Code = code::<NoDetails>(-32603, "internal", "the server has failed");
pub const SESSION_NOT_FOUND: Code =
    code::<NoDetails>(1001, "session_not_found", "no session has that id or prefix");
pub const SESSION_AMBIGUOUS: Code =
    code::<Ambiguity>(1002, "session_ambiguous", "a prefix or an id matches several sessions");
pub const AGENT_UNKNOWN: Code =
    code::<KnownAgents>(1003, "agent_unknown", "no adapter has that id");
pub const DIRECTORY_LOCKED: Code =
    code::<Claimed>(1004, "directory_locked", "another claim covers the directory");
pub const SESSION_ALIVE: Code =
    code::<Owned>(1005, "session_alive", "a live process owns the session");
pub const LAUNCH_FAILED: Code =
    code::<LaunchFailure>(1006, "launch_failed", "the agent did not come up");
pub const UNSUPPORTED: Code = code::<NoDetails>(1007, "unsupported", "the agent cannot do this");
pub const LEDGER_UNAVAILABLE: Code = code::<NoDetails>(
    1008,
    "ledger_unavailable",
    "the ledger cannot be read or written; nothing was changed",
);
pub const NOT_OURS: Code = code::<NoDetails>(
    1009,
    "not_ours",
    "the process changed identity between look and signal; nothing was signalled",
);
pub const FUSE_NOT_FOUND: Code =
    code::<NoDetails>(1010, "fuse_not_found", "no fuse is set on that directory");

/// The errors of our own, besides those of JSON-RPC.
pub const OUR_CODES: [Code; 10] = [
    SESSION_NOT_FOUND,
    SESSION_AMBIGUOUS,
    AGENT_UNKNOWN,
    DIRECTORY_LOCKED,
    SESSION_ALIVE,
    LAUNCH_FAILED,
    UNSUPPORTED,
    LEDGER_UNAVAILABLE,
    NOT_OURS,
    FUSE_NOT_FOUND,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_errors_share_a_code_or_a_kind() {
        for (at, one) in OUR_CODES.iter().enumerate() {
            for other in &OUR_CODES[at + 1..] {
                assert!(one.code < other.code && one.kind != other.kind, "{one:?} {other:?}");
            }
        }
    }
}
