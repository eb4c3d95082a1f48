//! The log: a rolling file in the state directory. Without a place for it there is none, and all else works.

use std::os::unix::fs::DirBuilderExt;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_appender::rolling::{RollingFileAppender, Rotation};

use crate::env::Env;

/// How many days of log are kept.
const DAYS_KEPT: usize = 7;

/// Starts the log at the level of `HEADCOUNT_LOG` (`off`, `error`, `warn`, `info`, `debug`, `trace`; `info` where
/// it says nothing).
pub(super) fn start(env: &Env) {
    let asked = env.var("HEADCOUNT_LOG").and_then(|it| it.to_str());
    let level = asked.and_then(|it| LevelFilter::from_str(it).ok()).unwrap_or(LevelFilter::INFO);
    if level == LevelFilter::OFF {
        return;
    }
    let dir = env.state_dir().join("logs");
    // The appender complains on stderr about a directory that is not there yet. The state directory may be made here:
    // it is this user's alone.
    if std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).is_err() {
        return;
    }
    let built = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("headcount")
        .filename_suffix("log")
        .max_log_files(DAYS_KEPT)
        .build(dir);
    let Ok(appender) = built else { return };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(appender))
        .finish();
    // Only a second log in one process would be refused.
    drop(tracing::subscriber::set_global_default(subscriber));
}
