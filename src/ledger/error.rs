//! Why the ledger cannot be used, and what that means for whoever wanted to.

use crate::base::AbsPath;
use crate::protocol::error::{LedgerCure, RpcError};
use crate::protocol::session::{Problem, ProblemKind};

/// The version of the tables. A ledger of a later one is left alone.
pub(super) const SCHEMA_VERSION: i64 = 1;

/// Why the ledger cannot be read or written. It was not changed, nor put in order.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    #[error(
        "the ledger {path} was written by a later version of headcount (schema {found}, known {SCHEMA_VERSION})"
    )]
    Newer { path: AbsPath, found: i64 },
    #[error("the ledger {path} is damaged: {message}")]
    Damaged { path: AbsPath, message: String },
    #[error("the ledger {path} is kept locked by another program")]
    Locked { path: AbsPath },
    #[error("the ledger {path} cannot be used: {message}")]
    Unavailable { path: AbsPath, message: String },
}

impl LedgerError {
    pub fn path(&self) -> &AbsPath {
        match self {
            Self::Newer { path, .. }
            | Self::Damaged { path, .. }
            | Self::Locked { path }
            | Self::Unavailable { path, .. } => path,
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        let kind = match &error {
            LedgerError::Newer { .. } => ProblemKind::Protocol,
            LedgerError::Damaged { .. } => ProblemKind::Malformed,
            LedgerError::Locked { .. } => ProblemKind::TimedOut,
            LedgerError::Unavailable { .. } => ProblemKind::Unreadable,
        };
        Self { kind, message: error.to_string(), path: Some(error.path().clone()), line: None }
    }
}

impl From<LedgerError> for RpcError {
    fn from(error: LedgerError) -> Self {
        let cure = match &error {
            LedgerError::Newer { .. } => LedgerCure::Update,
            LedgerError::Damaged { .. } => LedgerCure::Replace,
            LedgerError::Locked { .. } => LedgerCure::Wait,
            LedgerError::Unavailable { .. } => LedgerCure::Allow,
        };
        Self::LedgerUnavailable { message: error.to_string(), cure }
    }
}

#[cfg(test)]
mod tests {
    use jsonrpsee::types::ErrorObjectOwned;
    use serde_json::json;

    use super::*;

    #[test]
    fn each_error_says_who_can_mend_it_and_whether_it_mends_itself() {
        let check = |error: LedgerError, retryable: bool, hint: &str| {
            let error = ErrorObjectOwned::from(RpcError::from(error));
            let data: serde_json::Value =
                serde_json::from_str(error.data().unwrap().get()).unwrap();
            let hint = format!("nothing was changed; {hint}");
            let expect =
                json!({ "kind": "ledger_unavailable", "retryable": retryable, "hint": hint });
            assert_eq!((error.code(), data), (1008, expect));
        };
        let path = || AbsPath::parse("/ledger.db").unwrap();
        check(LedgerError::Newer { path: path(), found: 2 }, false, "update headcount");
        let damaged = LedgerError::Damaged { path: path(), message: "torn".into() };
        check(damaged, false, "move the file away, and the next change begins a new ledger");
        let locked = LedgerError::Locked { path: path() };
        check(locked, true, "ask again, or end the program that keeps it locked");
        let full = LedgerError::Unavailable { path: path(), message: "the disk is full".into() };
        check(full, false, "see to the disk, and to who may read and write the file");
    }
}
