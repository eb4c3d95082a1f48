//! Handlers of `fuse.*`.

use super::checks::{self, refused};
use super::ledger_access::{change, existing_directory, known_directory, read};
use super::router::Call;
use crate::fuses::check_address;
use crate::protocol::error::RpcError;
use crate::protocol::fuse::{
    CancelParams, CancelResult, ExtendParams, Fuse, FuseResult, ListParams, ListResult, OnExpire,
    SetParams,
};

/// Sets a fuse in place of the one that the directory may have.
pub(super) async fn set(call: Call, params: SetParams) -> Result<FuseResult, RpcError> {
    check(&params.on_expire)?;
    checks::optional_line("label", params.label.as_deref())?;
    let directory = existing_directory("directory", &params.directory).await?;
    let set = change(&call.app, move |ledger, world| {
        let fuse = Fuse {
            directory,
            expires_at: world.now.plus_millis(params.ttl_ms.get()),
            label: params.label,
            session_id: params.session_id,
            on_expire: params.on_expire,
        };
        ledger.set_fuse(fuse.clone());
        Ok(FuseResult { fuse })
    });
    let set = set.await?;
    call.app.fuses.changed();
    Ok(set)
}

/// Sets a fuse's end anew.
pub(super) async fn extend(call: Call, params: ExtendParams) -> Result<FuseResult, RpcError> {
    let directory = known_directory(&params.directory).await?;
    let extended = change(&call.app, move |ledger, world| {
        let until = world.now.plus_millis(params.ttl_ms.get());
        match ledger.extend_fuse(&directory, until) {
            Some(fuse) => Ok(FuseResult { fuse }),
            None => Err(RpcError::FuseNotFound(directory)),
        }
    });
    let extended = extended.await?;
    call.app.fuses.changed();
    Ok(extended)
}

/// Takes a fuse away.
pub(super) async fn cancel(call: Call, params: CancelParams) -> Result<CancelResult, RpcError> {
    let directory = known_directory(&params.directory).await?;
    let cancelled = change(&call.app, move |ledger, _| {
        Ok(CancelResult { cancelled: ledger.cancel_fuse(&directory) })
    });
    let cancelled = cancelled.await?;
    call.app.fuses.changed();
    Ok(cancelled)
}

/// Lists the fuses.
pub(super) async fn list(call: Call, _: ListParams) -> Result<ListResult, RpcError> {
    read(&call.app, |ledger, _| ListResult { fuses: ledger.fuses }).await
}

/// Refuses what could not be done when the time comes.
fn check(on_expire: &OnExpire) -> Result<(), RpcError> {
    let OnExpire { command, webhook, event } = on_expire;
    if command.is_none() && webhook.is_none() && event.is_none() {
        return Err(refused("onExpire", "one of `command`, `webhook` and `event` is needed"));
    }
    if let Some(argv) = command {
        checks::command("onExpire.command", argv)?;
    }
    if let Some(Err(why)) = webhook.as_deref().map(check_address) {
        return Err(refused("onExpire.webhook", why));
    }
    checks::optional_line("onExpire.event", event.as_deref())
}
