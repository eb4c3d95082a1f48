//! Handlers of `lock.*`.

use super::checks;
use super::ledger_access::{change, existing_directory, known_directory, read};
use super::router::Call;
use crate::ledger::Claims;
use crate::protocol::error::{Claiming, RpcError};
use crate::protocol::lock::{
    AcquireParams, AcquireResult, ListParams, ListResult, Lock, LockKind, ReleaseParams,
    ReleaseResult,
};

/// Claims a directory for whoever asks.
pub(super) async fn acquire(call: Call, params: AcquireParams) -> Result<AcquireResult, RpcError> {
    checks::line("by", &params.by)?;
    checks::optional_line("reason", params.reason.as_deref())?;
    let directory = existing_directory("directory", &params.directory).await?;
    change(&call.app, move |ledger, world| {
        let lock = Lock {
            directory,
            by: params.by,
            kind: LockKind::Manual,
            pid: None,
            session_id: None,
            since: world.now,
            expires_at: params.ttl_ms.map(|it| world.now.plus_millis(it.get())),
            reason: params.reason,
        };
        let refused = |it: Box<Lock>| RpcError::locked(*it, Claiming::Acquire);
        ledger.acquire(lock.clone(), world).map_err(refused)?;
        Ok(AcquireResult { lock })
    })
    .await
}

/// Gives up the claim on a directory.
pub(super) async fn release(call: Call, params: ReleaseParams) -> Result<ReleaseResult, RpcError> {
    checks::optional_line("by", params.by.as_deref())?;
    if params.by.is_some() && params.force {
        return Err(checks::refused("by", "not together with `force`"));
    }
    let directory = known_directory(&params.directory).await?;
    change(&call.app, move |ledger, world| {
        let claims = match &params.by {
            Some(name) => Claims::AcquiredBy(name),
            None if params.force => Claims::All,
            None => Claims::Acquired,
        };
        let refused = |it: Box<Lock>| RpcError::locked(*it, Claiming::Release);
        let released = ledger.release(&directory, claims, world).map_err(refused)?;
        Ok(ReleaseResult { released })
    })
    .await
}

/// Lists the claims that hold now.
pub(super) async fn list(call: Call, _: ListParams) -> Result<ListResult, RpcError> {
    read(&call.app, |ledger, world| ListResult { locks: ledger.held(world) }).await
}
