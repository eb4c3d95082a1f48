//! The log: a rolling file in the state directory. Without a place for it there is none, and all else works.

use std::ffi::OsStr;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_appender::rolling::{RollingFileAppender, Rotation};

use crate::env::Env;

/// How many days of log are kept.
const DAYS_KEPT: usize = 7;

/// What `HEADCOUNT_LOG` may say.
const LEVELS: &str = "off, error, warn, info, debug, trace";

/// Starts the log in the state directory, at the level of `HEADCOUNT_LOG`.
pub(super) fn start(state_dir: &Path, env: Option<&Env>) {
    let asked = env.and_then(|it| it.var("HEADCOUNT_LOG"));
    let (level, unknown) = level(asked);
    if level == LevelFilter::OFF {
        return;
    }
    // A home that is not there is nobody's to make: not that of a system's user, not one that is not mounted yet.
    if env.is_some_and(|it| {
        state_dir.starts_with(it.home().as_path()) && !it.home().as_path().exists()
    }) {
        return;
    }
    let dir = state_dir.join("logs");
    // The appender complains on stderr about a directory that is not there yet. The state directory may be made here:
    // it is this user's alone.
    if std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).is_err() {
        return;
    }
    let Some(appender) = appender(&dir) else { return };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(appender))
        .finish();
    // Only a second log in one process would be refused.
    drop(tracing::subscriber::set_global_default(subscriber));
    if let Some(unknown) = unknown {
        tracing::warn!("HEADCOUNT_LOG: `{unknown}` is none of {LEVELS}; `{level}` holds");
    }
}

/// The file of today; those of too many days are removed.
fn appender(dir: &Path) -> Option<RollingFileAppender> {
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("headcount")
        .filename_suffix("log")
        .max_log_files(DAYS_KEPT)
        .build(dir)
        .ok()
}

/// The level that is asked for, `info` where nothing is, and what was asked for where that is none.
fn level(asked: Option<&OsStr>) -> (LevelFilter, Option<String>) {
    let Some(asked) = asked else { return (LevelFilter::INFO, None) };
    match asked.to_str().and_then(|it| LevelFilter::from_str(it).ok()) {
        Some(level) => (level, None),
        None => (LevelFilter::INFO, Some(asked.to_string_lossy().into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_days_are_kept_and_no_file_but_logs_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: String| std::fs::write(dir.path().join(name), "").unwrap();
        (1..=9).for_each(|day| put(format!("headcount.2020-01-0{day}.log")));
        put("notes.txt".into());
        assert!(appender(dir.path()).is_some());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), DAYS_KEPT + 1);
        assert!(dir.path().join("notes.txt").exists());
    }

    #[test]
    fn what_is_no_level_is_named_and_info_holds() {
        let check = |asked: Option<&str>, expect, unknown: Option<&str>| {
            assert_eq!(level(asked.map(OsStr::new)), (expect, unknown.map(str::to_owned)));
        };
        check(None, LevelFilter::INFO, None);
        check(Some("verbose"), LevelFilter::INFO, Some("verbose"));
        for known in LEVELS.split(", ") {
            check(Some(known), known.parse().unwrap(), None);
        }
    }
}
