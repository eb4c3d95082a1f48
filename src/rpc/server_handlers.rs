//! Handler of `server.metrics`.

use tokio::time::Instant;

use super::ledger_access::read_until;
use super::router::Call;
use crate::census;
use crate::ledger::{End, LaunchEntry, Life, World};
use crate::protocol::error::RpcError;
use crate::protocol::server::{LaunchCounts, LedgerCounts, MetricsParams, MetricsResult};

/// Counts requests, sessions, claims, fuses and launches.
pub(super) async fn metrics(call: Call, _: MetricsParams) -> Result<MetricsResult, RpcError> {
    let counted =
        read_until(&call.app, Instant::now() + census::DEADLINE, |ledger, world| LedgerCounts {
            locks_active: ledger.held(world).len() as u64,
            fuses_active: ledger.fuses.len() as u64,
            launches: counts(&ledger.launches, world),
        });
    let (ledger, problem) = match counted.await {
        Ok(counts) => (Some(counts), None),
        Err(error) => (None, Some(error.into())),
    };
    let counters = &call.app.counters;
    Ok(MetricsResult {
        uptime_ms: counters.uptime_ms(),
        requests: counters.requests(),
        sessions_active: counters.sessions(),
        ledger,
        problems: problem.into_iter().collect(),
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
