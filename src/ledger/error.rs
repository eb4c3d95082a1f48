//! Why the ledger cannot be used, and what that means for whoever wanted to.

use crate::base::AbsPath;
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
    #[error("the ledger {path} cannot be used: {message}")]
    Unavailable { path: AbsPath, message: String },
}

impl LedgerError {
    pub fn path(&self) -> &AbsPath {
        match self {
            Self::Newer { path, .. }
            | Self::Damaged { path, .. }
            | Self::Unavailable { path, .. } => path,
        }
    }
}

impl From<LedgerError> for Problem {
    fn from(error: LedgerError) -> Self {
        let kind = match &error {
            LedgerError::Newer { .. } => ProblemKind::Protocol,
            LedgerError::Damaged { .. } => ProblemKind::Malformed,
            LedgerError::Unavailable { .. } => ProblemKind::Unreadable,
        };
        Self { kind, message: error.to_string(), path: Some(error.path().clone()), line: None }
    }
}
