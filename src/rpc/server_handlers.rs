//! Handler of `server.metrics`.

use super::ledger_access::read;
use super::router::Call;
use crate::ledger::{End, LaunchEntry, Life, World};
use crate::protocol::error::RpcError;
use crate::protocol::server::{LaunchCounts, MetricsParams, MetricsResult};

/// Counts requests, sessions, claims, fuses and launches.
pub(super) async fn metrics(call: Call, _: MetricsParams) -> Result<MetricsResult, RpcError> {
    let counted = read(&call.app, |ledger, world| {
        let launches = counts(&ledger.launches, world);
        (ledger.held(world).len() as u64, ledger.fuses.len() as u64, launches)
    });
    let (locks_active, fuses_active, launches) = counted.await?;
    let counters = &call.app.counters;
    Ok(MetricsResult {
        uptime_ms: counters.uptime_ms(),
        requests: counters.requests(),
        sessions_active: counters.sessions(),
        locks_active,
        fuses_active,
        launches,
    })
}

fn counts(launches: &[LaunchEntry], world: World<'_>) -> LaunchCounts {
    let mut counts = LaunchCounts::default();
    for entry in launches {
        let count = match entry.how_ended() {
            Some(End::Exit(0)) => &mut counts.succeeded,
            Some(End::Unknown) => &mut counts.lost,
            Some(_) => &mut counts.failed,
            None if entry.life(world) == Life::Dead => &mut counts.lost,
            None => &mut counts.active,
        };
        *count += 1;
    }
    counts
}
